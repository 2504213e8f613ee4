"""Reading a list whole, whatever order it comes in and whatever happens to it meanwhile.

The list is simulated: no LNbits can be made to answer in each of these orders at will.
"""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.lnbits.models import ListedRow, PaymentPage
from dca_bot.lnbits.payment_list import (
    PASSES_MAX,
    ParametersRefused,
    all_rows,
    mark_list,
    rows_since,
)


def row(number, amount=-1000):
    return ListedRow(checking_id=f"id-{number}", amount=amount)


@dataclass
class List:
    """A wallet's list; `rows` are (instant, row), `before` happens before each request."""

    rows: list = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    before: object = None
    order: str = "time"
    page_max: int = 1000
    refuses: frozenset = frozenset()
    counts: bool = True
    asked: list = field(default_factory=list)

    async def page(self, params):
        self.asked.append(dict(params))
        if self.before is not None:
            self.before(len(self.asked))
        if self.refuses & set(params):
            raise ParametersRefused("HTTP 500", fault=LnbitsFault.UNREACHABLE)
        shuffled = self.chance.sample(self.rows, len(self.rows))
        if self.order == "time" and "sortby" in params:
            shuffled.sort(key=lambda pair: pair[0], reverse=params["direction"] == "desc")
        elif self.order in ("fixed", "same"):
            shuffled = list(self.rows)
        first = int(params["offset"]) if self.order != "same" else 0
        size = min(int(params["limit"]), self.page_max)
        data = [one for _, one in shuffled[first : first + size]]
        total = len(self.rows) if data else 0
        return PaymentPage(data=data, total=total if self.counts else len(data))

    async def read(self, **options):
        return [one.checking_id async for one in all_rows(self.page, **options)]


def numbered(count, *, tie=1):
    return [(number // tie, row(number)) for number in range(count)]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("page_max", [1, 2, 3, 7, 100])
async def test_list_is_read_in_order_and_each_row_once(page_max, newest_first):
    list_ = List(numbered(40), page_max=page_max)
    found = await list_.read(page_rows=50, newest_first=newest_first)
    expected = [f"id-{number}" for number in range(40)]
    assert found == (expected[::-1] if newest_first else expected)


async def test_count_of_the_page_alone_is_not_taken_for_the_end():
    assert len(await List(numbered(95), counts=False).read(page_rows=10)) == 95


async def test_empty_list_takes_one_request():
    list_ = List()
    assert await list_.read() == []
    assert len(list_.asked) == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 30), st.booleans())
async def test_rows_of_one_instant_in_any_order_are_all_read_or_it_is_an_error(
    seed, count, page_rows, newest_first
):
    list_ = List(numbered(count, tie=7), random.Random(seed))
    try:
        found = await list_.read(page_rows=page_rows, newest_first=newest_first)
    except LnbitsUnavailable:
        return
    assert sorted(found) == sorted(f"id-{number}" for number in range(count))


async def test_list_in_another_order_each_time_is_read_whole_or_it_is_an_error():
    outcomes = set()
    for seed in range(20):
        list_ = List(numbered(500), random.Random(seed), order="none")
        try:
            outcomes.add(len(await list_.read(page_rows=100)))
        except LnbitsUnavailable as error:
            outcomes.add(str(error).partition(",")[0])
    assert outcomes <= {500, "LNbits' list of payments came in another order each time"}


async def test_fixed_order_that_is_not_by_time_is_read_whole():
    rows = numbered(100)
    random.Random(3).shuffle(rows)
    assert len(await List(rows, order="fixed").read(page_rows=10)) == 100


async def test_offset_that_is_ignored_ends_in_an_error():
    list_ = List(numbered(100), order="same")
    with pytest.raises(LnbitsUnavailable):
        await list_.read(page_rows=10)
    assert len(list_.asked) < PASSES_MAX * 50


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
async def test_rows_added_anywhere_meanwhile_hide_no_older_one(seed, page_rows, newest_first):
    list_ = List(numbered(30), random.Random(seed))

    def add(number):
        if number <= 20:  # somebody's clock can be before or after everything there
            list_.rows.append((list_.chance.choice([-1, 5, 15, 99]), row(f"new-{number}")))

    list_.before = add
    try:
        found = await list_.read(page_rows=page_rows, newest_first=newest_first)
    except LnbitsUnavailable:
        return
    assert {f"id-{number}" for number in range(30)} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("gone", [1, 10, 25])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_rows_that_leave_the_list_meanwhile_hide_no_other(gone, newest_first):
    """Pending rows leave a list that LNbits filters by their state."""
    list_ = List(numbered(200))

    def leave(number):
        if number == 2:
            del list_.rows[:gone]
            del list_.rows[-gone:]

    list_.before = leave
    found = await list_.read(page_rows=50, newest_first=newest_first)
    assert {one.checking_id for _, one in list_.rows} <= set(found)


async def test_list_that_empties_meanwhile_is_no_error():
    list_ = List(numbered(100))
    list_.before = lambda number: list_.rows.clear() if number == 2 else None
    assert len(await list_.read(page_rows=50)) == 50


async def test_list_that_grows_as_fast_as_it_is_read_ends():
    list_ = List(numbered(30))
    list_.before = lambda number: list_.rows.extend(
        (number + 100, row(f"{number}-{more}")) for more in range(10)
    )
    with pytest.raises(LnbitsUnavailable):
        await list_.read(page_rows=10)
    assert len(list_.asked) < 100


@pytest.mark.parametrize(
    ("refuses", "requests"),
    [({"amount[lt]"}, 2), ({"sortby"}, 3), ({"amount[lt]", "sortby"}, 3)],
)
async def test_filters_and_order_that_lnbits_refuses_are_left_out(refuses, requests):
    list_ = List(numbered(20), order="fixed", refuses=frozenset(refuses))
    assert len(await list_.read(hints={"amount[lt]": "0"})) == 20
    assert len(list_.asked) == requests


async def test_list_that_is_refused_without_parameters_too_is_an_error():
    list_ = List(numbered(20), refuses=frozenset({"limit"}))
    with pytest.raises(ParametersRefused):
        await list_.read(hints={"amount[lt]": "0"})
    assert len(list_.asked) == 3


async def test_newest_page_takes_one_request():
    list_ = List(numbered(1000))
    async for one in all_rows(list_.page, page_rows=100, newest_first=True):
        assert one.checking_id == "id-999"
        break
    assert len(list_.asked) == 1


# Looks at what has been added since a mark


async def since(list_, mark, **options):
    return [one.checking_id async for one in rows_since(list_.page, mark, **options)]


@pytest.mark.parametrize("added", [0, 1, 70, 100, 250])
async def test_rows_added_after_a_mark_are_read_without_the_rest(added):
    list_ = List(numbered(5000))
    mark = await mark_list(list_.page, page_rows=100)
    list_.rows += [(9000 + number, row(f"new-{number}")) for number in range(added)]
    list_.asked.clear()
    found = await since(list_, mark, page_rows=100)
    assert found[:added] == [f"id-new-{number}" for number in reversed(range(added))]
    assert len(list_.asked) <= added // 80 + 1


async def test_row_that_came_while_lnbits_clock_was_behind_is_found():
    list_ = List(numbered(5000))
    mark = await mark_list(list_.page, page_rows=100)
    list_.rows += [(9000, row("front")), (17, row("behind"))]
    found = await since(list_, mark, page_rows=100)
    assert {"id-front", "id-behind"} <= set(found)
    assert len(found) == len(set(found))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(0, 30),
    st.integers(4, 12),
    st.lists(st.integers(-1, 12), max_size=15),
)
async def test_whatever_was_added_after_a_mark_is_found(seed, count, page_rows, added):
    list_ = List(numbered(count, tie=3), random.Random(seed))
    mark = await mark_list(list_.page, page_rows=page_rows)
    list_.rows += [(at, row(f"new-{number}")) for number, at in enumerate(added)]
    try:
        found = await since(list_, mark, page_rows=page_rows)
    except LnbitsUnavailable:
        return
    assert {f"id-new-{number}" for number in range(len(added))} <= set(found)
    assert len(found) == len(set(found))


async def test_mark_of_a_list_that_became_shorter_has_everything_read():
    list_ = List(numbered(300))
    mark = await mark_list(list_.page, page_rows=50)
    del list_.rows[:5]
    list_.rows += [(9000, row("front")), (17, row("behind"))]
    assert {"id-front", "id-behind"} <= set(await since(list_, mark, page_rows=50))


@pytest.mark.parametrize("refuses", [{"amount[lt]"}, {"sortby"}])
@pytest.mark.parametrize("moment", ["at the mark", "after it"])
async def test_look_after_a_mark_that_lnbits_refuses_reads_everything(refuses, moment):
    list_ = List(numbered(30), order="fixed")
    hints = {"amount[lt]": "0"}
    if moment == "at the mark":
        list_.refuses = frozenset(refuses)
    mark = await mark_list(list_.page, hints)
    list_.refuses = frozenset(refuses)
    assert len(await since(list_, mark, hints=hints)) == 30

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.forecast import (
    DAY,
    BalanceMove,
    Pace,
    days_left,
    fixed_need_minor,
    need_for,
    pace,
    spending_pace,
)

NOW = datetime(2026, 3, 31, tzinfo=UTC)
SINCE = NOW - 30 * DAY
amounts = st.integers(0, 10**15)
_US = timedelta(microseconds=1)
times = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


def bought(days_ago, minor):
    return BalanceMove(NOW - days_ago * DAY, -minor, minor)


def handed_in(days_ago, minor):
    return BalanceMove(NOW - days_ago * DAY, minor, 0)


@pytest.mark.parametrize(
    ("balance_minor", "moves", "expected"),
    [
        (1000, [], Pace(0, 30 * DAY)),
        (0, [], Pace(0, DAY)),
        (400, [bought(3, 300), bought(5, 300), handed_in(10, 1000)], Pace(600, 10 * DAY)),
        (900, [bought(40, 100)], Pace(100, 30 * DAY)),  # a clock that was set back
        # Used up in five days, then nothing for a while: the empty time doesn't count.
        (
            1000,
            [handed_in(0, 1000), bought(20, 500), handed_in(25, 500)],
            Pace(500, 5 * DAY),
        ),
        # Cash taken back was not spent; a payout that was cancelled was not either.
        (100, [BalanceMove(NOW - DAY, -400, 0), handed_in(2, 500)], Pace(0, 2 * DAY)),
        (
            500,
            [BalanceMove(NOW - DAY, 200, -200), bought(2, 200), handed_in(3, 500)],
            Pace(0, 3 * DAY),
        ),
        (500, [BalanceMove(NOW - DAY, 200, -200)], Pace(0, 30 * DAY)),
        (900, [BalanceMove(NOW, -100, 100), handed_in(0, 1000)], Pace(100, DAY)),
    ],
)
def test_pace_is_what_was_spent_while_there_was_a_balance(balance_minor, moves, expected):
    assert spending_pace(balance_minor, moves, since=SINCE, now=NOW) == expected


@pytest.mark.parametrize(
    ("amount", "present", "days"),
    [
        (1200, Pace(100, DAY), 12),
        (1299, Pace(100, DAY), 12),
        (99, Pace(100, DAY), 0),
        (0, Pace(100, DAY), 0),
        (-5, Pace(100, DAY), 0),
        (1000, Pace(600, 10 * DAY), 16),
        (1000, Pace(0, DAY), None),
        (10**15, Pace(1, 30 * DAY), 30 * 10**15),
    ],
)
def test_days_left_are_rounded_down(amount, present, days):
    assert days_left(amount, present) == days


@given(amounts, amounts, amounts.filter(bool), times)
def test_more_lasts_no_shorter_and_is_used_up_in_time(amount, more, spent, over):
    present = pace(spent, over)
    days = days_left(amount, present)
    assert days_left(amount + more, present) >= days
    assert days_left(amount, pace(spent + more, over)) <= days
    assert days_left(amount, pace(spent, over + DAY)) >= days
    # So many whole days need no more than there is, and one day more does.
    assert days * spent * (DAY // _US) <= amount * (present.over // _US)
    assert (days + 1) * spent * (DAY // _US) > amount * (present.over // _US)


@given(amounts, times, st.integers(1, 30))
def test_need_is_rounded_up_and_grows_with_the_days(amount, over, days):
    present = pace(amount, over)
    assert need_for(present, days) >= need_for(present, days - 1)
    exact_us = amount * days * (DAY // _US)
    assert need_for(present, days) == -(-exact_us // (present.over // _US))


@given(st.lists(st.tuples(amounts, amounts), max_size=8), st.integers(1, 30))
def test_fixed_need_is_the_limits_and_never_more_than_the_balances(limits, days):
    need_minor = fixed_need_minor(limits, days)
    assert need_minor <= sum(balance for _, balance in limits)
    assert need_minor <= days * fixed_need_minor(limits, 1)
    assert need_minor >= fixed_need_minor(limits, 1)


spans = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2000), st.sampled_from(["in", "buy", "out"])),
    max_size=25,
)


@given(spans)
def test_pace_equals_a_day_by_day_model(story):
    """Live through the days one after the other; the pace is found walking back."""
    balance, spent, funded, at, moves = 0, 0, 0, SINCE, []
    for wait, amount, what in story:
        days = min(wait, (NOW - at).days)
        funded += days if balance else 0
        at += days * DAY
        change = amount if what == "in" else -min(amount, balance)
        balance += change
        spent += -change if what == "buy" else 0
        moves.append(BalanceMove(at, change, -change if what == "buy" else 0))
    funded += (NOW - at).days if balance else 0
    found = spending_pace(balance, reversed(moves), since=SINCE, now=NOW)
    assert found == Pace(spent, max(funded, 1) * DAY)

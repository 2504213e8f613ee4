"""What a chart shows as a picture: sums that end at the whole, and round lines above them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dca_bot.core.picture import days, growth, lines

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=90)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 90 * 86_400), st.integers(1, 10**9)), max_size=30))
def test_growth_rises_from_nothing_to_the_whole_sum(amounts):
    points = growth(((START + timedelta(seconds=s), n) for s, n in amounts), start=START, end=END)
    assert points[0] == (int(START.timestamp()), 0)
    assert points[-1] == (int(END.timestamp()), sum(n for _, n in amounts))
    assert points == sorted(points)
    assert sorted(total for _, total in points) == [total for _, total in points]


@settings(max_examples=30)
@given(st.integers(0, 21 * 10**14), st.sampled_from([1, 100, 1000]))
def test_lines_are_few_round_and_reach_the_top(top, unit):
    found = lines(top, unit)
    step = found[1]
    assert found == list(range(0, found[-1] + 1, step))
    assert found[-2] <= max(top, 0) <= found[-1]
    assert len(found) <= 6
    assert str(step // unit).rstrip("0") in ("1", "2", "5")
    assert step % unit == 0


def test_days_begin_and_end_with_the_range():
    found = days(START, END)
    assert (found[0], found[-1], len(found)) == (START, END, 4)

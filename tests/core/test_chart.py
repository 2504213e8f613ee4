from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.chart import BAR_LENGTH, WIDTH_MAX, accumulate, bar, compact

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=10)
sats = st.one_of(st.integers(0, 2000), st.integers(0, 21 * 10**14))
instants = st.integers(-1440, 11 * 1440).map(lambda minutes: START + timedelta(minutes=minutes))
points = st.lists(st.tuples(instants, sats), max_size=20)


def test_sats_add_up_over_the_range():
    days = [(START + timedelta(days=day), 10**day) for day in (-1, 0, 4, 5, 9)]
    found = accumulate(days, start=START, end=END, rows=2)
    assert found == [(START + timedelta(days=5), 110_001), (END, 1_000_110_001)]


@given(points, st.integers(1, 12))
def test_bars_only_grow_and_end_with_everything_in_the_range(found, rows):
    grown = accumulate(found, start=START, end=END, rows=rows)
    assert len(grown) == rows
    assert [at for at, _ in grown] == sorted(at for at, _ in grown)
    assert [sat for _, sat in grown] == sorted(sat for _, sat in grown)
    assert grown[-1] == (END, sum(sat for at, sat in found if START <= at <= END))


@pytest.mark.parametrize(
    ("value", "top", "drawn"),
    [
        (0, 100, ""),
        (100, 100, "█" * 16),
        (50, 100, "█" * 8),
        (1, 10**9, "▏"),
        (99, 100, "█" * 15 + "▊"),
        (0, 0, ""),
    ],
)
def test_bar_is_drawn_to_an_eighth(value, top, drawn):
    assert bar(value, top) == drawn


@pytest.mark.parametrize(
    ("sat", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1999, "1.99k"),
        (12_345, "12.3k"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_250_000, "1.25M"),
        (1_999_999_999, "1.99B"),
        (21 * 10**14, "2100T"),
    ],
)
def test_amount_is_cut_never_rounded_up(sat, text):
    assert compact(sat) == text


@given(sats, sats)
def test_each_line_fits_a_phone(value, more):
    line = f"2026-03 {bar(value, value + more)} {compact(value)}"
    assert len(line) <= WIDTH_MAX
    assert len(bar(value, value + more)) <= BAR_LENGTH
    assert (bar(value, value + more) == "") == (value == 0)


@given(sats, sats)
def test_written_amount_is_at_most_the_amount(sat, more):
    def read(text):
        digits, unit = text.rstrip("kMBT"), text.lstrip("0123456789.")
        whole, _, fraction = digits.partition(".")
        scale = 1000 ** ("", "k", "M", "B", "T").index(unit)
        return int(whole) * scale + int(fraction or 0) * scale // 10 ** len(fraction)

    assert read(compact(sat)) <= sat < read(compact(sat)) * 101 // 100 + 10
    assert read(compact(sat)) <= read(compact(sat + more))

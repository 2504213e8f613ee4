from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.stats import (
    Gain,
    Purchase,
    Stats,
    gain,
    next_milestone,
    summarize,
    weekly_tenths,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
coins = st.fractions(min_value=1, max_value=10**12, max_denominator=10**4)


def purchase(day, minor, sat, payout_id="p"):
    return Purchase(START + timedelta(days=day), minor, sat, payout_id)


purchases = st.lists(
    st.builds(
        purchase,
        st.integers(0, 50),
        st.one_of(st.integers(0, 5), st.integers(1, 10**12)),
        st.one_of(st.integers(1, 5), st.integers(1, 10**12)),
        st.sampled_from(["p1", "p2", "p3", None]),
    ),
    max_size=12,
)


def stats_of(minor, sat):
    one = purchase(0, minor, sat)
    return Stats(minor, sat, 1, one, one)


def test_nothing_bought_has_no_figures():
    assert summarize([]) is None


def test_purchases_are_summed_and_ranked_exactly():
    """The two rates differ in the 17th digit, where a float sees none."""
    dear = purchase(1, 10**16 + 1, 10**16, "p1")
    cheap = purchase(2, 10**16, 10**16, "p2")
    waiting = purchase(3, 10**16, 10**16, None)
    assert summarize([waiting, dear, cheap]) == Stats(3 * 10**16 + 1, 3 * 10**16, 2, cheap, dear)


@given(purchases.filter(bool))
def test_figures_equal_a_naive_model(bought):
    found = summarize(bought)
    minor = sat = 0
    payouts, best, worst = set(), None, None
    for one in sorted(bought, key=lambda p: p.at):
        minor += one.minor
        sat += one.sat
        if one.payout_id:
            payouts.add(one.payout_id)
        if best is None or one.minor * best.sat < best.minor * one.sat:
            best = one
        if worst is None or one.minor * worst.sat > worst.minor * one.sat:
            worst = one
    assert found == Stats(minor, sat, len(payouts), best, worst)
    assert found.best.rate <= Fraction(minor, sat) <= found.worst.rate


@pytest.mark.parametrize(
    ("minor", "sat", "coin", "expected"),
    [
        (80_000, 100_000, 80_000_000, Gain(80_000, 0, 0)),
        (80_000, 100_000, 88_000_000, Gain(88_000, 8_000, 100)),
        (80_000, 100_000, 72_000_000, Gain(72_000, -8_000, -100)),
        (80_000, 100_000, 80_040_000, Gain(80_040, 40, 1)),  # half a tenth goes up
        (80_000, 100_000, 79_960_000, Gain(79_960, -40, -1)),  # and down
        (80_000, 100_000, 80_039_000, Gain(80_039, 39, 0)),
        (1, 100_000_000, 10**12, Gain(10**12, 10**12 - 1, (10**12 - 1) * 1000)),
        (0, 100_000, 80_000_000, None),
    ],
)
def test_gain_is_rounded_to_tenths_of_a_percent(minor, sat, coin, expected):
    assert gain(stats_of(minor, sat), Fraction(coin)) == expected


@given(st.integers(1, 10**15), st.integers(1, 10**15), coins, coins)
def test_gain_grows_with_the_price_and_adds_up(minor, sat, coin, more):
    here, higher = (gain(stats_of(minor, sat), price) for price in (coin, coin + more))
    assert here.value_minor == minor + here.minor
    assert here.minor <= higher.minor
    assert here.percent_tenths <= higher.percent_tenths
    exact = Decimal(here.minor * 1000) / Decimal(minor)
    if abs(exact) < 10**20:
        assert here.percent_tenths == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("count", "days", "tenths"),
    [
        (0, 30, 0),
        (1, 1, 10),
        (1, 7, 10),
        (1, 14, 5),
        (3, 30, 7),
        (30, 30, 70),
        (1, 280, 0),
        (1, 140, 1),
    ],
)
def test_frequency_is_told_in_tenths_a_week(count, days, tenths):
    assert weekly_tenths(count, timedelta(days=days)) == tenths


@pytest.mark.parametrize(
    ("sat", "milestone"),
    [
        (0, 100_000),
        (99_999, 100_000),
        (100_000, 250_000),
        (250_000, 500_000),
        (500_000, 1_000_000),
        (1_000_000, 2_500_000),
        (7_000_000, 10_000_000),
        (99_999_999, 100_000_000),
        (21 * 10**14, 25 * 10**14),
    ],
)
def test_next_milestone_is_the_next_round_number(sat, milestone):
    assert next_milestone(sat) == milestone


@given(st.integers(0, 21 * 10**14))
def test_milestone_is_the_least_of_the_round_numbers_ahead(sat):
    steps = [step * 10**zeros for zeros in range(12) for step in (100_000, 250_000, 500_000)]
    assert next_milestone(sat) == min(step for step in steps if step > sat)

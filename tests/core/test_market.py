from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.market import bought_sat, coin_minor, cost_sat, is_far_off, value_minor

coins = st.fractions(min_value=Fraction(1, 1000), max_value=10**12, max_denominator=10**6)


@pytest.mark.parametrize(
    ("price", "currency", "coin"),
    [
        ("826091.28", "GTQ", 82_609_128),
        ("826091.285", "GTQ", Fraction(165_218_257, 2)),
        ("15000000", "JPY", 15_000_000),
        ("40000.1234", "KWD", Fraction(400_001_234, 10)),
    ],
)
def test_price_becomes_minor_units_exactly(price, currency, coin):
    assert coin_minor(Decimal(price), currency) == coin


@pytest.mark.parametrize(
    ("sat", "coin", "minor"),
    [(100_000_000, 82_609_128, 82_609_128), (1, 50_000_000, 1), (1, 49_999_999, 0), (0, 1, 0)],
)
def test_value_is_rounded_half_up(sat, coin, minor):
    assert value_minor(sat, Fraction(coin)) == minor


@given(st.integers(0, 21 * 10**14), coins)
def test_value_is_the_nearest_minor_unit(sat, coin):
    exact = sat * coin / 10**8
    assert abs(value_minor(sat, coin) - exact) <= Fraction(1, 2)


@given(st.integers(0, 10**15), coins)
def test_cost_is_the_fewest_sats_that_suffice(minor, coin):
    assert cost_sat(minor, coin) == ceil(minor * 10**8 / coin)


@pytest.mark.parametrize(
    ("minor", "price", "currency", "sat"),
    [
        (80_000, "800000", "GTQ", 100_000),
        (80_000, "800000.01", "GTQ", 99_999),
        (1, "826091.28", "GTQ", 1),
        (1, "1000000.01", "GTQ", 0),
        (800, "800000", "JPY", 100_000),
        (800_000, "800000", "KWD", 100_000),
        (0, "800000", "GTQ", 0),
    ],
)
def test_fiat_buys_whole_sats_rounded_down(minor, price, currency, sat):
    assert bought_sat(minor, coin_minor(Decimal(price), currency)) == sat


@given(st.integers(0, 10**15), coins)
def test_sats_never_cost_more_than_was_given_and_one_more_would(minor, coin):
    sat, per_sat = bought_sat(minor, coin), coin / 10**8
    assert sat * per_sat <= minor < (sat + 1) * per_sat


@given(st.integers(0, 10**15), coins, st.integers(0, 9999))
def test_margin_buys_nothing_and_is_rounded_once(minor, coin, margin_bp):
    m, rate = Fraction(margin_bp, 100), coin / 10**8
    assert bought_sat(minor, coin, margin_bp=margin_bp) == floor(minor * (100 - m) / (100 * rate))


@pytest.mark.parametrize(
    ("minor", "far"), [(200, False), (201, True), (100, False), (50, False), (49, True)]
)
def test_more_than_twice_or_less_than_half_the_price_is_far_off(minor, far):
    assert is_far_off(minor, 10**6, Fraction(10_000)) is far

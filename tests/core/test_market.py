from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.market import coin_minor, cost_sat, value_minor

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

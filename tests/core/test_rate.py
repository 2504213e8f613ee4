"""At which price fixed mode may buy, and what stops it."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.programme import FixedModeRules
from dca_bot.core.rate import (
    Quote,
    RateProblem,
    Ticker,
    choose_rate,
    is_price,
    newest_ticker,
    round_price,
)

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TERMS = FixedModeRules(
    enabled=True,
    times=(time(9),),
    daily_limit_max_minor=200_000,
    rate_source="lnbits",
    deviation_percent_max=5,
    rate_age_max=HOUR,
)
NO_PRICE, NO_TICKER = RateProblem.NO_PRICE, RateProblem.NO_TICKER
TOO_OLD, TOO_FAR = RateProblem.TOO_OLD, RateProblem.TOO_FAR


# The source, LNbits' price, the ticker's and its age in minutes; the price to buy at, or the problem.
CASES = [
    ("lnbits", "800000", None, 0, "800000"),
    ("lnbits", None, None, 0, NO_PRICE),
    ("lnbits", None, "800000", 1, NO_PRICE),
    ("lnbits", "0.0", "800000", 1, NO_PRICE),
    ("lnbits", "-5", None, 0, NO_PRICE),
    ("lnbits", "NaN", None, 0, NO_PRICE),
    ("lnbits", "Infinity", "800000", 1, NO_PRICE),
    ("lnbits", "0.001", None, 0, NO_PRICE),
    ("lnbits", "1E+40", None, 0, NO_PRICE),
    ("lnbits", "840000", "800000", 60, "840000"),
    ("lnbits", "840000.01", "800000", 60, TOO_FAR),
    ("lnbits", "760000", "800000", 0, "760000"),
    ("lnbits", "759999.99", "800000", 0, TOO_FAR),
    ("lnbits", "400000", "800000", 61, "400000"),
    ("lnbits", "400000", "800000", -30, TOO_FAR),
    ("lamassu", "800000", "810000", 60, "810000"),
    ("lamassu", None, "810000", 0, "810000"),
    ("lamassu", "0", "810000", 0, "810000"),
    ("lamassu", "800000", "810000", 61, TOO_OLD),
    ("lamassu", "800000", "800000", -1, TOO_OLD),
    ("lamassu", "800000", None, 0, NO_TICKER),
    ("lamassu", "700000", "810000", 1, TOO_FAR),
]


@pytest.mark.parametrize(("source", "price", "ticker", "age", "expected"), CASES)
def test_price_is_used_only_where_nothing_speaks_against_it(source, price, ticker, age, expected):
    found = choose_rate(
        None if price is None else Decimal(price),
        None if ticker is None else Ticker(Decimal(ticker), NOW - age * MINUTE),
        rules=replace(TERMS, rate_source=source),
        currency="GTQ",
        now=NOW,
    )
    is_problem = isinstance(expected, RateProblem)
    assert found == (expected if is_problem else Quote(Decimal(expected), source))


prices = st.decimals(Decimal("0.01"), Decimal(10**9), places=2)


@given(prices, prices, st.integers(0, 100))
def test_prices_within_the_percentage_of_the_ticker_pass_and_others_do_not(price, ticker, percent):
    found = choose_rate(
        price,
        Ticker(ticker, NOW),
        rules=replace(TERMS, deviation_percent_max=percent),
        currency="GTQ",
        now=NOW,
    )
    part = Fraction(percent, 100)
    low, high = Fraction(ticker) * (1 - part), Fraction(ticker) * (1 + part)
    assert isinstance(found, Quote) == (low <= price <= high)


@pytest.mark.parametrize(
    ("price", "about"),
    [
        ("826091.28", 830_000),
        ("824999.99", 820_000),
        ("995000", 1_000_000),
        ("99", 99),
        ("7.4", 7),
        ("0.2", 1),
    ],
)
def test_about_a_price_has_two_digits(price, about):
    assert round_price(Decimal(price)) == about


def row(minutes_ago, ticker="800000", **changes):
    values = {
        "crypto_code": "BTC",
        "fiat_code": "GTQ",
        "created_at": NOW - minutes_ago * MINUTE,
        "ticker": None if ticker is None else Decimal(ticker),
        "others": (),
    }
    return SimpleNamespace(**values | changes)


def test_newest_usable_ticker_is_found():
    rows = [
        row(9, "790000"),
        row(5, "801234.56000", crypto_code="LN"),
        row(4, None),
        row(3, "NaN"),
        row(3, "0"),
        row(3, "-1"),
        row(2, fiat_code="USD"),
        row(2, crypto_code="ETH"),
        row(1, crypto_code=None),
        row(-1, "999999"),
    ]
    found = newest_ticker(rows, currency="GTQ", now=NOW)
    assert found == Ticker(Decimal("801234.56"), NOW - 5 * MINUTE)
    assert newest_ticker([], currency="GTQ", now=NOW) is None


@pytest.mark.parametrize(
    ("price", "currency", "usable"),
    [
        ("0.01", "GTQ", True),
        ("0.009", "GTQ", False),
        ("0.9", "JPY", False),
        ("1", "JPY", True),
        ("-0", "GTQ", False),
        ("1E-40", "GTQ", False),
        ("1E+31", "GTQ", False),
        ("1E+30", "GTQ", True),
        (f"1.{'0' * 29}1", "GTQ", True),
        (f"1.{'0' * 30}1", "GTQ", False),
        ("sNaN", "GTQ", False),
    ],
)
def test_price_is_at_least_a_minor_unit_and_no_monster(price, currency, usable):
    assert is_price(Decimal(price), currency) is usable

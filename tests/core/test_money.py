from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.currencies import SHOWN_SIGNS
from dca_bot.core.money import (
    FIAT_MINOR_MAX,
    SAT_MAX,
    fiat_text,
    largest_remainder,
    minor_digits,
    parse_fiat,
    parse_sat,
    sat_text,
    typed_fiat,
)
from dca_bot.errors import DcaBotError


@pytest.mark.parametrize(
    ("currency", "digits"), [("GTQ", 2), ("USD", 2), ("JPY", 0), ("CLP", 0), ("KWD", 3), ("", 2)]
)
def test_minor_digits_follow_iso_4217(currency, digits):
    assert minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1500", 150_000),
        ("1,500.00", 150_000),
        ("Q1500", 150_000),
        ("q 1500", 150_000),
        ("1500Q", 150_000),
        ("GTQ1500", 150_000),
        ("1500 gtq", 150_000),
        ("1.500,50", 150_050),
        ("1,500", 150_000),
        ("12,345,678.9", 1_234_567_890),
        ("12.345.678", 1_234_567_800),
        ("12.345.678,9", 1_234_567_890),
        ("1500.5", 150_050),
        ("1500,5", 150_050),
        ("1,50", 150),
        ("0.01", 1),
        ("0001", 100),
        (" 7 ", 700),
        ("10000000000000", FIAT_MINOR_MAX),
    ],
)
def test_amounts_are_read_as_people_write_them(text, minor):
    assert parse_fiat(text, "GTQ") == minor


@pytest.mark.parametrize(
    "text",
    [
        *("", "Q", "Q Q1", "abc", "-5", "+5", "1e3", "1_000", "1 500", "½", "١٢", "0x10", "NaN"),
        *("1.500", "Q1.500", "0.500", "0,500", "1500.500", "1500,500", "1234,567"),
        *(
            "1,50,0",
            "1,5000,000",
            "1.500.00",
            "1,500,00",
            "1,500.000",
            "1..5",
            ".5",
            "5.",
            ",",
            ".",
        ),
        *("0", "0.00", "0.001", "1.005", "10000000000000.01", "9" * 19, "$5", "USD 5", "1\n500"),
    ],
)
def test_unclear_amounts_are_refused_with_what_to_write(text):
    with pytest.raises(DcaBotError, match=r"write|Write"):
        parse_fiat(text, "GTQ")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1,500", "JPY", 1500),
        ("1500", "JPY", 1500),
        ("1.500.000", "CLP", 1_500_000),
        ("1,500.250", "KWD", 1_500_250),
        ("1.5", "KWD", 1500),
        ("$20.50", "USD", 2050),
        ("20,50 €", "EUR", 2050),
    ],
)
def test_decimals_and_symbol_are_the_currencys(text, currency, minor):
    assert parse_fiat(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.5", "JPY"), ("1.500", "CLP"), ("1.500", "KWD"), ("1,500", "KWD"), ("Q5", "USD")],
)
def test_what_depends_on_the_currency_is_refused_where_unclear(text, currency):
    with pytest.raises(DcaBotError):
        parse_fiat(text, currency)


@given(st.integers(1, FIAT_MINOR_MAX), st.sampled_from(["GTQ", "JPY", "USD"]))
def test_written_amounts_read_back(minor, currency):
    assert parse_fiat(fiat_text(minor, currency), currency) == minor


@given(st.text("0123456789.,Q ", max_size=20))
def test_whatever_is_typed_is_read_or_refused(text):
    with suppress(DcaBotError):
        assert 0 < parse_fiat(text, "GTQ") <= FIAT_MINOR_MAX


@pytest.mark.parametrize(
    ("text", "sat"),
    [("120000", 120_000), ("120,000", 120_000), ("120000 sats", 120_000), ("1 sat", 1)],
)
def test_sats_are_read(text, sat):
    assert parse_sat(text) == sat


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.5", "120.000", "12,00", "1e5", str(SAT_MAX + 1), "9" * 30, "sats"]
)
def test_unclear_sats_are_refused(text):
    with pytest.raises(DcaBotError):
        parse_sat(text)


def test_amounts_are_written_with_their_unit():
    assert fiat_text(150_000, "GTQ") == "1,500.00 GTQ"
    assert fiat_text(-5, "GTQ") == "-0.05 GTQ"
    assert fiat_text(1500, "JPY") == "1,500 JPY"
    assert fiat_text(1500, "KWD") == "1.500 KWD"
    assert sat_text(1) == "1 sat"
    assert sat_text(120_000) == "120,000 sats"


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (0, [], []),
        (0, [0, 0], [0, 0]),
        (10, [1], [10]),
        (10, [0, 1], [0, 10]),
        (2000, [9000, 1000], [1800, 200]),
        (1, [1, 1], [1, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
        (5, [3, 3, 4], [2, 1, 2]),
        (3, [10, 1, 1], [3, 0, 0]),
    ],
)
def test_largest_remainder_shares_out(total, weights, parts):
    assert largest_remainder(total, weights) == parts


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [0]), (-1, [1]), (1, [2, -1])])
def test_largest_remainder_refuses_what_cannot_add_up(total, weights):
    with pytest.raises(ValueError, match="cannot share"):
        largest_remainder(total, weights)


@given(st.integers(0, 10**20), st.lists(st.integers(0, 10**18), min_size=1, max_size=12))
def test_largest_remainder_adds_up_and_stays_within_one_of_the_quota(total, weights):
    if sum(weights) == 0:
        total = 0
    parts = largest_remainder(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        quota = Fraction(total * weight, sum(weights) or 1)
        assert abs(part - quota) < 1
        assert weight > 0 or part == 0


@pytest.mark.parametrize("currency", sorted({*SHOWN_SIGNS, "BOB", "JPY"}))
@pytest.mark.parametrize("minor", [1, 100_000, 123_456_700, FIAT_MINOR_MAX])
def test_amount_that_is_to_be_typed_back_reads_as_that_amount(currency, minor):
    typed = typed_fiat(minor, currency)
    sign = SHOWN_SIGNS.get(currency)
    assert typed.startswith(sign) if sign else typed.endswith(f" {currency}")
    assert parse_fiat(typed, currency) == minor

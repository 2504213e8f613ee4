"""The integers that prove a sale's amounts, held against the same rule in fractions."""

import csv
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

from scaffold import cash_out_row

from dca_bot.core.cash_out import Amounts, Reason
from dca_bot.core.exact import ONE, exact, whole_minor
from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX
from dca_bot.core.sale_amounts import assess, received_sat

DATA = Path(__file__).parents[1] / "data"
CREATED = datetime(2025, 5, 1, 12, tzinfo=UTC)
COLUMNS = {
    "crypto_atoms": "crypto_atoms",
    "fiat": "fiat",
    "commission": "commission_percentage",
    "ticker": "raw_ticker_price",
    "discount": "discount",
    "fixed_fee": "fixed_fee",
    "received_crypto_atoms": "received_crypto_atoms",
}
EDGES = (
    *(None, "NaN", "sNaN", "Infinity", "-Infinity", "0", "-0", "-1", "0.00001", "1", "100", "101"),
    *("0E-31", "0E+31", "1E-30", "1E-31", "1E+30", "1E+31", "1E-999999", "1E+999999", "99999e-5"),
    *("2100000000000000", "2100000000000001", "10000000000000", "10000000000000.01", "0.005"),
    *("9" * 31, "9" * 31 + "." + "9" * 30, "1." + "0" * 31, "1000.00", "132300", "800000", "0.055"),
)
ROW = cash_out_row(
    "c1",
    CREATED,
    crypto_atoms=Decimal(132_300),
    fiat=Decimal("1000.00000"),
    commission=Decimal("0.05500"),
    ticker=Decimal("800000.00000"),
)


def number(text):
    return None if text is None else Decimal(text)


def in_fractions(value):
    """A number as a fraction; -1 for what no check lets pass."""
    if value is None or not value.is_finite() or value.as_tuple().exponent < -30:
        return Fraction(-1)
    return Fraction(-1) if value.adjusted() > 30 else Fraction(value)


def assess_in_fractions(row, minor_per_unit):
    """The definition of a sale's amounts, and of the reason against distributing the amounts."""
    columns = (row.crypto_atoms, row.fiat, row.commission, row.ticker)
    sold, fiat, commission, ticker = map(in_fractions, columns)
    discount = 0 if row.discount is None else in_fractions(row.discount)
    fee = 0 if row.fixed_fee is None else in_fractions(row.fixed_fee)
    minor = fiat * minor_per_unit
    checks = {
        Reason.COINS: sold.denominator == 1 and 0 < sold <= SAT_MAX,
        Reason.FIAT: minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX,
        Reason.COMMISSION: 0 <= commission < 1,
        Reason.DISCOUNT: 0 <= discount <= 100,
        Reason.FIXED_FEE: 0 <= fee * minor_per_unit <= FIAT_MINOR_MAX,
        Reason.TICKER: ticker > 0,
    }
    for reason, sound in checks.items():
        if not sound:
            return None, reason
    rate, price = commission * (100 - discount) / 100, ticker / 10**8
    for sale in (sold * (1 - rate), sold / (1 + rate)):
        # Half a lot of 100 sats, and half of the fifth decimal of the columns.
        rounding = Fraction(1, 200_000) * (1 + sale / 10**8 + sold * price)
        if abs(sale * price - fiat - fee) <= 50 * price + rounding:
            principal_sat = int(sale * fiat / (fiat + fee))
            amounts = Amounts(principal_sat, int(minor), int(sold) - principal_sat)
            received = row.received_crypto_atoms
            is_short = received is not None and in_fractions(received) < sold - 100
            return amounts, Reason.SHORT if is_short else Reason.NONE
    return None, Reason.NO_FIT


def assert_same(row, currency="GTQ", minor_per_unit=100):
    assert assess(row, currency) == assess_in_fractions(row, minor_per_unit), row


def recorded_rows():
    for path in [DATA / "lamassu/export/cash_out_txs.csv", *DATA.glob("field/*/cash_out_txs.csv")]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line in csv.DictReader(file):
                if line.get("raw_ticker_price"):
                    found = {name: line.get(column) for name, column in COLUMNS.items()}
                    yield replace(
                        ROW, **{name: number(text or None) for name, text in found.items()}
                    )


def at_the_edge_of_fitting(random):
    """A row whose fiat is the most or the least that fits, or a hundred-thousandth beside that."""
    sold, ticker = random.randint(1, 10_000) * 100, Fraction(random.randint(10**9, 10**12), 10**5)
    commission = Fraction(random.randint(0, 30_000), 10**5)
    discount, fee = (
        random.choice([0, 0, 10, 100]),
        Fraction(random.choice([0, 0, 1, 999_999]), 10**5),
    )
    rate, price = commission * (100 - discount) / 100, ticker / 10**8
    sale = random.choice([sold * (1 - rate), sold / (1 + rate)])
    reach = 50 * price + Fraction(1, 200_000) * (1 + sale / 10**8 + sold * price)
    fiat = sale * price - fee + random.choice([-1, 1]) * reach
    columns = {"crypto_atoms": Fraction(sold), "commission": commission, "ticker": ticker}
    columns |= {"discount": Fraction(discount), "fixed_fee": fee}
    finest = {name: Decimal(int(value * 10**5)).scaleb(-5) for name, value in columns.items()}
    minor = int(fiat * 100) + random.randint(-1, 1)
    return replace(ROW, fiat=Decimal(minor).scaleb(-2, Context(prec=40)), **finest)


def test_amounts_of_recorded_rows_are_those_of_the_definition():
    rows = list(recorded_rows())
    assert len(rows) > 300
    for row in rows:
        assert_same(row)


def test_amounts_at_the_edge_of_fitting_are_those_of_the_definition():
    random = Random(20250501)
    rows = [at_the_edge_of_fitting(random) for _ in range(200)]
    fits = sum(assess(row, "GTQ")[0] is not None for row in rows)
    assert 50 < fits < 150
    for row in rows:
        assert_same(row)


def test_amounts_of_rows_with_one_odd_number_are_those_of_the_definition():
    for text in EDGES:
        for name in COLUMNS:
            row = replace(ROW, **{name: number(text)})
            assert_same(row)
            assert_same(row, "JPY", 1)
            assert_same(row, "KWD", 1000)


def test_odd_numbers_are_exact_or_unusable():
    for value in map(number, EDGES):
        assert Fraction(exact(value), ONE) == in_fractions(value)
        minor = in_fractions(value) * 100
        is_whole = minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX
        assert whole_minor(value, "GTQ") == (int(minor) if is_whole else None)
        sat = in_fractions(value)
        assert received_sat(replace(ROW, received_crypto_atoms=value)) == (
            int(sat) if 0 <= sat <= SAT_MAX else None
        )

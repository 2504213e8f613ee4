"""What is left for a client to begin with: the other programme's balance, or every centavo explained."""

import sqlite3
from contextlib import closing
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from satmachine_tables import Shop

from dca_bot.core.moving_in import Mark, Unit, Units, Why, opening
from dca_bot.satmachine.books import read_books

MAJOR = Units(Unit.MAJOR, Unit.MAJOR, "GTQ")
AMOUNTS = st.one_of(
    st.integers(-500, 100_000), st.integers(0, 10**6).map(lambda minor: minor / 100)
)
ROWS = st.lists(
    st.one_of(
        st.tuples(
            st.just("deposit"),
            AMOUNTS,
            st.sampled_from(["confirmed", "confirmed", "pending", "refused"]),
            st.sampled_from(["GTQ", "GTQ", "GTQ", "EUR", "USD"]),
        ),
        st.tuples(
            st.just("payment"),
            AMOUNTS,
            st.sampled_from(["confirmed", "confirmed", "failed", "pending"]),
            st.sampled_from(["", "one", "two"]),
        ),
    ),
    max_size=12,
)


def opened(shop, units=MAJOR):
    books = read_books(shop.tables())
    return opening(books.deposits, books.payments, units)


def shop_of(rows):
    shop = Shop()
    shop.client("ana")
    for kind, amount, status, which in rows:
        if kind == "deposit":
            shop.deposit("ana", amount, status, which)
        else:
            shop.payment("ana", amount, status, which)
    return shop


def shown_by_the_extension(shop):
    """The extension's own way: the sum of the first group of its confirmed deposits, less its payments."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(shop.sqlite())
        deposits = database.execute(
            "SELECT coalesce(sum(amount), 0) FROM dca_deposits WHERE client_id = 'client-ana'"
            " AND status = 'confirmed' GROUP BY currency"
        ).fetchone()
        (payments,) = database.execute(
            "SELECT coalesce(sum(amount_fiat), 0) FROM dca_payments WHERE client_id = 'client-ana'"
            " AND status = 'confirmed'"
        ).fetchone()
    return (deposits[0] if deposits else 0) - payments


@settings(max_examples=60)
@given(rows=ROWS, units=st.builds(Units, *[st.sampled_from(Unit)] * 2, st.just("GTQ")))
def test_balance_is_the_extensions_or_the_reasons_add_up(rows, units):
    shop = shop_of(rows)
    found = opened(shop, units)
    assert abs(found.theirs_minor - Fraction(shown_by_the_extension(shop)) * 100) < Fraction(
        1, 1000
    )
    assert found.theirs_minor + sum(found.differences.values()) == found.minor >= 0
    assert all(found.differences.values())
    assert all(minor > 0 for minor in found.pending_minor)


@settings(max_examples=30)
@given(rows=ROWS)
def test_plain_books_of_whole_amounts_come_out_as_they_are(rows):
    plain = [
        (kind, int(amount), "confirmed", "GTQ" if kind == "deposit" else which)
        for kind, amount, _, which in rows
    ]
    found = opened(shop_of(plain))
    assert set(found.differences) <= {Why.BELOW_ZERO}
    assert found.minor == max(0, found.theirs_minor)


@pytest.mark.parametrize(
    ("units", "minor", "differences"),
    [
        # Deposits of 50,000 and 20,000 shown as whole; payments of 300 and 200.
        (("major", "major"), 6_950_000, {}),
        (("minor", "minor"), 69_500, {Why.UNITS: -6_880_500}),
        # The hint on the page says centavos, and Lamassu's fiat is whole quetzales.
        (("minor", "major"), 20_000, {Why.UNITS: -6_930_000}),
    ],
)
def test_units_are_what_the_operator_says(units, minor, differences):
    shop = shop_of(
        [
            ("deposit", 50_000, "confirmed", "GTQ"),
            ("deposit", 20_000, "confirmed", "GTQ"),
            ("payment", 300, "confirmed", "a"),
            ("payment", 200, "confirmed", "b"),
        ]
    )
    found = opened(shop, Units(*map(Unit, units), "GTQ"))
    assert (found.minor, found.differences) == (minor, differences)


@pytest.mark.parametrize(
    ("rows", "minor", "differences", "marks"),
    [
        # A payment that was begun may have arrived: it is never made again.
        (
            [("deposit", 100, "confirmed", "GTQ"), ("payment", 30, "pending", "a")],
            7_000,
            {Why.UNSURE: -3_000},
            {},
        ),
        # A failed one brought nothing, and the extension charged nothing.
        (
            [("deposit", 100, "confirmed", "GTQ"), ("payment", 30, "failed", "a")],
            10_000,
            {},
            {Mark.FAILED: (1, 3_000)},
        ),
        # A cash-out of more than all balances takes more than they have.
        (
            [("deposit", 100, "confirmed", "GTQ"), ("payment", 130, "confirmed", "a")],
            0,
            {Why.BELOW_ZERO: 3_000},
            {},
        ),
        (
            [("deposit", 100, "confirmed", "GTQ"), ("deposit", 10, "confirmed", "EUR")],
            10_000,
            {Why.CURRENCY: 9_000},
            {Mark.NOT_COUNTED: (1, 1_000)},
        ),
        (
            [("deposit", 100, "confirmed", "GTQ"), *[("payment", 30, "confirmed", "a")] * 2],
            4_000,
            {},
            {Mark.TWICE: (2, 6_000)},
        ),
        (
            [("deposit", 33.337, "confirmed", "GTQ")],
            3_333,
            {Why.ROUNDING: Fraction(-7, 10)},
            {},
        ),
        (
            [("deposit", 0, "pending", "GTQ"), ("deposit", 5, "cancelled", "GTQ")],
            0,
            {},
            {Mark.NOT_ABOVE_ZERO: (1, 0), Mark.NOT_COUNTED: (1, 500)},
        ),
    ],
)
def test_each_difference_has_its_reason(rows, minor, differences, marks):
    found = opened(shop_of(rows))
    assert (found.minor, found.differences, found.marks) == (minor, differences, marks)

"""What a row means for the cash in its machine, and what can be said of all of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.machine_cash import cash_in_minor, cash_out_minor, uncovered_minor
from dca_bot.core.ports import CashIn
from dca_bot.core.row_amounts import row_amounts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BROKEN = Decimal("NaN")
PART, ALL, NO_NOTES = ((100, 3),), ((100, 8), (50, 0)), ((100, 0),)


def cash_out(*reports, **changes):
    """A clean success of 800 GTQ; each report is (action, notes), a minute apart."""
    actions = tuple(
        Action(number, action, NOW + timedelta(minutes=number), notes)
        for number, (action, notes) in enumerate(reports)
    )
    values = {
        "id": "a",
        "device_id": "machine",
        "created_at": NOW,
        "confirmed_at": NOW,
        "status": "confirmed",
        "crypto_code": "BTC",
        "fiat_code": "GTQ",
        "crypto_atoms": Decimal(125_000),
        "fiat": Decimal("800.00000"),
        "commission": Decimal("0.20000"),
        "ticker": Decimal("800000.00000"),
        "discount": None,
        "received_crypto_atoms": None,
        "fixed_fee": None,
        "dispense": True,
        "dispense_confirmed": True,
        "error": None,
        "error_code": None,
        "actions": actions,
    }
    return CashOut(**values | changes)


NOT_CONFIRMED = {"dispense_confirmed": False}
NEVER_PAID = {"status": "notSeen", "dispense": False, **NOT_CONFIRMED}
CLOSED = {"error": "operator cancel", "error_code": "operatorCancel", **NOT_CONFIRMED}

# What the machine reported, in order, what else the row says, and the cash that left in centavos.
CASH_OUTS = {
    "all reported": ([("dispense", ALL)], {}, 80_000),
    "confirmed without a report": ([], {}, 80_000),
    "confirmed with a report of nothing readable": ([("dispense", None)], {}, 80_000),
    "confirmed with a report of no places": ([("dispense", ())], {}, 80_000),
    "part of it": ([("dispenseError", PART)], NOT_CONFIRMED, 30_000),
    "the report counts, not the confirmation": ([("dispense", PART)], {}, 30_000),
    "an error without any note": ([("dispenseError", NO_NOTES)], NOT_CONFIRMED, 0),
    "the last report, never the sum": (
        [("dispenseError", PART), ("dispense", ALL)],
        {"dispense_confirmed": False},
        80_000,
    ),
    "the last report, also if it is less": (
        [("dispense", ALL), ("dispenseError", PART)],
        NOT_CONFIRMED,
        30_000,
    ),
    "no report yet": ([], NOT_CONFIRMED, None),
    "an unreadable report alone": ([("dispense", None)], NOT_CONFIRMED, None),
    "never paid": ([], NEVER_PAID, None),
    "closed by the operator": ([], CLOSED, None),
    "closed after a part": ([("dispenseError", PART)], CLOSED, 30_000),
    "zero-conf, cash gone, coins not confirmed": (
        [("dispense", ALL)],
        {"status": "authorized", "confirmed_at": None},
        80_000,
    ),
    "a double spend after the cash left": (
        [("dispense", ALL)],
        {"status": "insufficientFunds", "error": "double spend"},
        80_000,
    ),
    "another coin": ([("dispense", ALL)], {"crypto_code": "ETH"}, 80_000),
    "another coin without a report": ([], {"crypto_code": "USDT"}, 80_000),
    "no coins at all": ([("dispense", ALL)], {"crypto_atoms": Decimal(0)}, 80_000),
    "another currency": ([("dispense", ALL)], {"fiat_code": "USD"}, None),
    "no currency": ([("dispense", ALL)], {"fiat_code": None}, None),
    "broken fiat without a report": ([], {"fiat": BROKEN}, None),
    "broken fiat with a report": ([("dispense", ALL)], {"fiat": None}, 80_000),
    "a fraction of a centavo": ([], {"fiat": Decimal("800.001")}, None),
    "less than nothing": ([], {"fiat": Decimal(-800)}, None),
    "an absurd number": ([], {"fiat": Decimal("1e999999")}, None),
    "an absurdly fine number": ([], {"fiat": Decimal("1e-999999")}, None),
    "an unreadable confirmation": ([], {"dispense_confirmed": None}, None),
}


@pytest.mark.parametrize("case", CASH_OUTS)
def test_cash_that_a_cash_out_took_from_its_machine(case):
    reports, changes, expected = CASH_OUTS[case]
    row = cash_out(*reports, **changes)
    assert cash_out_minor(row, "GTQ") == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 10_050),
        ({"send_confirmed": False}, None),
        ({"fiat_code": "USD"}, None),
        ({"fiat_code": None}, None),
        ({"fiat": None}, None),
        ({"fiat": BROKEN}, None),
        ({"fiat": Decimal(0)}, None),
        ({"fiat": Decimal(-5)}, None),
        ({"fiat": Decimal("0.005")}, None),
        ({"fiat": Decimal("1e12")}, 10**14),
        ({"fiat": Decimal("1e14")}, None),
    ],
)
def test_cash_that_a_cash_in_put_into_its_machine(changes, expected):
    values = {
        "id": "i",
        "device_id": "machine",
        "created_at": NOW,
        "fiat": Decimal("100.50000"),
        "fiat_code": "GTQ",
        "send_confirmed": True,
    }
    assert cash_in_minor(CashIn(**values | changes), "GTQ") == expected


# Balances, what should be in each machine (None: never counted), cash elsewhere, and what isn't covered.
COVERAGE = [
    (0, [], 0, None),
    (500, [], 500, None),
    (500, [None], 0, None),
    (500, [400, None], 0, None),
    (500, [500], 0, 0),
    (500, [9000], 0, 0),
    (500, [499], 0, 1),
    (500, [300, 150], 0, 50),
    (500, [300, 150], 50, 0),
    (500, [600, -150], 0, 50),
    (500, [600], -150, 50),
    (0, [-20], 0, 20),
]


@pytest.mark.parametrize(("balances", "in_machines", "elsewhere", "expected"), COVERAGE)
def test_balances_beyond_the_cash_are_told_only_where_it_is_known(
    balances, in_machines, elsewhere, expected
):
    assert uncovered_minor(balances, in_machines, elsewhere) == expected


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"fiat": Decimal(800)}, True),
        ({"fiat": Decimal("8e2"), "crypto_atoms": Decimal("125000.000")}, True),
        ({"discount": Decimal("0.0")}, True),
        ({"status": "expired", "received_crypto_atoms": Decimal(1), "error": ""}, True),
        ({"fiat": Decimal("800.00001")}, False),
        ({"fiat": Decimal(80)}, False),
        ({"fiat": None}, False),
        ({"fiat": BROKEN}, False),
        ({"crypto_atoms": Decimal(-125_000)}, False),
        ({"commission": Decimal("0.2000000000000000000000000000000000001")}, False),
        ({"ticker": Decimal("8e999999")}, False),
        ({"discount": Decimal(10)}, False),
        ({"crypto_code": "LN"}, False),
        ({"fiat_code": None}, False),
    ],
)
def test_row_amounts_are_the_same_for_the_same_values_however_written(changes, is_same):
    assert (row_amounts(cash_out(**changes)) == row_amounts(cash_out())) is is_same


def test_number_of_a_row_is_written_with_its_digits_and_its_power_of_ten():
    random = Random(1)
    numbers = [random.randint(-(10**12), 10**12) * 10 ** random.randint(0, 3) for _ in range(50)]
    for number in (0, *numbers):
        for power in (-(10**6), -40, -5, -1, 0, 1, 8, 10**6):
            value = Decimal(f"{number}e{power}")
            sign, digits, exponent = value.as_tuple()
            text = "".join(map(str, digits)).lstrip("0")
            kept = text.rstrip("0")
            written = f"{'-' * sign}{kept}e{exponent + len(text) - len(kept)}" if kept else "0"
            assert row_amounts(cash_out(ticker=value)).ticker == written

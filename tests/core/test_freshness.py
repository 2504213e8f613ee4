"""How old a copy of Lamassu's data is, by the files' times and by what stands in them."""

from datetime import UTC, datetime, timedelta

import pytest
from scaffold import cash_out_row

from dca_bot.core.cash_out import Action
from dca_bot.core.freshness import (
    COPY_AGE_MAX,
    STANDBY,
    NewestRows,
    is_stale,
    oldest_copy,
)
from dca_bot.core.ports import CashIn, Copy, Export

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SALES, ACTIONS = "cash_out_txs.csv", "cash_out_actions.csv"
CASH_INS, MACHINES = "cash_in_txs.csv", "devices.csv"


def reading(ages, *, sold=(), dispensed=(), paid_in=()):
    """A reading of copies by their age, with rows created so long ago; a negative age lies ahead."""
    actions = tuple(Action(n, "dispense", NOW - age, ()) for n, age in enumerate(dispensed))
    sales = [cash_out_row(f"{n}", NOW - age, actions=actions) for n, age in enumerate(sold)]
    cash_ins = [
        CashIn(f"{n}", "m", NOW - age, None, "GTQ", send_confirmed=True)
        for n, age in enumerate(paid_in)
    ]
    copies = tuple(Copy(name, NOW - age) for name, age in ages.items())
    return Export(tuple(sales), {}, cash_ins=tuple(cash_ins), copies=copies)


@pytest.mark.parametrize(
    ("export", "oldest"),
    [
        # Lamassu itself has no age.
        (reading({}, sold=[9 * DAY]), None),
        # The file that limits what can be known, whichever it is.
        (reading({SALES: HOUR, ACTIONS: 2 * HOUR}), (ACTIONS, 2 * HOUR)),
        (reading({SALES: 3 * DAY, ACTIONS: HOUR}), (SALES, 3 * DAY)),
        (reading({SALES: HOUR, ACTIONS: HOUR, CASH_INS: 3 * DAY}), (CASH_INS, 3 * DAY)),
        # Machines seldom change.
        (reading({SALES: HOUR, MACHINES: 90 * DAY}), (SALES, HOUR)),
        # A quiet machine: files are renewed, nothing is sold.
        (reading({SALES: HOUR}, sold=[30 * DAY]), (SALES, HOUR)),
        # A file's time that never changes, while rows come.
        (reading({SALES: 90 * DAY}, sold=[5 * DAY, 2 * HOUR]), (SALES, 2 * HOUR)),
        (
            reading({SALES: HOUR, ACTIONS: 90 * DAY}, sold=[HOUR], dispensed=[3 * HOUR]),
            (ACTIONS, 3 * HOUR),
        ),
        (reading({CASH_INS: 90 * DAY}, paid_in=[4 * HOUR]), (CASH_INS, 4 * HOUR)),
        # New sales don't make old actions fresh.
        (reading({SALES: 9 * DAY, ACTIONS: 9 * DAY}, sold=[HOUR]), (ACTIONS, 9 * DAY)),
        # A row from ahead of the clock would hide an export's age for as long.
        (reading({SALES: 9 * DAY}, sold=[-400 * DAY]), (SALES, 9 * DAY)),
        # So would a file's time, by the clock of who exports; hours are another computer's inexactness.
        (reading({SALES: -400 * DAY}, sold=[5 * DAY, -9 * DAY]), (SALES, 5 * DAY)),
        (reading({SALES: -HOUR}, sold=[5 * DAY]), (SALES, -HOUR)),
        (reading({SALES: -400 * DAY}), (SALES, -400 * DAY)),
        # A standby on which nobody sells.
        (reading({STANDBY: 5 * DAY}), (STANDBY, 5 * DAY)),
        (reading({STANDBY: 5 * DAY}, paid_in=[HOUR]), (STANDBY, HOUR)),
    ],
)
def test_copy_is_as_new_as_its_time_or_its_newest_row(export, oldest):
    found = oldest_copy(export.copies, NewestRows.of(export, NOW))
    assert found == (oldest and Copy(oldest[0], NOW - oldest[1]))


@pytest.mark.parametrize(
    ("age", "stale"),
    [
        (timedelta(), False),
        (DAY + HOUR, False),
        (COPY_AGE_MAX, False),
        (COPY_AGE_MAX + timedelta(microseconds=1), True),
        (300 * DAY, True),
        (-300 * DAY, False),
    ],
)
def test_copy_is_stale_once_a_daily_export_was_missed(age, stale):
    assert is_stale(Copy(SALES, NOW - age), NOW) is stale


def test_newest_transaction_is_a_cash_out_or_a_cash_in_of_the_past():
    for export, newest_at in (
        (reading({}), None),
        (reading({}, sold=[DAY], paid_in=[HOUR, 2 * DAY]), NOW - HOUR),
        (reading({}, sold=[HOUR, -HOUR]), NOW - HOUR),
    ):
        assert NewestRows.of(export, NOW).transaction_at == newest_at

"""Whether a cash-out that was shared out still has its row at Lamassu."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from scaffold import cash_out_row

from dca_bot.core.cash_out import Reason
from dca_bot.core.change import Change, change_of, missing
from dca_bot.core.ports import Export, Passed
from dca_bot.core.row_amounts import row_amounts
from dca_bot.core.verdict import decide

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBERS = {
    "fiat": Decimal(1000),
    "crypto_atoms": Decimal(132_300),
    "commission": Decimal("0.055"),
    "ticker": Decimal(800_000),
    "received_crypto_atoms": Decimal(132_300),
}
ROW = cash_out_row("a", AT, **NUMBERS)
MINUTE = timedelta(minutes=1)


def change(row, then=ROW):
    decision = decide(row, currency="GTQ", now=AT + MINUTE)
    return change_of(row, decision, then=row_amounts(then), currency="GTQ")


def test_same_row_has_not_changed_and_another_amount_has():
    assert change(ROW) is Reason.NONE
    assert change(replace(ROW, fiat=Decimal(999))) is Change.AMOUNTS


def test_contents_of_one_reading_that_mean_the_same_are_one_and_others_are_twice():
    other = replace(ROW, fiat=Decimal(999))
    alike = replace(ROW, device_id="e" * 64)
    assert change(replace(ROW, others=(alike,))) is Reason.NONE
    assert change(replace(other, others=(other, other))) is Change.AMOUNTS
    assert change(replace(ROW, others=(other,))) is Reason.TWICE


@pytest.mark.parametrize("minutes", range(-1, 4))
def test_row_is_missing_between_the_oldest_and_the_newest_row_that_was_read(minutes):
    known = {"gone": AT + minutes * MINUTE}
    first, last = cash_out_row("first", AT), cash_out_row("last", AT + 2 * MINUTE)
    passed = Passed(oldest_at=AT, newest_at=AT + 2 * MINUTE)
    for read in (
        Export((first, last), {}),
        Export((last,), {}, passed=passed),
        Export((), {}, passed=passed),
    ):
        assert lacks(known, read) == (["gone"] if 0 <= minutes <= 2 else [])
        assert lacks(known, replace(read, unreadable_ids=frozenset({"gone"}))) == []
        assert lacks(known, read, passed_ids={"gone"}) == []
    there = cash_out_row("gone", known["gone"])
    assert lacks(known, Export((first, there, last), {})) == []
    assert lacks(known, Export((), {})) == []


def lacks(known, export, passed_ids=frozenset()):
    times = [row.created_at for row in export.cash_outs]
    times += filter(None, (export.passed.oldest_at, export.passed.newest_at))
    there = {row.id for row in export.cash_outs} | export.unreadable_ids | passed_ids
    return missing(known.items(), (min(times), max(times)), there.__contains__) if times else []

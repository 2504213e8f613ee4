"""What an earlier version of the program has left in the ledger, at the first poll of this one."""

import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest
from ingest_bench import DAY, HOUR, NOW, START_AT, cash_out

from dca_bot.core.cash_out import Action
from dca_bot.core.row_amounts import row_amounts
from dca_bot.ledger.store.instants import micros
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import run_script

FEE = {"fiat": Decimal("780.00000"), "fixed_fee": Decimal("20.00000")}
PARTLY = (Action(1, "dispense", NOW - 3 * DAY, ((100, 3),)),)
CASH_OUT = (
    "INSERT INTO cash_out (id, device_id, state, reason, created_at, at, fiat_code, crypto_code,"
    " principal_minor, principal_sat, commission_sat, first_seen_at, changed_at, terms)"
    " VALUES (?, 'machine', ?, ?, ?, ?, 'GTQ', 'BTC', ?, ?, ?, ?, ?, ?)"
)


def old_terms(row):
    """What an earlier version wrote down of a row: it didn't ask for a fee."""
    row = row_amounts(row)
    numbers = (row.crypto_atoms, row.fiat, row.commission, row.ticker, row.discount)
    return " ".join([row.crypto_code, row.fiat_code, *(number or "none" for number in numbers)])


@pytest.fixture
def make_ledger(tmp_path):
    """Write a ledger of the second version: `make_ledger((row, state, reason, amounts), …)`."""

    def make(*found):
        folder = tmp_path / "data"
        folder.mkdir(mode=0o700)
        (folder / LEDGER_FILE).touch(mode=0o600)
        ledger = sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)
        for number in (1, 2):
            run_script(ledger, number)
        for row, state, reason, amounts in found:
            at, seen = micros(row.created_at), micros(NOW - HOUR)
            values = (row.id, state, reason, at, at, *amounts, seen, seen, old_terms(row))
            ledger.execute(CASH_OUT, values)
            if state == "held":
                ledger.execute(
                    "INSERT INTO hold (kind, ref, reason, opened_at) VALUES ('cash-out', ?, ?, ?)",
                    (row.id, reason, seen),
                )
            if state == "distributed":
                minor, sat, commission_sat = amounts
                ledger.executescript(
                    "BEGIN; INSERT INTO distribution VALUES"
                    f" ('{row.id}', 'flow', {at}, {seen}, {sat}, {minor}, {commission_sat}, {sat}, NULL);"
                    "INSERT INTO posting (kind, posted_at, distribution_id)"
                    f" VALUES ('distribution', {seen}, '{row.id}');"
                    "INSERT INTO entry (posting_id, from_account, to_account, amount)"
                    " SELECT (SELECT max(id) FROM posting), source.id, target.id,"
                    f" iif(target.kind = 'operator', {sat}, {commission_sat})"
                    " FROM account source JOIN account target ON source.kind = 'machine'"
                    " AND target.kind IN ('operator', 'commission'); COMMIT;"
                )
        ledger.close()

    return make


NOTHING = (None, None, None)
GIVEN = (80_000, 100_000, 25_000)


async def test_sale_that_was_held_for_its_fixed_fee_is_shared_out(make_ledger, make_ingest):
    row = cash_out("a", NOW - 20 * DAY, **FEE)
    make_ledger((row, "held", "fixed fee", NOTHING))
    bench = await make_ingest()
    await bench.client("ana", minor=10**9, since=START_AT - DAY)
    bench.server.put(row)
    await bench.poll(2)
    assert await bench.given() == [("a", "ana", 78_000, 97_500)]
    assert await bench.holds() == [("cash-out", "a", "fixed_fee", "by_itself")]
    assert await bench.rows("SELECT commission_sat, fixed_fee FROM cash_out") == [
        (27_500, "20.00000")
    ]
    assert await bench.letters() == []


async def test_sale_that_was_ignored_for_its_fixed_fee_stays_ignored(make_ledger, make_ingest):
    row = cash_out("a", NOW - 20 * DAY, **FEE)
    make_ledger((row, "ignored", "ignored by the operator", NOTHING))
    bench = await make_ingest()
    bench.server.put(row)
    await bench.poll(2)
    assert await bench.distributed() == []


async def test_part_of_a_held_sale_with_a_fee_can_be_accepted_now(make_ledger, make_ingest):
    row = cash_out("a", NOW - 3 * DAY, **FEE, dispense_confirmed=False, actions=PARTLY)
    make_ledger((row, "held", "dispense not complete", NOTHING))
    bench = await make_ingest()
    bench.server.put(row)
    await bench.poll(2)
    assert await bench.holds() == [("cash-out", "a", "dispense_not_complete", None)]
    amounts = "SELECT principal_minor, principal_sat, commission_sat, dispensed_minor FROM cash_out"
    assert await bench.rows(amounts) == [(78_000, 97_500, 27_500, 30_000)]
    assert await bench.letters() == []


@pytest.mark.parametrize("fee", [None, Decimal(0), Decimal("0.00000")])
async def test_sale_that_was_shared_out_before_fees_were_known_has_not_changed(
    make_ledger, make_ingest, fee
):
    rows = [cash_out(f"{n}", NOW - n * DAY, fixed_fee=fee) for n in (2, 20)]
    make_ledger(*((row, "distributed", "", GIVEN) for row in rows))
    bench = await make_ingest()
    bench.server.put(*rows)
    await bench.poll(2)
    assert await bench.holds() == []
    bench.server.put(replace(rows[0], fiat=Decimal(80)))
    await bench.poll()
    assert await bench.holds() == [("changed", "2", "amounts_changed", None)]


async def test_sale_that_was_accepted_with_its_fee_has_not_changed(make_ledger, make_ingest):
    row = cash_out("a", NOW - 2 * DAY, **FEE)
    make_ledger((row, "distributed", "", GIVEN))
    bench = await make_ingest()
    bench.server.put(row)
    await bench.poll(2)
    assert await bench.holds() == []


async def test_fee_that_changes_after_it_was_written_down_is_told(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR, **FEE))
    await bench.poll()
    bench.server.put(cash_out("a", NOW - HOUR, **{**FEE, "fixed_fee": Decimal("20.01")}))
    await bench.poll()
    assert await bench.holds() == [("changed", "a", "amounts_changed", None)]
    (letter,) = await bench.letters()
    assert "now says Q780 and a fixed fee of Q20.01" in letter
    assert "then it said Q780 and a fixed fee of Q20" in letter


async def test_contradictions_of_the_past_are_not_told(make_ledger, make_ingest):
    rows = [cash_out(f"{n}", NOW - n * DAY, actions=PARTLY) for n in (4, 5, 20)]
    make_ledger(*((row, "distributed", "", GIVEN) for row in rows))
    bench = await make_ingest()
    bench.server.put(*rows)
    await bench.poll(2)
    assert await bench.letters() == []
    bench.server.put(cash_out("new", NOW - 3 * DAY, actions=PARTLY))
    await bench.poll(2)
    (letter,) = await bench.letters()
    assert "Q800.00 as given out, the machine reported Q300.00" in letter

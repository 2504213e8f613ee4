"""Exports that are cut at a line's end, or of which one file is older: well-formed, and not whole."""

import csv
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NOW, cash_out

from dca_bot.core.cash_out import Action
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.ports import CashIn
from dca_bot.jobs.lamassu.partial_readings import TELL_AFTER
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.ledger.programme import deposits, machines
from dca_bot.ledger.programme.clients import by_name

SAMPLE = Path(__file__).parents[2] / "data" / "lamassu" / "export"
YEAR = datetime(2025, 1, 1, tzinfo=UTC)
FILES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
DISPENSED = Action(7, "dispense", NOW - HOUR, ((100, 8),))
GIVEN = (
    "SELECT id, at, principal_sat, principal_minor, commission_sat FROM distribution ORDER BY id"
)


def cut(path, lines):
    """Keep the header and so many rows, each whole: an error's text may have line breaks."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows[: lines + 1])


async def test_sale_whose_dispense_line_is_missing_for_a_poll_is_shared_out_as_of_its_dispense(
    make_ingest,
):
    bench = await make_ingest()
    await bench.client("ana", minor=10**6)
    await bench.client("late", minor=10**6)

    def confirm(tx):
        late = by_name(tx, "late")
        deposit = deposits.add(tx, late.id, amount_minor=10**6, note="", now=NOW - 2 * HOUR)
        deposits.confirm(tx, deposit, machine=None, now=NOW - 2 * HOUR)

    await bench.database.transact(confirm)
    # Confirmed before the deposit, dispensed after it.
    row = {"confirmed_at": NOW - 3 * HOUR}
    bench.server.put(cash_out("a", NOW - 4 * HOUR, actions=(), **row))
    await bench.poll(2)
    assert await bench.given() == []
    assert await bench.state("a") == ("waiting", "dispense_not_reported")
    bench.server.put(cash_out("a", NOW - 4 * HOUR, actions=(DISPENSED,), **row))
    await bench.poll(2)
    assert await bench.given() == [("a", "late", 53_333, 66_666), ("a", "ana", 26_667, 33_334)]
    assert await bench.letters() == []


@pytest.mark.parametrize("actions", [(), (Action(1, "dispenseError", NOW - HOUR, ((100, 8),)),)])
async def test_sale_that_the_machine_never_reports_is_held_after_48_hours(make_ingest, actions):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 47 * HOUR, actions=actions))
    await bench.poll()
    assert await bench.holds() == []
    bench.clock.ahead += HOUR + MINUTE
    await bench.poll(3)
    assert await bench.holds() == [("cash-out", "a", "dispense_not_reported", None)]
    (letter,) = [letter for letter in await bench.letters() if "Hold" in letter]
    assert "has no usable dispense action of the machine" in letter
    assert "hold accept 1" in letter
    bench.server.put(cash_out("a", NOW - 47 * HOUR, actions=(DISPENSED,)))
    await bench.poll()
    assert await bench.holds() == [("cash-out", "a", "dispense_not_reported", "by_itself")]
    assert await bench.distributed() == ["a"]


async def test_actions_that_are_missing_for_long_are_told_once_and_their_end_too(make_ingest):
    bench = await make_ingest()
    rows = [cash_out(f"{n}", NOW - 3 * HOUR, actions=()) for n in range(3)]
    bench.server.put(*rows)
    await bench.poll(2)
    bench.clock.ahead += TELL_AFTER - MINUTE
    await bench.poll()
    assert await bench.letters() == []
    bench.clock.ahead += MINUTE
    await bench.poll(2)
    await bench.reopen()
    await bench.poll(2)
    (letter,) = await bench.letters()
    assert letter.startswith("3 cash-outs wait since 1 Mar 06:00")
    assert "Check that cash_out_actions is exported whole" in letter
    bench.server.put(*(cash_out(f"{n}", NOW - 3 * HOUR) for n in range(3)))
    await bench.poll(2)
    assert (await bench.letters())[1:] == [
        "The readings of Lamassu are whole again (something was missing since 1 Mar 06:00)."
    ]
    assert len(await bench.distributed()) == 3


async def test_actions_that_are_missing_for_a_poll_are_not_told(make_ingest):
    bench = await make_ingest()
    for number in range(5):
        bench.server.put(cash_out(f"{number}", NOW - HOUR, actions=()))
        await bench.poll()
        bench.server.put(cash_out(f"{number}", NOW - HOUR))
        await bench.poll()
        bench.clock.ahead += TELL_AFTER
    assert await bench.letters() == []
    assert len(await bench.distributed()) == 5


async def test_many_old_sales_without_reports_are_a_partial_reading_and_hold_nothing(make_ingest):
    bench = await make_ingest()
    rows = [f"{n:02}" for n in range(MISSING_MAX + 1)]
    bench.server.put(*(cash_out(id_, NOW - 5 * DAY, actions=()) for id_ in rows))
    await bench.poll(2)
    bench.clock.ahead += TELL_AFTER
    await bench.poll()
    assert await bench.holds() == []
    (letter,) = await bench.letters()
    assert f"{MISSING_MAX + 1} cash-outs wait" in letter
    # One fewer is no reason to think so.
    bench.server.put(cash_out("00", NOW - 5 * DAY))
    await bench.poll(2)
    assert [ref for _, ref, _, _ in await bench.holds()] == rows[1:]
    # And what is held stays held, when many lack theirs again.
    more = [f"more{n:02}" for n in range(MISSING_MAX + 1)]
    bench.server.put(*(cash_out(id_, NOW - 5 * DAY, actions=()) for id_ in more))
    await bench.poll(2)
    assert len(await bench.holds()) == MISSING_MAX
    bench.server.put(*(cash_out(id_, NOW - 5 * DAY) for id_ in (*rows, *more)))
    await bench.poll()
    assert {outcome for _, _, _, outcome in await bench.holds()} == {"by_itself"}
    assert len(await bench.distributed()) == len(rows) + len(more)


async def test_shared_out_sale_whose_action_is_missing_has_not_changed(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 3 * DAY), cash_out("b", NOW - HOUR))
    await bench.poll()
    bench.server.put(
        cash_out("a", NOW - 3 * DAY, actions=()), cash_out("b", NOW - HOUR, actions=())
    )
    bench.clock.ahead += 3 * DAY
    await bench.poll(2)
    assert await bench.holds() == []


async def test_other_amounts_are_a_change_also_where_the_action_is_missing(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR))
    await bench.poll()
    bench.server.put(cash_out("a", NOW - HOUR, actions=(), fiat=Decimal(80)))
    await bench.poll()
    assert await bench.holds() == [("changed", "a", "amounts_changed", None)]


async def test_sale_with_an_action_that_cannot_be_read_waits(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - HOUR, reports_readable=False))
    await bench.poll()
    assert await bench.state("a") == ("waiting", "dispense_not_reported")


async def test_readings_that_end_early_are_told_once_and_their_end_too(make_ingest):
    bench = await make_ingest()
    rows = [cash_out(f"{n}", NOW - 5 * HOUR + n * HOUR) for n in range(5)]
    bench.server.put(*rows)
    await bench.poll()
    bench.server.rows = {row.id: row for row in rows[:3]}
    for _ in range(2 + TELL_AFTER // MINUTE):
        bench.clock.ahead += MINUTE
        await bench.poll()
    await bench.reopen()
    await bench.poll()
    (letter,) = await bench.letters()
    assert "end early: 2 cash-outs that were shared out, the first 3" in letter
    bench.server.put(*rows)
    await bench.poll(2)
    assert len(await bench.letters()) == 2
    assert await bench.holds() == []


async def test_row_that_cannot_be_read_is_no_early_end(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("a", NOW - 2 * HOUR), cash_out("b", NOW - HOUR))
    await bench.poll()
    del bench.server.rows["b"]
    bench.server.unreadable_ids = frozenset({"b"})
    for _ in range(2):
        await bench.poll()
        bench.clock.ahead += 2 * TELL_AFTER
    assert await bench.letters() == []


@pytest.mark.parametrize("lines", [0, 1, 37, 150])
@pytest.mark.parametrize("name", FILES)
async def test_file_cut_at_a_line_end_changes_nothing_but_when(make_ingest, tmp_path, name, lines):
    """What a whole reading gives comes out in the end, with the same times and amounts."""
    folder = shutil.copytree(SAMPLE, tmp_path / "export")
    bench = await make_ingest(DirectorySource(folder))
    bench.ingest.start_at = YEAR
    await bench.client("ana", minor=10**9, since=YEAR)
    cut(folder / f"{name}.csv", lines)
    await bench.poll(2)
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    bench.clock.ahead += DAY
    await bench.poll()
    cut_then_whole = await bench.rows(GIVEN)
    assert len(cut_then_whole) == 243
    open_holds = [hold for hold in await bench.holds() if hold[3] is None]
    assert len(open_holds) == 13
    whole = await make_ingest(DirectorySource(folder), folder=tmp_path / "whole")
    whole.ingest.start_at = YEAR
    await whole.client("ana", minor=10**9, since=YEAR)
    await whole.poll()
    assert await whole.rows(GIVEN) == cut_then_whole
    in_machines = "SELECT device_id, kind, total_minor FROM cash_sum ORDER BY device_id, kind"
    assert await whole.rows(in_machines) == await bench.rows(in_machines)
    names = [machine.name for machine in await bench.database.read(machines.everything)]
    assert names == ["Antigua", "Zona 10"]


async def test_cash_in_that_a_later_reading_lacks_stays_in_its_machine(make_ingest):
    bench = await make_ingest()
    bench.server.put_in(
        CashIn("in", "machine", NOW - HOUR, Decimal(100), "GTQ", send_confirmed=True)
    )
    await bench.poll()
    bench.server.cash_ins.clear()
    bench.server.machines = {}
    bench.clock.ahead += timedelta(days=2)
    await bench.poll(2)
    assert await bench.rows("SELECT total_minor FROM cash_sum WHERE kind = 'cash-in'") == [
        (10_000,)
    ]

"""One id with several contents in one reading, as where two exports are mixed: in whatever order."""

import csv
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from ingest_bench import DAY, MINUTE

from dca_bot.commands.simulate import run_simulation
from dca_bot.lamassu.directory import DirectorySource, read_directory

FIELD = Path(__file__).parents[2] / "data" / "field"
SAMPLE = Path(__file__).parents[2] / "data" / "lamassu" / "export"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
THEN = datetime(2026, 11, 20, 11, tzinfo=UTC)
ONE = "00000000-0000-4000-8000-000000000001"
TWICE = "read_with_different_contents"
UNCONFIRMED = {"dispense_confirmed": "f"}
UNPAID = {"status": "notSeen", "confirmed_at": "", "dispense": "f", "dispense_confirmed": "f"}
# What the second row of the same sale says otherwise; whether the amounts are told nevertheless.
OTHERWISE = {
    "not confirmed": (UNCONFIRMED, True),
    "not paid": (UNPAID, True),
    "an error": ({"error": "jam"}, True),
    "another time": ({"confirmed_at": "2026-11-20 10:19:00+00"}, True),
    "another machine": ({"device_id": "m2"}, True),
    "other cash": ({"fiat": "845.00000"}, False),
    "other coins": ({"crypto_atoms": "200000"}, False),
    "another coin": ({"crypto_code": "LN"}, True),
    "a coin that is none of the bot's": ({"crypto_code": "ETH"}, True),
    "a broken number": ({"commission_percentage": "NaN"}, False),
    "a fixed fee": ({"fixed_fee": "10"}, False),
}
SAME = {
    "exactly": {},
    "other zeros": {"fiat": "945", "commission_percentage": "0.055"},
    "another time zone": {"created": "2026-11-20 04:00:00-06"},
    "what isn't read": {"notified": "t", "phone": "+50233741296"},
}


def table(folder, name):
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        return list(rows.fieldnames), list(rows)


def write(folder, name, columns, rows):
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8")


def add(folder, name, *changes, first=False):
    """Write each row once more as `changes` have it, after or before the others."""
    columns, rows = table(folder, name)
    added = [rows[0] | change for change in changes]
    columns += [column for change in changes for column in change if column not in columns]
    write(folder, name, columns, [*added, *rows] if first else [*rows, *added])


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FIELD / "bom", tmp_path / "export")


@pytest.fixture
async def bench(make_ingest, folder):
    bench = await make_ingest(DirectorySource(folder))
    bench.clock.ahead = THEN - bench.clock.now()
    await bench.client("ana", minor=10**9, since=THEN - DAY)
    return bench


def simulated(folder, capsys):
    clients = FIELD / "bom" / "clients.csv"
    run_simulation(folder, clients, now=THEN.isoformat(), json=True)
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [(line["decision"], line["reason"].replace(" ", "_")) for line in lines]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("case", OTHERWISE)
async def test_sale_with_two_contents_is_one_hold_whatever_comes_first(
    bench, folder, capsys, case, first
):
    changes, is_sound = OTHERWISE[case]
    add(folder, "cash_out_txs", changes, first=first)
    assert simulated(folder, capsys) == [("hold", TWICE)]
    for _ in range(5):
        await bench.poll()
        bench.clock.ahead += MINUTE
    await bench.reopen()
    await bench.poll()
    assert await bench.given() == []
    assert await bench.holds() == [("cash-out", ONE, TWICE, None)]
    (letter,) = await bench.letters()
    assert "are two exports mixed?" in letter
    assert ("hold accept 1" in letter) == is_sound
    shutil.copy(FIELD / "bom" / "cash_out_txs.csv", folder)
    await bench.poll(2)
    assert await bench.holds() == [("cash-out", ONE, TWICE, "by_itself")]
    assert await bench.given() == [(ONE, "ana", 94_500, 94_500)]
    assert len(await bench.letters()) == 1


@pytest.mark.parametrize("case", SAME)
async def test_sale_that_stands_there_twice_the_same_is_one(bench, folder, capsys, case):
    add(folder, "cash_out_txs", SAME[case], SAME[case])
    add(folder, "cash_out_actions", {}, {"provisioned_1": "9"})
    assert simulated(folder, capsys) == [("distribute", "")]
    await bench.poll(2)
    assert await bench.given() == [(ONE, "ana", 94_500, 94_500)]
    assert await bench.holds() == await bench.letters() == []


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ((UNPAID, UNPAID | {"status": "published"}), ("wait", "not_final_yet")),
        (
            ({"crypto_code": "ETH"}, {"crypto_code": "ETH", "fiat": "1"}),
            ("ignore", "other_coin"),
        ),
    ],
)
def test_contents_that_move_nothing_either_way_are_no_hold(folder, capsys, changes, decision):
    columns, rows = table(folder, "cash_out_txs")
    for order in (changes, changes[::-1]):
        write(folder, "cash_out_txs", columns, [rows[0] | change for change in order])
        assert simulated(folder, capsys) == [decision]


@pytest.mark.parametrize("mixed_first", [True, False])
async def test_sale_that_is_mixed_at_every_other_reading_is_told_once(bench, folder, mixed_first):
    """Also after it was shared out: at most one hold then, which isn't opened again."""
    clean = (folder / "cash_out_txs.csv").read_bytes()
    add(folder, "cash_out_txs", UNCONFIRMED)
    mixed = (folder / "cash_out_txs.csv").read_bytes()
    for number in range(20):
        is_mixed = (number % 2 == 0) == mixed_first
        (folder / "cash_out_txs.csv").write_bytes(mixed if is_mixed else clean)
        await bench.poll()
        bench.clock.ahead += MINUTE
    assert await bench.given() == [(ONE, "ana", 94_500, 94_500)]
    expected = [("cash-out", ONE, TWICE, "by_itself")] if mixed_first else []
    assert await bench.holds() == [*expected, ("changed", ONE, TWICE, "by_itself")]
    assert len(await bench.letters()) == len(expected) + 1


async def test_shared_out_sale_that_stays_mixed_is_one_hold_and_moves_nothing(bench, folder):
    await bench.poll()
    entries = await bench.rows("SELECT * FROM entry")
    add(folder, "cash_out_txs", UNPAID, {"fiat": "1.00000"})
    for _ in range(4):
        bench.clock.ahead += DAY
        await bench.poll(2)
    assert await bench.holds() == [("changed", ONE, TWICE, None)]
    assert len(await bench.letters()) == 1
    assert await bench.rows("SELECT * FROM entry") == entries
    moved = "SELECT sum(amount_minor) FROM cash_move WHERE kind = 'cash-out'"
    assert await bench.rows(moved) == [(-94_500,)]


async def test_hold_says_why_a_sale_is_held_now(bench, folder):
    columns, rows = table(folder, "cash_out_txs")
    open_ = rows[0] | UNCONFIRMED | {"created": "2026-11-17 10:00:00+00"}
    write(folder, "cash_out_txs", columns, [open_])
    write(folder, "cash_out_actions", *actions_of(folder, {"created": "2026-11-17 10:01:00+00"}))
    await bench.poll()
    assert await bench.holds() == [("cash-out", ONE, "dispense_not_complete", None)]
    write(folder, "cash_out_txs", columns, [open_, open_ | {"error": "jam"}])
    await bench.poll()
    assert await bench.holds() == [("cash-out", ONE, TWICE, None)]
    write(folder, "cash_out_txs", columns, [open_])
    await bench.poll()
    assert await bench.holds() == [("cash-out", ONE, "dispense_not_complete", None)]
    assert len(await bench.letters()) == 1


def actions_of(folder, changes):
    columns, rows = table(folder, "cash_out_actions")
    return columns, [row | changes for row in rows]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"dispensed_1": "4"},
        {"created": "2026-11-20 10:22:00+00"},
        {"action": "dispenseError"},
        {"denomination_1": ""},
    ],
)
async def test_report_with_two_contents_holds_its_sale(bench, folder, capsys, changes, first):
    add(folder, "cash_out_actions", changes, first=first)
    assert simulated(folder, capsys) == [("hold", TWICE)]
    await bench.poll(3)
    assert await bench.holds() == [("cash-out", ONE, TWICE, None)]
    assert await bench.given() == []
    shutil.copy(FIELD / "bom" / "cash_out_actions.csv", folder)
    await bench.poll()
    assert await bench.given() == [(ONE, "ana", 94_500, 94_500)]


async def test_report_under_the_number_of_another_sales_is_its_own(bench, folder, capsys):
    """Two servers number their actions alike; the sale's id tells whose each is."""
    other = ONE[:-1] + "2"
    add(folder, "cash_out_txs", {"id": other})
    add(folder, "cash_out_actions", {"tx_id": other, "created": "2026-11-20 10:30:00+00"})
    assert simulated(folder, capsys) == [("distribute", "")] * 2
    await bench.poll()
    assert await bench.distributed() == [ONE, other]


async def test_machine_with_two_names_has_the_same_at_each_reading(bench, folder):
    names = "device_id,name\nm1,Zona 10\nm1,Antigua\nm2,Centro\n"
    for text in (names, "\n".join([names.splitlines()[0], *names.splitlines()[:0:-1]]) + "\n"):
        (folder / "devices.csv").write_text(text, encoding="utf-8")
        read = read_directory(folder, BEGINNING)
        assert read.machines == {"m1": "Antigua", "m2": "Centro"}
        (sentence,) = read.unreadable
        assert "the machine m1 with two names, 'Antigua' and 'Zona 10'" in sentence
    await bench.poll(3)
    (letter,) = await bench.letters()
    assert "two names" in letter


async def test_cash_in_with_two_contents_moves_nothing_until_it_has_one(bench, folder):
    header = "id,device_id,created,fiat,fiat_code,send_confirmed\n"
    line = f"{ONE},m1,2026-11-20 09:00:00+00,100.00000,GTQ,t\n"
    moved = "SELECT sum(amount_minor) FROM cash_move WHERE kind = 'cash-in'"
    path = folder / "cash_in_txs.csv"
    path.write_text(header + line + line.replace("100.0", "200.0"), encoding="utf-8")
    await bench.poll()
    assert await bench.rows(moved) == [(None,)]
    (letter,) = await bench.letters()
    assert "there with different contents" in letter
    path.write_text(header + line + line, encoding="utf-8")
    await bench.poll()
    assert await bench.rows(moved) == [(10_000,)]


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_rows_decides_otherwise(tmp_path, capsys, seed):
    """Twenty sales of the sample are there in an older state too, and all tables are shuffled."""
    source = random.Random(seed)
    folder = shutil.copytree(SAMPLE, tmp_path / "export")
    results = []
    for _ in range(2):
        for name in ("cash_out_txs", "cash_out_actions"):
            columns, rows = table(SAMPLE, name)
            if name == "cash_out_txs":
                rows += [row | UNCONFIRMED for row in rows[:20]]
            source.shuffle(rows)
            write(folder, name, columns, rows)
        now = THEN - timedelta(days=300)
        run_simulation(folder, FIELD / "bom" / "clients.csv", now=now.isoformat(), json=True)
        results.append(capsys.readouterr().out)
    assert results[0] == results[1]
    assert results[0].count(TWICE.replace("_", " ")) > 10

"""The machines' cash as Lamassu is read, and the alarm when it doesn't cover the balances."""

import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NOW, START_AT, UNCONFIRMED, cash_out

from dca_bot.core.cash_out import Action
from dca_bot.core.ports import CashIn
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.ledger.programme import clients, deposits, machine_cash, machines

SAMPLE = Path(__file__).parents[2] / "data" / "lamassu" / "export"
ALL, PART = ((100, 8),), ((100, 3),)


def cash_in(id_, created_at, fiat=100, **changes):
    values = {
        "id": id_,
        "device_id": "machine",
        "created_at": created_at,
        "fiat": Decimal(fiat),
        "fiat_code": "GTQ",
        "send_confirmed": True,
    }
    return CashIn(**values | changes)


def report(action, at, notes, *, number=1):
    return Action(number, action, at, notes)


async def should_be(bench, device_id="machine"):
    found = await bench.database.read(machine_cash.of_all)
    return {cash.machine.device_id: cash.expected_minor for cash in found}.get(device_id)


async def count(bench, minor, device_id="machine"):
    now = bench.clock.now()
    await bench.database.transact(lambda tx: machine_cash.count(tx, device_id, minor, now=now))


async def test_rows_move_the_cash_once_however_often_they_are_read(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("o1", NOW - HOUR), cash_out("o2", NOW - DAY))
    bench.server.put_in(cash_in("i1", NOW - HOUR), cash_in("i2", NOW - HOUR, 55))
    await bench.poll(3)
    await bench.reopen()
    await bench.poll(2)
    assert await should_be(bench) == 15_500 - 160_000


async def test_report_that_comes_or_grows_later_is_followed(make_ingest):
    bench = await make_ingest()
    expected = []
    for actions, changes in (
        ((), UNCONFIRMED),
        ((report("dispenseError", NOW, PART),), UNCONFIRMED),
        ((report("dispenseError", NOW, PART),), UNCONFIRMED),
        ((report("dispense", NOW + HOUR, ALL),), UNCONFIRMED),
        ((report("dispense", NOW + HOUR, ALL),), {}),
    ):
        bench.server.put(cash_out("o1", NOW - MINUTE, actions=actions, **changes))
        await bench.poll(2)
        expected.append(await should_be(bench))
        bench.clock.ahead += HOUR
    assert expected == [0, -30_000, -30_000, -80_000, -80_000]


async def test_cash_out_of_another_coin_takes_cash_and_of_another_currency_does_not(make_ingest):
    bench = await make_ingest()
    left = (report("dispense", NOW, ALL),)
    bench.server.put(
        cash_out("eth", NOW - HOUR, crypto_code="ETH", actions=left),
        cash_out("usd", NOW - HOUR, fiat_code="USD", actions=left),
    )
    bench.server.put_in(
        cash_in("usd", NOW - HOUR, fiat_code="USD"), cash_in("open", NOW, send_confirmed=False)
    )
    await bench.poll()
    assert await should_be(bench) == -80_000


async def test_cash_in_counts_once_its_coins_were_sent(make_ingest):
    bench = await make_ingest()
    for is_sent, expected in ((False, 0), (True, 10_000), (True, 10_000)):
        bench.server.put_in(cash_in("i1", NOW - HOUR, send_confirmed=is_sent))
        await bench.poll()
        assert await should_be(bench) == expected


async def test_rows_before_start_at_move_nothing(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("o1", START_AT - MINUTE), cash_out("o2", START_AT))
    bench.server.put_in(cash_in("i1", START_AT - MINUTE), cash_in("i2", START_AT))
    await bench.poll(2)
    assert await should_be(bench) == 10_000 - 80_000


async def test_machine_that_is_not_listed_has_a_short_name_of_its_own(make_ingest):
    bench = await make_ingest()
    bench.server.put(cash_out("o1", NOW - HOUR, device_id="8f1c9a0b5d2e47f6"))
    await bench.poll()
    known = await bench.database.read(machines.everything)
    assert [machine.label for machine in known] == ["8f1c9a0b", "Market"]
    assert await should_be(bench, "8f1c9a0b5d2e47f6") == -80_000
    bench.server.machines = {"machine": "Plaza", "8f1c9a0b5d2e47f6": "Old one"}
    await bench.poll()
    known = await bench.database.read(machines.everything)
    assert [machine.label for machine in known] == ["Old one", "Plaza"]
    assert await should_be(bench, "8f1c9a0b5d2e47f6") == -80_000


async def test_deposits_before_the_first_reading_are_in_the_only_machine(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=50_000)
    await bench.poll()
    assert await should_be(bench) == 50_000


async def test_machine_known_by_its_rows_alone_has_the_unnamed_cash_too(make_ingest):
    bench = await make_ingest()
    bench.server.machines = {}
    await bench.client("ana", minor=50_000)
    bench.server.put_in(cash_in("i1", NOW - HOUR))
    await bench.poll()
    assert await should_be(bench) == 60_000


async def test_row_that_breaks_the_record_keeps_no_other_back(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    bench.server.put(*(cash_out(f"o{n}", NOW - HOUR) for n in range(3)))
    bench.server.put_in(cash_in("i1", NOW - HOUR))
    await bench.database.transact(
        lambda tx: tx.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON cash_move WHEN NEW.ref = 'o1'"
            " BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    )
    await bench.poll()
    assert len(await bench.distributed()) == 3
    assert await should_be(bench) == 10**9 + 10_000 - 160_000


@pytest.mark.parametrize(
    "broken",
    [
        "machine",
        "cash_move WHEN NEW.kind = 'deposit' AND NEW.device_id = 'machine'",
        "fact WHEN NEW.name = 'uncovered'",
    ],
)
async def test_broken_bookkeeping_of_cash_keeps_no_cash_out_back_and_is_told_once(
    make_ingest, broken
):
    bench = await make_ingest()
    await bench.client("ana", minor=10**9)
    if "fact" in broken:
        await bench.poll()
        await count(bench, 5)
    bench.server.put(cash_out("o1", NOW - HOUR))
    trigger = f"BEFORE INSERT ON {broken} BEGIN SELECT RAISE(ABORT, 'broken'); END"
    await bench.database.transact(lambda tx: tx.execute(f"CREATE TRIGGER broken {trigger}"))
    await bench.poll(2)
    assert await bench.distributed() == ["o1"]
    told = [text for text in await bench.letters() if "error in the program" in text]
    assert [text.split(" could")[0] for text in told] == ["The bookkeeping of the machines' cash"]


async def test_whole_sample_moves_what_its_machines_reported(make_ingest, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(SAMPLE, folder)
    bench = await make_ingest(DirectorySource(folder))
    bench.ingest.start_at = datetime(2025, 1, 1, tzinfo=UTC)
    await bench.poll(2)
    moved = await bench.rows(
        "SELECT label, sum(amount_minor) FROM cash_move JOIN machine_label USING (device_id)"
        " WHERE kind = 'cash-out' GROUP BY 1 ORDER BY 1"
    )
    assert [label for label, _ in moved] == ["Antigua", "Zona 10"]
    refs = await bench.rows("SELECT count(DISTINCT ref) FROM cash_move WHERE kind = 'cash-out'")
    assert refs == [(250,)], "247 whole dispenses and 3 partial ones"


# The alarm

UNCOVERED, COVERED = "exceed the cash", "covers the clients' balances again"


async def alarms(bench):
    words = (UNCOVERED, COVERED)
    letters = await bench.letters()
    return [word for text in letters for word in words if word in text]


async def test_balances_beyond_the_cash_are_told_once_each_way(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=100_000)
    await bench.poll()
    steps = []
    for counted in (99_999, 90_000, 100_000, 100_001, 99_000, 99_000):
        bench.clock.ahead += MINUTE
        await count(bench, counted)
        await bench.poll(2)
        steps.append(len(await alarms(bench)))
    assert steps == [1, 1, 2, 2, 3, 3]
    assert await alarms(bench) == [UNCOVERED, COVERED, UNCOVERED]
    assert "by Q0.01" in (await bench.letters())[0]


async def test_alarm_is_not_told_again_after_a_restart(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=100_000)
    await bench.poll()
    await count(bench, 5)
    await bench.poll()
    await bench.reopen()
    await bench.poll(2)
    assert await alarms(bench) == [UNCOVERED]


async def test_machine_that_was_never_counted_raises_no_alarm(make_ingest):
    bench = await make_ingest()
    await bench.client("ana", minor=100_000)
    bench.server.machines = {"machine": "Market", "other": "Mall"}
    bench.server.put(*(cash_out(f"{n}", NOW - HOUR, crypto_code="ETH") for n in range(9)))
    await bench.poll(2)
    await count(bench, 5)
    await bench.poll(2)
    assert await alarms(bench) == []
    await count(bench, 7, "other")
    await bench.poll()
    assert await alarms(bench) == [UNCOVERED]


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"status": "authorized", "confirmed_at": None}, [], []),
        (UNCONFIRMED, [], []),
        ({"crypto_code": "ETH"}, [UNCOVERED], [UNCOVERED, COVERED]),
    ],
)
async def test_cash_that_left_for_a_sale_still_to_be_shared_out_is_no_alarm(
    make_ingest, changes, before, after
):
    bench = await make_ingest()
    await bench.client("ana", minor=100_000, since=NOW - 2 * DAY)
    await bench.poll()
    await count(bench, 100_000)
    bench.clock.ahead += HOUR
    left = (report("dispense", NOW + MINUTE, ALL),)
    bench.server.put(cash_out("o1", NOW + MINUTE, actions=left, **changes))
    await bench.poll(2)
    assert await alarms(bench) == before
    bench.clock.ahead += 3 * DAY
    await bench.poll(2)
    assert await alarms(bench) == before
    bench.server.put(cash_out("o1", NOW + MINUTE, actions=left))
    await bench.poll(2)
    assert await bench.given() == [("o1", "ana", 80_000, 100_000)]
    assert await alarms(bench) == after


async def test_figure_and_alarm_are_right_at_every_poll_of_a_long_programme(make_ingest):
    """The operator's cash lies beside the clients'; sales of all kinds come and go for weeks."""
    chance = random.Random(5)
    bench = await make_ingest()
    await bench.poll()
    await count(bench, 300_000)
    there, unconfirmed, alarm_states = 300_000, [], set()
    for number in range(120):
        bench.clock.ahead += chance.choice([MINUTE, HOUR])
        now, ref = bench.clock.now(), f"{number}"
        left = (report("dispense", now, ALL),)
        match chance.choice(
            ["client", "sale", "sale", "zero-conf", "ETH", "buy", "confirm", "pay"]
        ):
            case "client":
                await bench.client(
                    f"c{number}", minor=(minor := chance.randint(1, 90_000)), since=now
                )
                there += minor
            case "sale":
                bench.server.put(cash_out(ref, now, actions=left))
                there -= 80_000
            case "zero-conf":
                bench.server.put(cash_out(ref, now, actions=left, status="authorized"))
                unconfirmed.append(ref)
                there -= 80_000
            case "ETH":
                bench.server.put(cash_out(ref, now, actions=left, crypto_code="ETH"))
                there -= 80_000
            case "buy":
                bench.server.put_in(cash_in(ref, now, 1_500))
                there += 150_000
            case "confirm" if unconfirmed:
                row = bench.server.rows[unconfirmed.pop()]
                bench.server.put(replace(row, status="confirmed"))
            case "pay":
                there -= await bench.database.transact(lambda tx, now=now: pay_back(tx, now))
        await bench.poll()
        assert await should_be(bench) == there
        ((balances,),) = await bench.rows(
            "SELECT coalesce(sum(balance), 0) FROM account WHERE kind = 'balance'"
        )
        is_told = (await alarms(bench))[-1:] == [UNCOVERED]
        assert is_told == (balances > there + 80_000 * len(unconfirmed))
        alarm_states.add(is_told)
    assert alarm_states == {True, False}
    assert len(await bench.distributed()) > 20


def pay_back(tx, now):
    """Give a thousandth back to the first client who has it; return it."""
    for client in clients.everyone(tx):
        if client.balance_minor > 1_000:
            deposits.withdraw(tx, client.id, amount_minor=1_000, note="", now=now)
            return 1_000
    return 0

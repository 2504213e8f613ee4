"""A bot with nothing to do asks little of the ledger, and one fault keeps no other look back."""

import logging
import sqlite3
from datetime import timedelta

import pytest
from ingest_bench import HOUR, NOW, cash_out
from payout_bench import programme
from scaffold import open_ledger
from test_alarms import Tower
from test_outbox import ANA, Office
from test_reaching import INBOX, listed
from transactions import counted

from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.payouts.reconcile import record_unknown
from dca_bot.jobs.signals import SLEEP_MAX_S, pause_until
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOTICES = Notices(programme(), load_texts(programme()))


@pytest.fixture
async def database(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield database
    await database.aclose()


@pytest.fixture
async def bench(make_scripted):
    """A client, and a scripted LNbits."""
    return await make_scripted()


async def test_poll_that_finds_nothing_new_is_two_transactions(make_ingest):
    ingest = await make_ingest()
    ingest.server.put(cash_out("good", NOW - 3 * HOUR))
    await ingest.poll(2)
    with counted(ingest.database) as begun:
        await ingest.poll()
    assert sorted(begun) == ["read", "write"]


async def test_round_without_payouts_is_two_transactions(bench):
    await bench.worker.catch_up()
    for _ in range(2):
        with counted(bench.database) as begun:
            assert not await bench.worker.work_once()
        assert len(begun) == 2
        await bench.distribute(50_000, 40_000)
        await bench.settle(3)


async def test_look_at_all_alarms_is_one_transaction(database):
    tower = Tower(database)
    await tower.look(5)
    with counted(database) as begun:
        await tower.watch.look_once()
    assert len(begun) == 1


async def test_list_that_was_recorded_is_not_recorded_again(tmp_path):
    office = Office(tmp_path)
    await office.open()
    await office.client("ana", ANA)
    old, new = listed(ANA, *INBOX), listed(ANA, "wss://new.example", at=NOW + HOUR)
    await office.lists._keep(old)
    with counted(office.database) as begun:
        await office.lists._keep(old)
        assert begun == []
        await office.lists._keep(new)
        assert len(begun) == 1
    await office.database.aclose()


async def test_reconciling_many_known_payments_is_a_few_statements(bench):
    for _ in range(5):
        await bench.distribute(50_000, 40_000)
    await bench.worker.catch_up()
    await bench.settle(3)
    rows = await bench.database.read(
        lambda tx: tx.execute("SELECT payment_hash, payout_id FROM attempt").fetchall()
    )
    paid = [
        Payment(row[0], -1, 0, PaymentStatus.SUCCESS, None, external_id=row[1], extra={})
        for row in rows
    ]
    statements = []

    def work(tx):
        tx.set_trace_callback(statements.append)
        unknown = record_unknown(tx, paid, NOTICES, now=bench.clock.now())
        tx.set_trace_callback(None)
        return unknown

    assert await bench.database.transact(work) == 0
    assert len(paid) >= 5
    assert len(statements) <= 3


@pytest.mark.parametrize(
    ("until_s", "pause_s"), [(None, SLEEP_MAX_S), (20, 30), (600, 600), (10**6, SLEEP_MAX_S)]
)
def test_job_sleeps_until_the_known_instant(until_s, pause_s):
    until = None if until_s is None else NOW + timedelta(seconds=until_s)
    assert pause_until(NOW, until, least_s=30) == pause_s


async def test_look_that_fails_keeps_no_other_look_back(bench, caplog):
    boundary = ErrorBoundary(bench.database, NOTICES, bench.clock, lambda: None)
    done = []

    def fails(_tx):
        raise ValueError("broken")

    def looks(name):
        def look(tx):
            tx.execute("INSERT INTO fact (name, value) VALUES (?, '')", (name,))
            done.append(name)
            return True

        return look

    pairs = [(Guarded.REACH, looks("a")), (Guarded.RELAY, fails), (Guarded.SLOW, looks("b"))]
    with caplog.at_level(logging.ERROR):
        assert await boundary.over_all(pairs) == [True, True]
    facts = await bench.database.read(lambda tx: tx.execute("SELECT name FROM fact").fetchall())
    assert {"a", "b"} <= {row[0] for row in facts}
    assert "relay failed" in caplog.text


async def test_failure_of_the_disk_ends_all_looks(bench):
    boundary = ErrorBoundary(bench.database, NOTICES, bench.clock, lambda: None)

    def full(_tx):
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        await boundary.over_all([(Guarded.REACH, full)])

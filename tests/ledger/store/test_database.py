import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest

from dca_bot.errors import LedgerError
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme import clients, machine_cash, machines
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import Got
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import connect_to_read, open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import VERSION, run_script

# Another process: opens the ledger, says so, and goes on as its last line tells it.
OTHER_BOT = """
import asyncio, pathlib, sys, time
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import open_database

def say(word):
    print(word, flush=True)

async def main():
    database = await open_database(pathlib.Path(sys.argv[1]))
    say("open")
    {then}

asyncio.run(main())
"""
WAITS = "await asyncio.to_thread(sys.stdin.readline)"
STOPS_HALFWAY = """
    def work(tx):
        bot_state.put(tx, "first", "1")
        say("halfway")
        time.sleep(60)
        bot_state.put(tx, "second", "1")
    await database.transact(work)
"""
COUNTS = """
    for n in range(10**6):
        def work(tx):
            bot_state.put(tx, "first", str(n))
            bot_state.put(tx, "second", str(n))
        await database.transact(work)
        say(n)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
async def database(folder):
    opened = await open_database(folder)
    yield opened
    await opened.aclose()


@pytest.fixture
def other_bot(folder):
    """Start another process on the ledger; it is killed at the end at the latest."""
    started = []

    def start(then):
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER_BOT.format(then=then), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


FIRST_VERSION = """
INSERT INTO client (name, pubkey, language, created_at) VALUES ('maria', printf('%064d', 1), 'en', 0);
INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, 60000, 0);
UPDATE deposit SET state = 'confirmed', confirmed_at = 1 WHERE id = 1;
INSERT INTO posting (kind, posted_at, deposit_id) VALUES ('deposit', 1, 1);
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT 1, 1, id, 60000 FROM account WHERE kind = 'balance';
INSERT INTO cash_out VALUES ('c1', 'd1', 'distributed', '', 2, 2, 'GTQ', 'BTC', 10000, 7000, 300, NULL, 2, 2);
INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('c1', 1, 10000, 7000);
INSERT INTO distribution VALUES ('c1', 'flow', 2, 2, 7000, 10000, 300, 0);
INSERT INTO posting (kind, posted_at, distribution_id) VALUES ('distribution', 2, 'c1');
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT 2, id, 2, 10000 FROM account WHERE kind = 'balance';
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT 2, 3, id, 7000 FROM account WHERE kind = 'owed';
INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (2, 3, 5, 300);
INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES ('p1', 1, 7000, 0, 2);
UPDATE share SET payout_id = 'p1';
INSERT INTO hold (kind, ref, reason, opened_at) VALUES ('cash-out', 'c2', 'contradiction', 3);
"""


OLD_CASH = """
UPDATE deposit SET machine = 'market';
INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (1, 700, 0), (1, 80, 0), (1, 9, 0);
UPDATE deposit SET state = 'confirmed', machine = 'Mall', confirmed_at = 1 WHERE id IN (2, 3);
INSERT INTO posting (kind, posted_at, deposit_id) VALUES ('deposit', 1, 2), ('deposit', 1, 3);
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT posting.id, 1, account.id, amount_minor FROM account, posting JOIN deposit ON deposit.id = deposit_id
  WHERE account.kind = 'balance' AND deposit.id > 1;
UPDATE deposit SET state = 'voided', voided_at = 2 WHERE id = 3;
INSERT INTO posting (kind, posted_at, deposit_id) VALUES ('deposit void', 2, 3);
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT max(posting.id), account.id, 1, 80 FROM account, posting WHERE account.kind = 'balance';
INSERT INTO posting (kind, posted_at) VALUES ('withdrawal', 3);
INSERT INTO entry (posting_id, from_account, to_account, amount)
  SELECT max(posting.id), account.id, 1, 500 FROM account, posting WHERE account.kind = 'balance';
"""
# A second cash-out whose payout was cancelled, and a third whose share waits for more.
OLD_SHARES = """
INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('c3', 1, 5000, 900), ('c4', 1, 60, 10);
INSERT INTO distribution VALUES
  ('c3', 'flow', 3, 3, 900, 5000, 0, 0), ('c4', 'flow', 4, 4, 10, 60, 0, 0);
INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES ('p3', 1, 900, 0, 3);
UPDATE share SET payout_id = 'p3' WHERE distribution_id = 'c3';
UPDATE payout SET state = 'CANCELLED' WHERE id = 'p3';
"""
NEW_ACCOUNT = "INSERT INTO account (kind, client_id, unit) VALUES ('owed', 9, 'sat')"


def put(name, value="1"):
    return lambda tx: bot_state.put(tx, name, value)


def get(name):
    return lambda tx: bot_state.get(tx, name)


def make_first_version(folder, more=""):
    folder.mkdir(mode=0o700)
    (folder / LEDGER_FILE).touch(mode=0o600)
    old = sqlite3.connect(folder / LEDGER_FILE)
    old.execute("PRAGMA foreign_keys = ON")
    run_script(old, 1)
    old.executescript(f"BEGIN; {FIRST_VERSION} {more} COMMIT;")
    old.close()


def set_version(folder, version):
    connection = sqlite3.connect(folder / LEDGER_FILE)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


async def test_what_a_transaction_raises_undoes_all_of_it(database):
    def work(tx):
        bot_state.put(tx, "first", "1")
        raise KeyError("halfway")

    with pytest.raises(KeyError, match="halfway"):
        await database.transact(work)
    assert await database.read(get("first")) is None
    await database.transact(put("first"))
    assert await database.read(get("first")) == "1"


async def test_what_fails_only_at_the_commit_is_undone_too(database):
    def work(tx):
        bot_state.put(tx, "first", "1")
        tx.execute(
            "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('x', 1, 1, 1)"
        )

    def late(tx):
        bot_state.put(tx, "second", "1")
        tx.execute(
            "INSERT INTO posting (kind, posted_at, distribution_id) VALUES ('distribution', 0, 'x')"
        )

    for wrong in (work, late):
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            await database.transact(wrong)
    assert await database.read(get("first")) is None
    assert await database.read(get("second")) is None


async def test_concurrent_transactions_keep_apart(database):
    def count(n):
        def work(tx):
            seen = int(bot_state.get(tx, "count") or "0")
            bot_state.put(tx, "count", str(seen + 1))
            if n % 3 == 0:
                raise ValueError
            return seen + 1

        return database.transact(work)

    results = await asyncio.gather(*(count(n) for n in range(90)), return_exceptions=True)
    good = [result for result in results if isinstance(result, int)]
    assert good == list(range(1, 61))
    assert await database.read(get("count")) == "60"


async def test_a_cancelled_wait_leaves_the_transaction_whole(database):
    inside, go_on = threading.Event(), threading.Event()

    def work(tx):
        bot_state.put(tx, "first", "1")
        inside.set()
        assert go_on.wait(10)
        bot_state.put(tx, "second", "1")

    waiting = asyncio.create_task(database.transact(work))
    await asyncio.to_thread(inside.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await database.read(get("first")) == await database.read(get("second")) == "1"


async def test_commits_are_durable_and_references_are_checked(database):
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
    found = {}
    for name in pragmas:
        found[name] = await database.read(
            lambda tx, name=name: tx.execute(f"PRAGMA {name}").fetchone()[0]
        )
    assert found == pragmas


async def test_a_new_ledger_is_nobody_elses(database, folder):
    await database.transact(put("first"))
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


async def test_a_ledger_opens_again_as_it_was(folder):
    for expected in (None, "1"):
        database = await open_database(folder)
        assert await database.read(get("first")) == expected
        await database.transact(put("first"))
        await database.aclose()


async def test_a_second_bot_is_refused_until_the_first_is_gone(folder, other_bot):
    first = other_bot(WAITS)
    with pytest.raises(LedgerError, match="Another bot is running"):
        await open_database(folder)
    first.kill()
    first.wait()
    await (await open_database(folder)).aclose()


@pytest.mark.usefixtures("database")
async def test_a_second_bot_in_the_same_process_is_refused(folder):
    with pytest.raises(LedgerError, match="Another bot is running"):
        await open_database(folder)


async def test_a_kill_in_the_middle_of_a_transaction_leaves_nothing(folder, other_bot):
    killed = other_bot(STOPS_HALFWAY)
    assert killed.stdout.readline() == "halfway\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    database = await open_database(folder)
    assert await database.read(get("first")) is None
    assert (await database.read(audit_ledger)).findings == ()
    await database.aclose()


@pytest.mark.parametrize("told", [1, 7, 40])
async def test_a_kill_between_transactions_leaves_all_that_was_acknowledged(
    folder, other_bot, told
):
    killed = other_bot(COUNTS)
    lines = [killed.stdout.readline() for _ in range(told)]
    killed.send_signal(signal.SIGKILL)
    acknowledged = int("".join([*lines, killed.stdout.read()]).split()[-1])
    database = await open_database(folder)
    first, second = await database.read(get("first")), await database.read(get("second"))
    await database.aclose()
    assert first == second
    assert int(first) in (acknowledged, acknowledged + 1)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("place", "mode", "hint"),
    [
        (".", 0o755, "chmod 700"),
        (".", 0o710, "chmod 700"),
        (LEDGER_FILE, 0o644, "chmod 600"),
        (LEDGER_FILE, 0o602, "chmod 600"),
    ],
)
async def test_what_others_can_read_is_refused_with_the_remedy(
    folder, read_only, place, mode, hint
):
    await (await open_database(folder)).aclose()
    (folder / place).chmod(mode)
    with pytest.raises(LedgerError, match=hint):
        await open_database(folder, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_ledger_is_refused_and_let_go(folder, read_only):
    await (await open_database(folder)).aclose()
    set_version(folder, 99)
    with pytest.raises(LedgerError, match="install the newer dca-bot"):
        await open_database(folder, read_only=read_only)
    set_version(folder, VERSION)
    await (await open_database(folder)).aclose()


async def test_a_ledger_of_the_first_version_keeps_everything(folder):
    make_first_version(folder)
    database = await open_database(folder)
    maria = await database.read(lambda tx: clients.by_name(tx, "maria"))
    assert (maria.balance_minor, maria.owed_sat, maria.state) == (50_000, 7_000, "active")
    assert (await database.read(audit_ledger)).findings == ()
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await database.transact(lambda tx: tx.execute(NEW_ACCOUNT))
    assert len(await database.read(holds.still_open)) == 1
    await database.aclose()


async def test_what_was_got_in_the_first_version_is_summed_up(folder):
    make_first_version(folder, OLD_SHARES)
    database = await open_database(folder)
    got = await database.read(lambda tx: purchases.got(tx, 1))
    assert got == Got(bought_sat=7_000 + 10, spent_minor=10_000 + 60)
    await database.aclose()


async def test_cash_of_the_first_version_finds_its_machines(folder):
    make_first_version(folder, OLD_CASH)
    database = await open_database(folder)

    def first_reading(tx):
        machines.record(tx, {"m1": "Market", "m2": "Zona 10"})
        machine_cash.find_places(tx, now=datetime.now(UTC))

    assert await database.read(machine_cash.unnamed_minor) == 60_000 + 700 - 500
    await database.transact(first_reading)
    found = await database.read(machine_cash.of_all)
    assert [cash.expected_minor for cash in found] == [60_000, 0]
    assert await database.read(machine_cash.unnamed_minor) == 700 - 500
    assert (await database.read(audit_ledger)).findings == ()
    await database.aclose()


async def test_a_reader_sees_what_a_running_bot_has_committed(database, folder):
    await database.transact(put("first"))
    reader = await open_database(folder, read_only=True)
    assert await reader.read(get("first")) == "1"
    await database.transact(put("first", "2"))
    assert await reader.read(get("first")) == "2"
    await reader.aclose()


async def test_a_long_reading_does_not_stop_a_running_bot(database, folder):
    await database.transact(put("first"))
    inside, go_on = threading.Event(), threading.Event()

    def slow(tx):
        before = bot_state.get(tx, "first")
        inside.set()
        assert go_on.wait(10)
        return before, bot_state.get(tx, "first")

    reader = await open_database(folder, read_only=True)
    reading = asyncio.create_task(reader.read(slow))
    await asyncio.to_thread(inside.wait, 10)
    await database.transact(put("first", "2"))
    go_on.set()
    assert await reading == ("1", "1")
    await reader.aclose()


async def test_what_grew_beside_a_long_reading_is_given_back(folder, monkeypatch):
    monkeypatch.setattr("dca_bot.ledger.store.database._WAL_KEPT_BYTES", 100_000)
    database = await open_database(folder)
    wal = folder / f"{LEDGER_FILE}-wal"

    async def write(times):
        for number in range(times):
            await database.transact(
                lambda tx, digit=str(number % 10): bot_state.put(tx, "big", digit * 200_000)
            )

    with closing(connect_to_read(folder / LEDGER_FILE)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM fact").fetchall()
        await write(30)
        assert wal.stat().st_size > 4_000_000
    await write(3)
    assert wal.stat().st_size < 500_000
    await database.aclose()


async def test_a_reader_can_write_nothing(database, folder):
    reader = await open_database(folder, read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.transact(put("first"))
    await reader.aclose()
    assert await database.read(get("first")) is None


async def test_a_ledger_at_rest_can_be_read_and_is_not_locked(folder):
    database = await open_database(folder)
    await database.transact(put("first"))
    await database.aclose()
    reader = await open_database(folder, read_only=True)
    assert await reader.read(get("first")) == "1"
    await (await open_database(folder)).aclose()
    await reader.aclose()


async def test_a_reader_makes_no_ledger(folder):
    with pytest.raises(LedgerError, match="no ledger"):
        await open_database(folder, read_only=True)
    assert not folder.exists()


BESIDE = """
import asyncio, os, pathlib, subprocess, sys
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.database import open_database, reading_beside
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
folder = pathlib.Path(sys.argv[1])
STRANGER = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM fact').fetchall()"

async def main():
    bot = await open_database(folder)
    await bot.transact(lambda tx: bot_state.put(tx, "before", "1"))
    async with reading_beside(folder) as reader:
        await reader.read(lambda tx: bot_state.get(tx, "before"))
    copy_ledger(folder, folder / "copy")
    subprocess.run([sys.executable, "-c", STRANGER, folder / LEDGER_FILE], check=True)
    for number in range(50):
        await bot.transact(lambda tx: bot_state.put(tx, f"after{number}", "1"))
    os._exit(9)

asyncio.run(main())
"""


def test_what_is_committed_after_a_look_beside_the_writer_survives_a_kill(tmp_path):
    """Another program that opens and closes the ledger takes itself for the last one without the locks."""
    folder = tmp_path / "data"
    done = subprocess.run([sys.executable, "-c", BESIDE, folder], timeout=60, check=False)
    assert done.returncode == 9
    with closing(sqlite3.connect(folder / LEDGER_FILE)) as ledger:
        (kept,) = ledger.execute("SELECT count(*) FROM fact WHERE name LIKE 'after%'").fetchone()
    assert kept == 50

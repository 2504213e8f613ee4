"""Faults that others have reported of SQLite behind asyncio, tried on `Database`."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from here import open_here

from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE

SCRIPT = """
import asyncio, pathlib, sys, threading
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import open_database
folder = pathlib.Path(sys.argv[1])
inside, go_on = threading.Event(), threading.Event()

def slow(tx):
    bot_state.put(tx, "first", "1")
    inside.set()
    go_on.wait(10)
    bot_state.put(tx, "second", "1")
"""
LEFT_OPEN = """
async def main():
    database = await open_database(folder)
    await database.transact(lambda tx: bot_state.put(tx, "first", "1"))

asyncio.run(main())
"""
LOOP_CLOSED = """
async def main():
    global database, waiting
    database = await open_database(folder)
    waiting = asyncio.create_task(database.transact(slow))
    await asyncio.to_thread(inside.wait, 10)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
threads = [thread for thread in threading.enumerate() if "connection" in thread.name]
go_on.set()
for thread in threads:
    thread.join(10)
del database, waiting
"""


class Gate:
    """A transaction that stops halfway until it is let go on."""

    def __init__(self):
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, tx):
        bot_state.put(tx, "first", "1")
        self.inside.set()
        assert self.go_on.wait(10)
        bot_state.put(tx, "second", "1")

    async def reached(self):
        assert await asyncio.to_thread(self.inside.wait, 10)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
async def database(folder):
    opened = await open_database(folder)
    yield opened
    await opened.aclose()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.go_on.set()


def put(name):
    return lambda tx: bot_state.put(tx, name, "1")


def kept(folder):
    with closing(sqlite3.connect(folder / LEDGER_FILE)) as ledger:
        names = ledger.execute("SELECT name FROM fact ORDER BY name").fetchall()
    return {name for (name,) in names} - {bot_state.PROGRAM, bot_state.SCHEMA}


def open_files(folder):
    """Return what this process has open in a folder."""
    links = list(Path("/dev/fd").iterdir())
    targets = [link.readlink() for link in links if link.is_symlink()]
    return [target for target in targets if target.is_relative_to(folder.resolve())]


def run(script, folder):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + script, folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_transaction_whose_waiter_is_cancelled_in_the_queue_runs_all_the_same(
    database, folder, gate
):
    running = asyncio.create_task(database.transact(gate))
    await gate.reached()
    queued = asyncio.create_task(database.transact(put("queued")))
    last = asyncio.create_task(database.transact(lambda tx: bot_state.get(tx, "queued")))
    await asyncio.sleep(0)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    gate.go_on.set()
    assert await running is None
    assert await last == "1"
    assert kept(folder) == {"first", "second", "queued"}


async def test_every_one_of_many_waiters_gets_the_result_of_its_own_function(database):
    def work(number):
        def whole(tx):
            bot_state.put(tx, f"n{number}", "1")
            if number % 5 == 0:
                raise ValueError(number)
            return number

        return whole

    tasks = [asyncio.create_task(database.transact(work(number))) for number in range(500)]
    await asyncio.sleep(0)
    for task in tasks[::7]:
        task.cancel()
    for number, result in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
        if number % 7 == 0:
            assert isinstance(result, asyncio.CancelledError | ValueError | int)
        elif number % 5 == 0:
            assert result.args == (number,)
        else:
            assert result == number
    count = await database.read(
        lambda tx: tx.execute("SELECT count(*) FROM fact WHERE name LIKE 'n%'").fetchone()[0]
    )
    assert count == 400


async def test_closing_waits_for_the_transactions_in_the_queue(folder):
    database = await open_database(folder)
    tasks = [asyncio.create_task(database.transact(put(f"n{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    await database.aclose()
    assert await asyncio.gather(*tasks) == [None] * 20
    assert len(kept(folder)) == 20


async def test_closing_that_is_cancelled_loses_no_transaction_and_lets_the_ledger_go(folder, gate):
    database = await open_database(folder)
    running = asyncio.create_task(database.transact(gate))
    await gate.reached()
    closing_it = asyncio.create_task(database.aclose())
    await asyncio.sleep(0)
    closing_it.cancel()
    gate.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await closing_it
    await running
    assert kept(folder) == {"first", "second"}
    await (await open_database(folder)).aclose()


async def test_cancelled_opening_leaves_no_connection_and_no_lock(folder):
    await (await open_database(folder)).aclose()
    for turns in range(6):
        opening = asyncio.create_task(open_database(folder))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert open_files(folder) == []
    await (await open_database(folder)).aclose()


async def test_what_is_handed_in_behind_the_closing_is_done_or_refused(folder):
    database = await open_database(folder)
    closing_it = asyncio.create_task(database.aclose())
    await asyncio.sleep(0)
    works = (database.transact(put(f"n{number}")) for number in range(4))
    done = await asyncio.gather(*works, return_exceptions=True)
    await closing_it
    refused = [isinstance(one, ValueError | sqlite3.ProgrammingError) for one in done]
    assert len(kept(folder)) == refused.count(False)


async def test_closed_database_refuses_work_and_can_be_closed_again(folder):
    database = await open_database(folder)
    await database.aclose()
    with pytest.raises(ValueError, match="no active connection"):
        await database.read(put("first"))
    await database.aclose()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
async def test_exception_that_is_no_plain_error_undoes_the_transaction_and_reaches_the_caller(
    database, error
):
    def work(tx):
        bot_state.put(tx, "first", "1")
        raise error

    expected = RuntimeError if error is StopIteration else error
    async with asyncio.timeout(10):
        with pytest.raises(expected):
            await database.transact(work)
    assert await database.read(lambda tx: bot_state.get(tx, "first")) is None


async def test_transaction_that_commits_by_itself_is_refused_and_undone(database, folder):
    def work(tx):
        bot_state.put(tx, "first", "1")
        tx.commit()

    with pytest.raises(sqlite3.ProgrammingError, match="when its function returns"):
        await database.transact(work)
    await database.transact(put("second"))
    assert kept(folder) == {"second"}


async def test_locked_ledger_is_an_error_and_no_more_than_that(database, folder):
    await database.read(lambda tx: tx.execute("PRAGMA busy_timeout = 1").fetchall())
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await database.transact(put("first"))
        other.execute("ROLLBACK")
    await database.transact(put("second"))
    assert kept(folder) == {"second"}


async def test_full_disk_undoes_the_transaction_and_the_next_one_runs(database, folder):
    def fill(tx):
        pages = tx.execute("PRAGMA page_count").fetchone()[0]
        tx.execute(f"PRAGMA max_page_count = {pages + 2}")
        bot_state.put(tx, "first", "1")
        bot_state.put(tx, "second", "x" * 100_000)

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await database.transact(fill)
    await database.transact(put("third"))
    assert kept(folder) == {"third"}


async def test_interrupted_transaction_is_undone_and_the_next_one_runs(database, folder):
    handed_out = []
    inside = threading.Event()

    def work(tx):
        bot_state.put(tx, "first", "1")
        handed_out.append(tx)
        inside.set()
        tx.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n"
        ).fetchone()

    running = asyncio.create_task(database.transact(work))
    await asyncio.to_thread(inside.wait, 10)
    while not running.done():
        handed_out[0].interrupt()
        await asyncio.sleep(0)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        await running
    await database.transact(put("second"))
    assert kept(folder) == {"second"}


def test_database_outlives_the_event_loop_that_opened_it(folder):
    database = asyncio.run(open_database(folder))
    asyncio.run(database.transact(put("first")))
    assert asyncio.run(database.read(lambda tx: bot_state.get(tx, "first"))) == "1"
    asyncio.run(database.aclose())


def test_program_that_leaves_a_database_open_still_ends(folder):
    done = run(LEFT_OPEN, folder)
    assert done.returncode == 0
    assert kept(folder) == {"first"}


def test_transaction_is_whole_though_its_event_loop_is_closed_meanwhile(folder):
    assert run(LOOP_CLOSED, folder).returncode == 0
    assert kept(folder) == {"first", "second"}


async def test_simulation_can_run_the_database_in_its_own_thread(folder):
    database = await open_database(folder, connect=open_here)
    assert await database.read(lambda _: threading.get_ident()) == threading.get_ident()
    await database.transact(put("first"))

    def fails(tx):
        bot_state.put(tx, "second", "1")
        raise KeyError

    with pytest.raises(KeyError):
        await database.transact(fails)
    # Every step is taken at once: no other task gets between the call and its result.
    with pytest.raises(StopIteration):
        database.read(lambda tx: bot_state.get(tx, "first")).send(None)
    await database.aclose()
    assert kept(folder) == {"first"}

"""Prints the cost of a thread and asyncio above SQLite alone: `python tests/ledger/store/database_bench.py`.

Every figure stands beside its ratio to a floor of the same run: sqlite3 without thread or asyncio. The
rounds of a way and of the floor take turns, and the best round counts, because a busy machine only ever
adds time. A folder in memory as argument (/dev/shm) shows the ways without fsync. Nothing fails here.
"""

import asyncio
import itertools
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import aiosqlite
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2]))
from here import open_here

from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.connection import open_in_thread
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE

ROUNDS, READS, WRITES, WAITERS, IDLE_S = 15, 300, 60, 100, 1.0
CONSOLE = Console(highlight=False, soft_wrap=True)
NUMBERS = itertools.count()
WRITE = "INSERT OR REPLACE INTO fact (name, value) VALUES ('bench', ?)"


class Executor:
    """sqlite3 in a thread of concurrent.futures."""

    def __init__(self, uri):
        self._pool = ThreadPoolExecutor(1)
        connect = partial(sqlite3.connect, uri, uri=True, isolation_level=None)
        self._connection = self._pool.submit(connect).result()

    async def run(self, work):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, work, self._connection)

    async def aclose(self):
        await self.run(sqlite3.Connection.close)
        self._pool.shutdown()


class PrivateCalls:
    """aiosqlite by `_execute` and `_conn`, as the bot did up to 0.2.0."""

    def __init__(self, connection):
        self._connection = connection
        self.aclose = connection.close

    async def run(self, work):
        return await self._connection._execute(lambda: work(self._connection._conn))


async def open_executor(uri):
    return Executor(uri)


async def open_private(uri):
    return PrivateCalls(await aiosqlite.connect(uri, uri=True, isolation_level=None))


WAYS = {
    "in the caller's thread": open_here,
    "aiosqlite, public calls (the bot's)": open_in_thread,
    "aiosqlite, private calls": open_private,
    "sqlite3 in a thread of an executor": open_executor,
}


def read(tx):
    return bot_state.get(tx, "bench")


def write(tx):
    bot_state.put(tx, "bench", str(next(NUMBERS)))


class Floor:
    """The same transactions on a bare connection."""

    def __init__(self, folder):
        self.tx = sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)
        self.tx.row_factory = sqlite3.Row
        self.tx.execute("PRAGMA synchronous = FULL")

    def whole(self, work, begin):
        self.tx.execute(begin)
        work(self.tx)
        self.tx.execute("COMMIT")

    async def reads(self):
        for _ in range(READS):
            self.whole(read, "BEGIN")

    async def writes(self):
        for _ in range(WRITES):
            self.whole(write, "BEGIN IMMEDIATE")


class Way:
    """One way to reach the database."""

    def __init__(self, database):
        self.database = database

    async def reads(self):
        for _ in range(READS):
            await self.database.read(read)

    async def writes(self):
        for _ in range(WRITES):
            await self.database.transact(write)

    async def waiters(self):
        await asyncio.gather(*(self.database.transact(write) for _ in range(WAITERS)))


class Statements:
    """aiosqlite statement by statement: each one is a round trip, and a lock keeps others out."""

    def __init__(self, connection):
        self._connection = connection
        self._lock = asyncio.Lock()

    async def reads(self):
        for _ in range(READS):
            async with self._lock:
                for sql in ("BEGIN", "SELECT value FROM fact WHERE name = 'bench'", "COMMIT"):
                    await self._connection.execute(sql)

    async def writes(self):
        for _ in range(WRITES):
            async with self._lock:
                await self._connection.execute("BEGIN IMMEDIATE")
                await self._connection.execute(WRITE, (str(next(NUMBERS)),))
                await self._connection.execute("COMMIT")


async def main(place):
    with tempfile.TemporaryDirectory(prefix="dca-bot-bench-", dir=place) as name:
        folder = Path(name)
        for number, (way, connect) in enumerate(WAYS.items()):
            began = time.perf_counter()
            database = await open_database(folder / str(number), connect=connect)
            await database.transact(write)
            opened_ms = (time.perf_counter() - began) * 1000
            floor = Floor(folder / str(number))
            await compare(way, Way(database), floor)
            busy = time.process_time()
            await asyncio.sleep(IDLE_S)
            idle_ms = (time.process_time() - busy) * 1000 / IDLE_S
            await database.aclose()
            tell(
                f"made, opened, first write {opened_ms:.0f} ms; idle {idle_ms:.2f} ms CPU a second"
            )
        async with aiosqlite.connect(
            folder / "0" / LEDGER_FILE, isolation_level=None
        ) as connection:
            await connection.execute("PRAGMA synchronous = FULL")
            await compare("aiosqlite, statement by statement", Statements(connection), floor)


async def compare(name, way, floor):
    tell(f"\n{name}")
    for kind, count in (("reads", READS), ("writes", WRITES)):
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(await timed(getattr(way, kind), count))
            bare.append(await timed(getattr(floor, kind), count))
        (us, cpu_us), (floor_us, floor_cpu_us) = best(ours), best(bare)
        tell(
            f"  {kind:8} {us:8.1f} µs, {us / floor_us:5.2f} x the floor ({floor_us:.1f} µs);"
            f" CPU {cpu_us:6.1f} µs, {cpu_us / floor_cpu_us:5.2f} x ({floor_cpu_us:.1f} µs)"
        )
    if hasattr(way, "waiters"):
        us, cpu_us = best([await timed(way.waiters, WAITERS) for _ in range(ROUNDS)])
        tell(f"  {WAITERS} writes at once: {us:.1f} µs each; CPU {cpu_us:.1f} µs")


def best(rounds):
    """The least time and the least CPU time."""
    return [min(figures) for figures in zip(*rounds, strict=True)]


async def timed(work, count):
    began, busy = time.perf_counter(), time.process_time()
    await work()
    ended, done = time.perf_counter(), time.process_time()
    return (ended - began) / count * 1e6, (done - busy) / count * 1e6


def tell(line):
    CONSOLE.print(line)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))

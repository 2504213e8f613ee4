"""Runs plain functions on an SQLite connection, each one whole, in the order of the calls.

`Connect` is the seam of the database: `open_in_thread` gives each connection a separate thread; a
simulation hands in a `Connect` that runs each function in the caller's thread.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

import aiosqlite

T = TypeVar("T")
_Work = Callable[[sqlite3.Connection], T]
_LOCK_WAIT_S = 10
STATEMENTS_KEPT = 1_000
"""The prepared statements that a connection keeps: more than the program has."""


class Connection(Protocol):
    """An open SQLite connection in autocommit mode.

    Functions run in the order of the calls of `run`, never two at once. A function handed in runs even
    if the caller is cancelled meanwhile.
    """

    async def run(self, work: _Work[T]) -> T:
        """Return the result of `work`; raise its errors, a StopIteration as RuntimeError.

        Raise ValueError or sqlite3.ProgrammingError after `aclose`.
        """

    async def aclose(self) -> None:
        """Wait for the functions handed in before, then close the file; a second call does nothing."""


Connect = Callable[[str], Awaitable[Connection]]
"""Opens a connection to the SQLite URI of a file; raises sqlite3.Error."""


async def open_in_thread(uri: str) -> Connection:
    """Open a connection that runs functions in a separate thread; raise sqlite3.Error."""
    waiting: deque[_Work[None]] = deque()

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=_LOCK_WAIT_S,
            factory=_WorkConnection,
            cached_statements=STATEMENTS_KEPT,
        )
        connection.waiting = waiting
        return connection

    opening = asyncio.ensure_future(aiosqlite.Connection(connector, iter_chunk_size=1))
    try:
        return _ThreadConnection(await asyncio.shield(opening), waiting)
    except asyncio.CancelledError:
        # sqlite3.connect can't be stopped, and aiosqlite would drop the open connection.
        with suppress(sqlite3.Error):
            await (await opening).close()
        raise


class _ThreadConnection:
    """A connection in aiosqlite's thread, used by aiosqlite's public interface alone.

    aiosqlite has no public call that runs a function in the thread. But `aiosqlite.Connection.commit`
    calls `commit` of the SQLite connection in the thread, and `_WorkConnection.commit` runs a function.
    """

    def __init__(self, connection: aiosqlite.Connection, waiting: deque[_Work[None]]) -> None:
        self._connection = connection
        self._waiting = waiting

    async def run(self, work: _Work[T]) -> T:
        results: list[T] = []
        # aiosqlite queues `commit` before the first await: the n-th `commit` runs the n-th function.
        self._waiting.append(lambda connection: results.append(work(connection)))
        await self._connection.commit()
        return results[0]

    async def aclose(self) -> None:
        await self._connection.close()


class _WorkConnection(sqlite3.Connection):
    """An SQLite connection whose `commit` runs the function that has waited longest."""

    waiting: deque[_Work[None]]
    _is_running = False

    def commit(self) -> None:
        """Run one function; raise sqlite3.ProgrammingError if a function calls `commit` itself."""
        if self._is_running:
            raise sqlite3.ProgrammingError("a transaction is committed when its function returns")
        # Each `commit` that aiosqlite calls takes one function off, whatever happens next.
        work = self.waiting.popleft()
        self._is_running = True
        try:
            work(self)
        except StopIteration as error:
            # No asyncio.Future carries a StopIteration: the caller would wait for ever.
            raise RuntimeError("a function on the database raised StopIteration") from error
        finally:
            self._is_running = False

"""The ledger's file: one writer, durable transactions.

A transaction is one plain function, run whole in the database's thread. The function can't await, so no
statement of another transaction comes between. A crash leaves the whole transaction or nothing. Transactions
that wait at the same time can share a COMMIT (`shared_commits`).
"""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from dca_bot.errors import LedgerError
from dca_bot.ledger.store.connection import Connect, Connection, open_in_thread
from dca_bot.ledger.store.ledger_files import (
    existing_ledger,
    make_and_lock,
    reading_uri,
    refuse_foreign_wal,
)
from dca_bot.ledger.store.migrate import migrate, refuse_other_version
from dca_bot.ledger.store.shared_commits import SharedCommits, Transaction

T = TypeVar("T")
Tx = sqlite3.Connection
"""The connection inside a transaction, as `Database.transact` and `Database.read` hand it to a function."""

_WAL_KEPT_BYTES = 16 * 1024 * 1024
"""What stays of the WAL's file once its content is in the ledger: it grows while a long reading goes on."""
_ACCESS_ERRORS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Errors of access: SQLite couldn't read or write the file, but the file may be undamaged."""


class Database:
    """An open ledger; made by `open_database`.

        await database.transact(lambda tx: bot_state.put(tx, "first", "1"))
        first = await database.read(lambda tx: bot_state.get(tx, "first"))

    Cancelling a caller doesn't stop the caller's transaction: a function handed in runs to the end and
    is committed.
    """

    def __init__(self, connection: Connection, exits: AsyncExitStack) -> None:
        self._connection = connection
        self._exits = exits
        self._commits = SharedCommits()

    async def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` as one durable transaction, and return the result.

        An exception out of `work` undoes the whole transaction, and is raised here. Raise sqlite3.Error
        if SQLite fails, for example because the disk is full or another program locks the file.
        `work` can be called a second time: what a first call had done in the ledger is undone then.
        """
        return await self._run(Transaction(work, writes=True))

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one consistent state of the ledger, and return the result.

        Errors, and a second call, as for `transact`.
        """
        return await self._run(Transaction(work, writes=False))

    async def migrate(
        self,
        keep_copy: Callable[[int], None] | None = None,
        refuse: Callable[[Tx], None] | None = None,
    ) -> None:
        """Bring the schema to this program's version; errors and arguments as for `migrate.migrate`."""
        await self._connection.run(lambda tx: migrate(tx, keep_copy, refuse))

    async def aclose(self) -> None:
        """Wait for the transactions handed in before, close the file, release the lock."""
        await self._exits.aclose()

    async def _run(self, one: Transaction[T]) -> T:
        self._commits.hand_in(one)
        try:
            await self._connection.run(self._commits.run)
        except (ValueError, sqlite3.Error):
            # A database that was closed meanwhile may have run the transaction all the same.
            if not one.has_run:
                raise
        return one.result()


async def open_database(
    data_dir: Path,
    *,
    read_only: bool = False,
    traceless: bool = False,
    keep_copy: Callable[[int], None] | None = None,
    refuse: Callable[[Tx], None] | None = None,
    connect: Connect = open_in_thread,
) -> Database:
    """Open the ledger in `data_dir`: make or migrate the file, and lock other bots out.

    `read_only`: the ledger is neither made, migrated nor locked; a running bot isn't disturbed.
    `traceless`: SQLite makes no file beside a ledger at rest. Only for a short look, because SQLite then
    takes for granted that no other program begins to write.
    `keep_copy`: called with the new version before a ledger of an earlier version is changed.
    `refuse`: raises LedgerError for a ledger that is not to be changed at all.
    `connect`: opens the connection; a simulation hands in another way to run functions.

    Raise LedgerError if other users have access to the folder or a file, if another bot has the ledger
    open, if SQLite can't read the file, or if the tables are of an unknown version.
    """
    async with AsyncExitStack() as exits:
        if read_only:
            uri = reading_uri(existing_ledger(data_dir), traceless=traceless)
        else:
            uri = make_and_lock(data_dir, exits).absolute().as_uri()
        connection = await _connected(data_dir, uri, connect)
        exits.push_async_callback(connection.aclose)
        database = Database(connection, exits.pop_all())
    try:
        await connection.run(lambda tx: _set_up(tx, durable=not read_only))
        if read_only:
            await database.read(refuse_other_version)
        else:
            await database.migrate(keep_copy, refuse)
    except sqlite3.DatabaseError as error:
        await database.aclose()
        raise _not_opened(data_dir, error) from error
    except BaseException:
        await database.aclose()
        raise
    return database


@asynccontextmanager
async def reading_database(data_dir: Path, *, traceless: bool = False) -> AsyncIterator[Database]:
    """Open for reading a ledger that a bot in another process may be writing; raise LedgerError."""
    refuse_foreign_wal(existing_ledger(data_dir))
    async with _reading(data_dir, traceless=traceless) as database:
        yield database


@asynccontextmanager
async def reading_beside(
    data_dir: Path, connect: Connect = open_in_thread
) -> AsyncIterator[Database]:
    """Open for reading a ledger that this process is writing; raise LedgerError.

    `connect` as for `open_database`.

    The file is opened by SQLite alone: closing any other descriptor of the file drops the locks of SQLite
    in this process.
    """
    async with _reading(data_dir, traceless=False, connect=connect) as database:
        yield database


async def _connected(data_dir: Path, uri: str, connect: Connect) -> Connection:
    """Connect to the ledger's file; raise LedgerError if SQLite can't open the file."""
    try:
        return await connect(uri)
    except sqlite3.Error as error:
        raise _not_opened(data_dir, error) from error


@asynccontextmanager
async def _reading(
    data_dir: Path, *, traceless: bool, connect: Connect = open_in_thread
) -> AsyncIterator[Database]:
    database = await open_database(data_dir, read_only=True, traceless=traceless, connect=connect)
    try:
        yield database
    finally:
        await database.aclose()


def connect_to_read(path: Path, *, traceless: bool = False) -> Tx:
    """Return a connection for reading a ledger that a bot may be writing, in this process or another.

    For work in a thread of its own, such as a copy. `traceless` as for `open_database`. Raise
    sqlite3.Error if the file can't be opened.
    """
    uri = reading_uri(path, traceless=traceless)
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)


def _set_up(tx: Tx, *, durable: bool) -> None:
    tx.row_factory = sqlite3.Row
    tx.execute("PRAGMA foreign_keys = ON")
    # Without recursive triggers REPLACE deletes rows and no trigger sees the deletion.
    tx.execute("PRAGMA recursive_triggers = ON")
    if durable:
        tx.execute("PRAGMA journal_mode = WAL")
        tx.execute("PRAGMA synchronous = FULL")
        tx.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


def _not_opened(data_dir: Path, error: sqlite3.Error) -> LedgerError:
    """Word an error of SQLite: only in place of a damaged file is a copy to be put back."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _ACCESS_ERRORS:
        return LedgerError(
            f"The ledger in {data_dir} can't be opened ({error}). The file itself may be well: see to"
            " its disk, and to other programs that have it open, then try again."
        )
    return LedgerError(
        f"The ledger in {data_dir} can't be read ({error}). Stop here, keep the file for"
        " inspection, and put the last copy back."
    )

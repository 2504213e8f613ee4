"""The ledger's file: one writer, durable transactions.

A transaction is one plain function, run whole in the database's thread. The function can't await, so no
statement of another transaction comes between. A crash leaves the whole transaction or nothing.
"""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from dca_bot.errors import FileRefused, LedgerError, in_words
from dca_bot.files.rights import refuse_unfit_folder, refuse_unfit_own_file
from dca_bot.ledger.store.connection import Connect, Connection, open_in_thread
from dca_bot.ledger.store.migrate import migrate, refuse_other_version
from dca_bot.ledger.store.private_files import make_private_folder

T = TypeVar("T")
Tx = sqlite3.Connection
"""The connection inside a transaction, as `Database.transact` and `Database.read` hand it to a function."""

LEDGER_FILE = "ledger.sqlite3"
LOCK_FILE = "ledger.lock"
FILES = (LEDGER_FILE, f"{LEDGER_FILE}-wal", f"{LEDGER_FILE}-shm", LOCK_FILE)
_WELL_BUT_CLOSED = frozenset(
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

    Cancelling a caller doesn't stop the caller's transaction: a function handed in runs to the end, and
    its transaction commits.
    """

    def __init__(self, connection: Connection, exits: AsyncExitStack) -> None:
        self._connection = connection
        self._exits = exits

    async def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` as one durable transaction, and return its result.

        An exception out of `work` undoes the whole transaction, and is raised here. Raise sqlite3.Error
        if SQLite fails, for example because the disk is full or another program locks the file.
        """
        return await self._run(work, begin="BEGIN IMMEDIATE")

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one consistent state of the ledger, and return its result; errors as `transact`."""
        return await self._run(work, begin="BEGIN")

    async def migrate(self, keep_copy: Callable[[int], None] | None = None) -> None:
        """Bring the schema to this program's version; errors and `keep_copy` as for `migrate.migrate`."""
        await self._connection.run(lambda tx: migrate(tx, keep_copy))

    async def aclose(self) -> None:
        """Wait for the transactions handed in before, close the file, release the lock."""
        await self._exits.aclose()

    async def _run(self, work: Callable[[Tx], T], *, begin: str) -> T:
        return await self._connection.run(lambda tx: _whole(tx, work, begin=begin))


async def open_database(
    data_dir: Path,
    *,
    read_only: bool = False,
    traceless: bool = False,
    keep_copy: Callable[[int], None] | None = None,
    connect: Connect = open_in_thread,
) -> Database:
    """Open the ledger in `data_dir`: make or migrate the file, and lock other bots out.

    `read_only`: the ledger is neither made, migrated nor locked, so a running bot isn't disturbed.
    `traceless`: SQLite makes no file beside a ledger at rest. Only for a short look, because SQLite then
    takes for granted that no other program begins to write.
    `keep_copy`: called with the new version before a ledger of an earlier version is changed.
    `connect`: opens the connection; a simulation hands in another way to run functions.

    Raise LedgerError if other users have access to the folder or a file, if another bot has the ledger
    open, if SQLite can't read the file, or if the tables are of an unknown version.
    """
    async with AsyncExitStack() as exits:
        path = existing_ledger(data_dir) if read_only else _own_file(data_dir, exits)
        mode = _reading_mode(path, traceless=traceless) if read_only else ""
        uri = f"{path.absolute().as_uri()}{mode}"
        try:
            connection = await connect(uri)
        except sqlite3.Error as error:
            raise _not_opened(data_dir, error) from error
        exits.push_async_callback(connection.aclose)
        database = Database(connection, exits.pop_all())
    try:
        await connection.run(lambda tx: _set_up(tx, durable=not read_only))
        if read_only:
            await database.read(refuse_other_version)
        else:
            await database.migrate(keep_copy)
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
    _refuse_foreign_wal(existing_ledger(data_dir))
    async with _reading(data_dir, traceless=traceless) as database:
        yield database


@asynccontextmanager
async def reading_beside(data_dir: Path) -> AsyncIterator[Database]:
    """Open for reading a ledger that this process is writing; raise LedgerError.

    The file is opened by SQLite alone: closing any other descriptor of the file drops the locks of SQLite
    in this process.
    """
    async with _reading(data_dir, traceless=False) as database:
        yield database


@asynccontextmanager
async def _reading(data_dir: Path, *, traceless: bool) -> AsyncIterator[Database]:
    database = await open_database(data_dir, read_only=True, traceless=traceless)
    try:
        yield database
    finally:
        await database.aclose()


def refuse_unusable(data_dir: Path) -> bool:
    """Raise LedgerError where a bot would refuse to start on the files of `data_dir`; change nothing.

    Return whether a bot is running on `data_dir`; the ledger's file is then left alone. Not to be called
    in the process of a running bot: reading the header of the file drops the locks of SQLite.
    """
    _refuse_unfit(data_dir, write=True)
    lock_path = data_dir / LOCK_FILE
    try:
        if lock_path.exists():
            lock = os.open(lock_path, os.O_RDONLY)
            try:
                if not _lock(lock):
                    return True
            finally:
                os.close(lock)
        _refuse_foreign_wal(data_dir / LEDGER_FILE)
    except OSError as error:
        raise _out_of_order(data_dir, error) from error
    return False


def existing_ledger(data_dir: Path) -> Path:
    """Return the ledger's file; raise LedgerError if there is none, or if other users have access."""
    path = data_dir / LEDGER_FILE
    if not has_ledger(data_dir):
        raise LedgerError(f"There is no ledger at {path} yet; start the bot once.")
    return path


def has_ledger(data_dir: Path) -> bool:
    """Tell whether a bot has been started on a folder; raise LedgerError if other users have access.

    An empty file doesn't count: a start that was killed at once leaves an empty file.
    """
    _refuse_unfit(data_dir, write=False)
    path = data_dir / LEDGER_FILE
    return path.exists() and path.stat().st_size > 0


def connect_to_read(path: Path, *, traceless: bool = False) -> Tx:
    """Return a connection for reading a ledger that a bot may be writing, in this process or another.

    For work in a thread of its own, such as a copy. `traceless` as for `open_database`. Raise
    sqlite3.Error if the file can't be opened.
    """
    uri = f"{path.absolute().as_uri()}{_reading_mode(path, traceless=traceless)}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)


def _set_up(tx: Tx, *, durable: bool) -> None:
    tx.row_factory = sqlite3.Row
    tx.execute("PRAGMA foreign_keys = ON")
    # Without recursive triggers REPLACE deletes rows and no trigger sees the deletion.
    tx.execute("PRAGMA recursive_triggers = ON")
    if durable:
        tx.execute("PRAGMA journal_mode = WAL")
        tx.execute("PRAGMA synchronous = FULL")


def _whole(tx: Tx, work: Callable[[Tx], T], *, begin: str) -> T:
    """Run `work` between `begin` and COMMIT; roll back and raise if anything fails."""
    tx.execute(begin)
    try:
        result = work(tx)
        tx.execute("COMMIT")
    except BaseException:
        if tx.in_transaction:
            tx.execute("ROLLBACK")
        raise
    return result


def _own_file(data_dir: Path, exits: AsyncExitStack) -> Path:
    path = data_dir / LEDGER_FILE
    make_private_folder(data_dir, setting="bot.data_dir")
    _refuse_unfit(data_dir, write=True)
    try:
        lock = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        exits.callback(os.close, lock)
        if not _lock(lock):
            raise LedgerError(f"Another bot is running on the ledger in {data_dir}. Stop it first.")
        _refuse_foreign_wal(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _out_of_order(data_dir, error) from error
    return path


def _refuse_unfit(data_dir: Path, *, write: bool) -> None:
    """Raise LedgerError unless the user of the bot alone has access to the folder and the files."""
    try:
        refuse_unfit_folder(data_dir, setting="bot.data_dir", write=write)
        for name in FILES:
            refuse_unfit_own_file(data_dir / name, write=write)
        _refuse_lost(data_dir)
    except FileRefused as error:
        raise LedgerError(str(error)) from error


def _refuse_lost(data_dir: Path) -> None:
    """Raise LedgerError for a missing or empty ledger in a folder where a bot has run.

    A new ledger would forget every client. The lock file names the last bot, so an empty lock file
    stands for a first start that was killed early.
    """
    path, lock_path = data_dir / LEDGER_FILE, data_dir / LOCK_FILE
    if not lock_path.exists() or lock_path.stat().st_size == 0:
        return
    is_there = path.exists()
    if not is_there or path.stat().st_size == 0:
        lost = f"{path} is empty" if is_there else f"There is no {path}"
        raise LedgerError(
            f"{lost}, but a bot has run here: put the last copy in its place. (To begin anew, choose"
            f" another bot.data_dir, or remove {lock_path} too.)"
        )


def _out_of_order(data_dir: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"The files in {data_dir} can't be used ({in_words(error)}): see to their disk, or choose"
        " another bot.data_dir."
    )


def _not_opened(data_dir: Path, error: sqlite3.Error) -> LedgerError:
    """Word an error of SQLite: only in place of a damaged file is a copy to be put back."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _WELL_BUT_CLOSED:
        return LedgerError(
            f"The ledger in {data_dir} can't be opened ({error}). The file itself may be well: see to"
            " its disk, and to other programs that have it open, then try again."
        )
    return LedgerError(
        f"The ledger in {data_dir} can't be read ({error}). Stop here, keep the file for"
        " inspection, and put the last copy back."
    )


def _refuse_foreign_wal(path: Path) -> None:
    """Raise LedgerError if a copy was put back beside the WAL of another ledger.

    SQLite would write the WAL into the copy and destroy the copy. Bytes 18 and 19 of the header tell
    whether a file uses a WAL, and a copy never does.
    """
    wal = path.with_name(f"{path.name}-wal")
    if not path.exists() or not wal.exists() or wal.stat().st_size == 0:
        return
    with path.open("rb") as file:
        header = file.read(20)
    if header[18:20] == b"\x01\x01":
        raise LedgerError(
            f"{wal.name} belongs to another ledger than the copy that was put back beside it. "
            f"Move {wal} and {path.name}-shm away, to where the old ledger is kept, then start again."
        )


def _reading_mode(path: Path, *, traceless: bool) -> str:
    return f"?mode=ro{'&immutable=1' if traceless and _is_at_rest(path) else ''}"


def _is_at_rest(path: Path) -> bool:
    """Tell whether no bot has the ledger open and the file holds every commit, none stands in the WAL."""
    wal, shm = (path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm"))
    return not wal.exists() or (wal.stat().st_size == 0 and not shm.exists())


def _lock(lock: int) -> bool:
    """Take the lock of an open lock file; return False if another bot has the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

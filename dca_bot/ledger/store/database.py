"""The ledger's file: one writer, durable transactions.

A transaction is one plain function that runs whole in the database's thread and never awaits, so
nobody else's statement can get between its own. A crash leaves either all of it or nothing.
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
"""The connection inside a transaction; only functions run by `Database.transact` have one."""

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
"""What SQLite reports of a ledger that it can't get at: that says nothing against the file."""


class Database:
    """An open ledger; made by `open_database`."""

    def __init__(self, connection: Connection, exits: AsyncExitStack) -> None:
        self._connection = connection
        self._exits = exits

    async def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` as one durable transaction; what it raises undoes all of it."""
        return await self._run(work, begin="BEGIN IMMEDIATE")

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one consistent state of the ledger."""
        return await self._run(work, begin="BEGIN")

    async def migrate(self, keep_copy: Callable[[int], None] | None = None) -> None:
        """Bring the schema up to date as `migrate.migrate` does; raise LedgerError if it can't be."""
        await self._connection.run(lambda tx: migrate(tx, keep_copy))

    async def aclose(self) -> None:
        """Close the file and let another bot have it."""
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
    """Open the ledger in `data_dir`, make or migrate it, and keep other bots out.

    `keep_copy` is called, with the version that comes, before a ledger of an earlier version is changed.

    With `read_only` it is neither made nor migrated nor locked, so a running bot isn't disturbed; and
    no file appears beside it with `traceless`, which is for a glance: it counts on nobody starting to
    write meanwhile.
    Raise LedgerError when the folder or a file isn't its user's alone, when another bot has the
    ledger, or when its tables aren't those of a version that this program knows.
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
    """Open a ledger for reading, of which another process may be the bot; raise LedgerError."""
    _refuse_foreign_wal(existing_ledger(data_dir))
    async with _reading(data_dir, traceless=traceless) as database:
        yield database


@asynccontextmanager
async def reading_beside(data_dir: Path) -> AsyncIterator[Database]:
    """Open the ledger of this very bot once more, for reading beside its writer.

    The file is left to SQLite: whoever else opens and closes it drops this process's locks.
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

    Return whether a bot is running there: then its files are its own to judge. Not for the process of
    a running bot: looking into its ledger's file drops its locks.
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
    """Return the ledger's file; raise LedgerError if there is none or it isn't its user's alone."""
    path = data_dir / LEDGER_FILE
    if not has_ledger(data_dir):
        raise LedgerError(f"There is no ledger at {path} yet; start the bot once.")
    return path


def has_ledger(data_dir: Path) -> bool:
    """Tell whether a bot has been started on a folder; raise LedgerError if it isn't its user's alone.

    A start that was killed at once leaves an empty file.
    """
    _refuse_unfit(data_dir, write=False)
    path = data_dir / LEDGER_FILE
    return path.exists() and path.stat().st_size > 0


def connect_to_read(path: Path, *, traceless: bool = False) -> Tx:
    """Return a connection of one's own to a ledger's file, which a bot may be writing to.

    The file itself is never opened beside SQLite: closing it would drop the locks of this process.
    With `traceless` no file appears beside a ledger that no bot has open, as for `open_database`.
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
    """Run `work` as one transaction."""
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
    """Raise LedgerError unless folder and files are there for one user alone, or can be made so."""
    try:
        refuse_unfit_folder(data_dir, setting="bot.data_dir", write=write)
        for name in FILES:
            refuse_unfit_own_file(data_dir / name, write=write)
        _refuse_lost(data_dir)
    except FileRefused as error:
        raise LedgerError(str(error)) from error


def _refuse_lost(data_dir: Path) -> None:
    """Raise LedgerError for no or an empty ledger where a bot has run: a new one would forget everybody.

    A first start that was killed leaves that too, but no name in the lock file.
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
    """Say what SQLite reports; a copy is put back only in the place of a file that is damaged."""
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
    """Raise LedgerError if a copy was put back beside what another ledger had in its WAL.

    SQLite would write that into the copy and destroy it. A file says of itself whether it has a WAL
    (bytes 18 and 19 of its header); copies never have one.
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
    """Tell whether all of a ledger stands in its file; a killed bot leaves an empty -wal at most."""
    wal, shm = (path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm"))
    return not wal.exists() or (wal.stat().st_size == 0 and not shm.exists())


def _lock(lock: int) -> bool:
    """Take the lock; return False if another bot has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""The files of a ledger: names, access, the lock that keeps a second bot out.

While SQLite has a ledger's file open, nothing else in the process may open the file: closing any
descriptor of a file drops all locks of the process on the file.
"""

import fcntl
import os
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from dca_bot.errors import FileRefused, LedgerError, LedgerFault, in_words
from dca_bot.files.rights import refuse_unfit_folder, refuse_unfit_own_file
from dca_bot.ledger.store.private_files import make_private_folder

LEDGER_FILE = "ledger.sqlite3"
LOCK_FILE = "ledger.lock"
_FILES = (LEDGER_FILE, f"{LEDGER_FILE}-wal", f"{LEDGER_FILE}-shm", LOCK_FILE)


def make_and_lock(data_dir: Path, exits: AsyncExitStack) -> Path:
    """Make the ledger's file if there is none, lock other bots out until `exits` is closed.

    Return the file. Raise LedgerError if another bot has the lock, or if the files are unusable.
    """
    path = data_dir / LEDGER_FILE
    make_private_folder(data_dir, setting="bot.data_dir")
    _refuse_unfit(data_dir, write=True)
    try:
        _lock_out(data_dir, exits)
        refuse_foreign_wal(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _out_of_order(data_dir, error) from error
    return path


def lock_for_restore(data_dir: Path, exits: ExitStack) -> Path:
    """Lock bots out of a folder without a ledger until `exits` is closed; return where the ledger belongs.

    Raise LedgerError if a ledger or a part of one is there, or if a bot has the lock.
    """
    make_private_folder(data_dir, setting="bot.data_dir")
    try:
        _lock_out(data_dir, exits)
        for name in _FILES:
            if name != LOCK_FILE and os.path.lexists(data_dir / name):
                raise LedgerError(
                    f"{data_dir / name} is there, and a restore overwrites nothing. Move it aside, and"
                    f" {LEDGER_FILE}-wal and -shm with it: mkdir -m 700 aside && mv"
                    f" {data_dir / LEDGER_FILE}* aside/"
                )
    except OSError as error:
        raise _out_of_order(data_dir, error) from error
    return data_dir / LEDGER_FILE


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
        refuse_foreign_wal(data_dir / LEDGER_FILE)
    except OSError as error:
        raise _out_of_order(data_dir, error) from error
    return False


def existing_ledger(data_dir: Path) -> Path:
    """Return the ledger's file; raise LedgerError if there is none, or if other users have access."""
    path = data_dir / LEDGER_FILE
    if not has_ledger(data_dir):
        raise LedgerError(
            f"There is no ledger at {path} yet; start the bot once.",
            LedgerFault.NO_LEDGER,
            path=str(path),
        )
    return path


def has_ledger(data_dir: Path) -> bool:
    """Tell whether a bot has been started on a folder; raise LedgerError if other users have access.

    An empty file doesn't count: a start that was killed at once leaves an empty file.
    """
    _refuse_unfit(data_dir, write=False)
    path = data_dir / LEDGER_FILE
    return path.exists() and path.stat().st_size > 0


def refuse_foreign_wal(path: Path) -> None:
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


def reading_uri(path: Path, *, traceless: bool) -> str:
    """Return the URI by which SQLite opens a ledger for reading.

    `traceless`: SQLite makes no file beside a ledger at rest; see `open_database`.
    """
    is_fixed = traceless and _is_at_rest(path)
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_fixed else ''}"


def _lock_out(data_dir: Path, exits: ExitStack | AsyncExitStack) -> None:
    lock = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    exits.callback(os.close, lock)
    if not _lock(lock):
        raise LedgerError(f"Another bot is running on the ledger in {data_dir}. Stop it first.")


def _refuse_unfit(data_dir: Path, *, write: bool) -> None:
    """Raise LedgerError unless the user of the bot alone has access to the folder and the files."""
    try:
        refuse_unfit_folder(data_dir, setting="bot.data_dir", write=write)
        for name in _FILES:
            refuse_unfit_own_file(data_dir / name, write=write)
        _refuse_lost(data_dir)
    except FileRefused as error:
        raise LedgerError(str(error), error.fault, **error.fields) from error


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
            f" another bot.data_dir, or remove {lock_path} too.)",
            LedgerFault.NO_LEDGER,
            path=str(path),
        )


def _out_of_order(data_dir: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"The files in {data_dir} can't be used ({in_words(error)}): see to their disk, or choose"
        " another bot.data_dir."
    )


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

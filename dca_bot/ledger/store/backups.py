"""Copies of the ledger, made while the bot runs.

The invariant: a file with the name of a copy is whole. A copy is written under another name, checked as a
ledger, brought to disk and renamed. Commits during the copying aren't in the copy, and never wait.
"""

import filecmp
import os
import re
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from dca_bot.errors import FileRefused, LedgerError, LedgerFault
from dca_bot.files.rights import refuse_unfit_new_file
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import connect_to_read
from dca_bot.ledger.store.faults import fault_of
from dca_bot.ledger.store.ledger_files import existing_ledger
from dca_bot.ledger.store.private_files import claim_private_file, remove_unclaimed, sync_to_disk
from dca_bot.ledger.store.schema import version_of

PART = ".part"
_REHEARSED = "restore-rehearsed"
_STEP_PAGES = 256
"""One step of a copy, a megabyte; between two of them it can be broken off."""
_STAMP = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(r"ledger-(\d{4}-\d\d-\d\dT\d{6}Z)\.sqlite3")
_BESIDE = ("-journal", "-wal", "-shm")
_UNFINISHED = re.compile(_NAME.pattern + re.escape(PART) + f"({'|'.join(_BESIDE)})?")
_HEAD = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the daily kind, and the instant of its making."""

    path: Path
    made_at: datetime


def copy_name(now: datetime) -> str:
    """Return the name of a copy made now: `ledger-2026-11-24T080000Z.sqlite3`."""
    return f"ledger-{now.astimezone(UTC):{_STAMP}}.sqlite3"


def copies(folder: Path) -> list[Copy]:
    """Return the copies of this naming in a folder, the newest first."""
    found = []
    for path in folder.iterdir():
        name = _NAME.fullmatch(path.name)
        if name and path.is_file() and not path.is_symlink():
            with suppress(ValueError):
                at = datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC)
                found.append(Copy(path, at))
    return sorted(found, key=lambda copy: copy.made_at, reverse=True)


def prune(folder: Path, *, keep: int, now: datetime) -> None:
    """Remove all copies of this naming but the newest `keep`.

    Copies from the future come last in the order: a clock that was ahead named them.
    """
    ranked = sorted(copies(folder), key=lambda copy: copy.made_at > now)
    for copy in ranked[keep:]:
        copy.path.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove the files of killed copyings; files that are being written stay."""
    for path in sorted(folder.iterdir()):
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            part = path.with_name(path.name.partition(PART)[0] + PART)
            if part.exists() and not remove_unclaimed(part):
                continue
            path.unlink(missing_ok=True)


def copy_ledger(
    data_dir: Path,
    target: Path,
    *,
    stop: threading.Event | None = None,
    traceless: bool = False,
    proves: bool = False,
) -> None:
    """Copy the ledger into a new file of mode 600, whether a bot runs or not.

    The copy is one plain file with a mark, by which a bot knows that its ledger is a copy. A ledger of any
    version is copied. The file of a killed copying is replaced. Raise LedgerError, and leave nothing, if the
    target exists, is being written or can't be written, if the copy isn't sound, or once `stop` is set.
    `traceless`: a trial's way, for which a bot that starts meanwhile can spoil the copy. `proves`: check
    each index against its table, and each reference, which takes several times as long as the copying.
    """
    source = existing_ledger(data_dir)
    if os.path.lexists(target):
        raise LedgerError(
            f"{target} is there already, and is not overwritten; choose another name.",
            LedgerFault.OCCUPIED,
            path=str(target),
        )
    part = target.with_name(target.name + PART)
    try:
        refuse_unfit_new_file(target)
    except FileRefused as error:
        raise LedgerError(str(error), error.fault, **error.fields) from error
    claim = _claim(part, target)
    try:
        with closing(connect_to_read(source, traceless=traceless)) as ledger:
            _fill(part, ledger, stop or threading.Event(), proves=proves)
        sync_to_disk(part)
        part.rename(target)
        with suppress(OSError):  # some file systems can't do it for a folder
            sync_to_disk(target.parent)
    except OSError as error:
        raise _not_written(target, error, error.strerror) from error
    except sqlite3.Error as error:
        raise _not_written(target, error, str(error)) from error
    finally:
        part.unlink(missing_ok=True)
        os.close(claim)


def note_rehearsal(data_dir: Path, now: datetime) -> None:
    """Record in the data folder that a restore was rehearsed; raise OSError. The bot may be running."""
    new = data_dir.joinpath(f"{_REHEARSED}{PART}")
    new.write_text(f"{now.isoformat()}\n", encoding="ascii")
    new.chmod(0o600)
    new.rename(data_dir.joinpath(_REHEARSED))


def rehearsed_at(data_dir: Path) -> datetime | None:
    """Return when a restore was last rehearsed; None if never, or if the note can't be read."""
    with suppress(OSError, ValueError):
        noted = data_dir.joinpath(_REHEARSED).read_text(encoding="ascii")
        return datetime.fromisoformat(noted.strip())
    return None


def keep_before(data_dir: Path, version: int) -> None:
    """Copy the ledger to `before-version-3.sqlite3` beside the ledger, before the migration to version 3.

    No file is overwritten and no copy is ever removed: a different copy of the same name gets a number.
    Starts that fail again and again in a migration keep one copy. Raise LedgerError.
    """
    new = data_dir.joinpath(f"before-version-{version}.new")
    try:
        new.unlink(missing_ok=True)
        copy_ledger(data_dir, new, proves=True)
        kept = name_before(new, data_dir, version)
        if kept.exists():
            new.unlink()
        else:
            new.rename(kept)
            sync_to_disk(data_dir)
    except (LedgerError, OSError) as error:
        raise LedgerError(
            f"The ledger isn't brought to version {version} before there is a copy of it, and nothing was"
            f" changed. {error} Then start again."
        ) from error


def name_before(copy: Path, data_dir: Path, version: int) -> Path:
    """Return the path for `keep_before`: the first free name, or the name of an identical copy."""
    names = (
        data_dir.joinpath(f"before-version-{version}{'' if number == 1 else f'-{number}'}.sqlite3")
        for number in count(1)
    )
    return next(
        kept for kept in names if not kept.exists() or filecmp.cmp(copy, kept, shallow=False)
    )


def _claim(part: Path, target: Path) -> int:
    """Become the only writer of a copy, in place of a killed one; return the claim."""
    try:
        claim = claim_private_file(part)
        try:
            _empty(claim, part)
        except BaseException:
            os.close(claim)
            raise
    except BlockingIOError:
        raise LedgerError(
            f"{part} is just being written: another copy of that name is under way.",
            LedgerFault.BEING_WRITTEN,
            path=str(part),
        ) from None
    except FileExistsError:
        raise LedgerError(
            f"{part} is there, and is no copy that was broken off; remove it, or choose another name.",
            LedgerFault.OCCUPIED,
            path=str(part),
        ) from None
    except OSError as error:
        raise _not_written(target, error, error.strerror) from error
    return claim


def _empty(claim: int, part: Path) -> None:
    """Empty the file of a killed copying; raise FileExistsError for any other content.

    The file of a killed copying is empty, begins as SQLite's files do, or begins with zeros: the first page
    may be written last.
    """
    if os.pread(claim, len(_HEAD), 0) not in (b"", _HEAD, bytes(len(_HEAD))):
        raise FileExistsError(str(part))
    os.ftruncate(claim, 0)
    for ending in _BESIDE:
        part.with_name(part.name + ending).unlink(missing_ok=True)


def _fill(part: Path, ledger: sqlite3.Connection, stop: threading.Event, *, proves: bool) -> None:
    def look_up(*_: int) -> None:
        if stop.is_set():
            raise LedgerError(
                "The copy was broken off, as the bot is stopping.", LedgerFault.STOPPED
            )

    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        # One open reading is one state: the bot's commits neither get in nor make it start anew.
        ledger.execute("BEGIN")
        version = version_of(ledger)
        # It counts only once it is whole and on disk, so it needs no journal of its own.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        ledger.backup(copy, pages=_STEP_PAGES, progress=look_up)
        ledger.rollback()
        copy.set_progress_handler(stop.is_set, 100_000)
        copy.execute("PRAGMA journal_mode = DELETE")
        bot_state.put(copy, bot_state.COPIED, "yes")
        _refuse_unsound(copy, version, proves=proves)


def _refuse_unsound(copy: sqlite3.Connection, version: int, *, proves: bool) -> None:
    check = "integrity_check" if proves else "quick_check"
    sound = copy.execute(f"PRAGMA {check}(1)").fetchone()[0] == "ok"
    torn = proves and copy.execute("PRAGMA foreign_key_check").fetchone() is not None
    if not sound or torn or version < 1 or version_of(copy) != version:
        raise LedgerError(
            "The copy is not sound, so the ledger's file may be damaged: stop the bot and run audit.",
            LedgerFault.DAMAGED,
        )


def _not_written(target: Path, error: OSError | sqlite3.Error, why: str | None) -> LedgerError:
    text = f"The copy {target} could not be made ({why})."
    return LedgerError(text, fault_of(error), path=str(target))

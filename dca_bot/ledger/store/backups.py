"""Copies of the ledger, made while the bot runs.

A copy bears its name only when it is whole: it is written under another one, checked as a ledger,
brought to disk, and then renamed. What is committed meanwhile isn't in it, and nobody waits for it.
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

from dca_bot.errors import FileRefused, LedgerError
from dca_bot.files.rights import refuse_unfit_new_file
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import connect_to_read
from dca_bot.ledger.store.ledger_files import existing_ledger
from dca_bot.ledger.store.private_files import claim_private_file, remove_unclaimed, sync_to_disk
from dca_bot.ledger.store.schema import version_of

PART = ".part"
STEP_PAGES = 256
"""One step of a copy, a megabyte; between two of them it can be broken off."""
_STAMP = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(r"ledger-(\d{4}-\d\d-\d\dT\d{6}Z)\.sqlite3")
_BESIDE = ("-journal", "-wal", "-shm")
_UNFINISHED = re.compile(_NAME.pattern + re.escape(PART) + f"({'|'.join(_BESIDE)})?")
_HEAD = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was made by itself, and when that was."""

    path: Path
    made_at: datetime


def copy_name(now: datetime) -> str:
    """Return what a copy made now is called: `ledger-2026-11-24T080000Z.sqlite3`."""
    return f"ledger-{now.astimezone(UTC):{_STAMP}}.sqlite3"


def copies(folder: Path) -> list[Copy]:
    """Return the copies of our own naming in a folder, the newest first."""
    found = []
    for path in folder.iterdir():
        name = _NAME.fullmatch(path.name)
        if name and path.is_file() and not path.is_symlink():
            with suppress(ValueError):
                at = datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC)
                found.append(Copy(path, at))
    return sorted(found, key=lambda copy: copy.made_at, reverse=True)


def prune(folder: Path, *, keep: int, now: datetime) -> None:
    """Remove all copies of our own naming but the newest `keep`.

    Those from the future were made while the clock was ahead: they stand behind all others.
    """
    ranked = sorted(copies(folder), key=lambda copy: copy.made_at > now)
    for copy in ranked[keep:]:
        copy.path.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what a copy that was broken off has left, but nothing that is being written."""
    for path in sorted(folder.iterdir()):
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            part = path.with_name(path.name.partition(PART)[0] + PART)
            if part.exists() and not remove_unclaimed(part):
                continue
            path.unlink(missing_ok=True)


def copy_ledger(
    data_dir: Path, target: Path, *, stop: threading.Event | None = None, traceless: bool = False
) -> None:
    """Copy the ledger as it is now into a new file of mode 600, whether a bot runs on it or not.

    The copy is one plain file, and bears a mark by which a bot knows what it was started on. A ledger
    of any version is copied, so that there can be a copy before a new program is started. What a copy
    that was killed has left is replaced. Raise LedgerError if the target is there already, if it is
    being written or can't be, if the copy isn't sound, or once `stop` is set; then nothing is left.
    `traceless` is for a trial: a bot that starts meanwhile can spoil the copy.
    """
    source = existing_ledger(data_dir)
    if os.path.lexists(target):
        raise LedgerError(
            f"{target} is there already, and is not overwritten; choose another name."
        )
    part = target.with_name(target.name + PART)
    try:
        refuse_unfit_new_file(target)
    except FileRefused as error:
        raise LedgerError(str(error)) from error
    claim = _claim(part, target)
    try:
        with closing(connect_to_read(source, traceless=traceless)) as ledger:
            _fill(part, ledger, stop or threading.Event())
        sync_to_disk(part)
        part.rename(target)
        with suppress(OSError):  # some file systems can't do it for a folder
            sync_to_disk(target.parent)
    except OSError as error:
        raise _not_written(target, error.strerror) from error
    except sqlite3.Error as error:
        raise _not_written(target, str(error)) from error
    finally:
        part.unlink(missing_ok=True)
        os.close(claim)


def keep_before(data_dir: Path, version: int) -> None:
    """Copy the ledger to `before-version-3.sqlite3` beside it, before it is brought to version 3.

    Nothing is overwritten and no copy is ever removed: one that differs from those of the same name gets
    a number. Starts that break off in a migration again and again keep one copy. Raise LedgerError.
    """
    new = data_dir.joinpath(f"before-version-{version}.new")
    try:
        new.unlink(missing_ok=True)
        copy_ledger(data_dir, new)
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
    """Return where `keep_before` keeps a copy: at the first name that is free or has the very same copy."""
    names = (
        data_dir.joinpath(f"before-version-{version}{'' if number == 1 else f'-{number}'}.sqlite3")
        for number in count(1)
    )
    return next(
        kept for kept in names if not kept.exists() or filecmp.cmp(copy, kept, shallow=False)
    )


def _claim(part: Path, target: Path) -> int:
    """Become the only one who writes a copy, in place of one that was killed; return the claim."""
    try:
        claim = claim_private_file(part)
        try:
            _empty(claim, part)
        except BaseException:
            os.close(claim)
            raise
    except BlockingIOError:
        raise LedgerError(
            f"{part} is just being written: another copy of that name is under way."
        ) from None
    except FileExistsError:
        raise LedgerError(
            f"{part} is there, and is no copy that was broken off; remove it, or choose another name."
        ) from None
    except OSError as error:
        raise _not_written(target, error.strerror) from error
    return claim


def _empty(claim: int, part: Path) -> None:
    """Empty what a killed copy has left; raise FileExistsError for anything else.

    It is empty or begins as SQLite's files do, or with zeros, as the first page may come last.
    """
    if os.pread(claim, len(_HEAD), 0) not in (b"", _HEAD, bytes(len(_HEAD))):
        raise FileExistsError(str(part))
    os.ftruncate(claim, 0)
    for ending in _BESIDE:
        part.with_name(part.name + ending).unlink(missing_ok=True)


def _fill(part: Path, ledger: sqlite3.Connection, stop: threading.Event) -> None:
    def look_up(*_: int) -> None:
        if stop.is_set():
            raise LedgerError("The copy was broken off, as the bot is stopping.")

    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        # One open reading is one state: the bot's commits neither get in nor make it start anew.
        ledger.execute("BEGIN")
        version = version_of(ledger)
        # It counts only once it is whole and on disk, so it needs no journal of its own.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        ledger.backup(copy, pages=STEP_PAGES, progress=look_up)
        ledger.rollback()
        copy.set_progress_handler(stop.is_set, 100_000)
        copy.execute("PRAGMA journal_mode = DELETE")
        bot_state.put(copy, bot_state.COPIED, "yes")
        _refuse_unsound(copy, version)


def _refuse_unsound(copy: sqlite3.Connection, version: int) -> None:
    sound = copy.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
    torn = copy.execute("PRAGMA foreign_key_check").fetchone() is not None
    if not sound or torn or version < 1 or version_of(copy) != version:
        raise LedgerError(
            "The copy is not sound, so the ledger's file may be damaged: stop the bot and run audit."
        )


def _not_written(target: Path, why: str | None) -> LedgerError:
    return LedgerError(f"The copy {target} could not be made ({why}).")

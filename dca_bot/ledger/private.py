"""Folders and files that only their owner can read; others are refused with the remedy."""

import os
import stat
from pathlib import Path

from dca_bot.errors import LedgerError


def make_private_folder(folder: Path, *, setting: str) -> None:
    """Have a folder of mode 700; raise LedgerError if it can't be made or others can read it.

    `setting` is what the operator changes to get another one.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"The folder {folder} can't be made ({error.strerror}); choose another {setting}."
        ) from error
    refuse_readable_by_others(folder)


def make_private_file(path: Path) -> int:
    """Make a new file of mode 600 and return its descriptor; raise FileExistsError or LedgerError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.close(descriptor)
        path.unlink()
        raise LedgerError(f"In {path.parent} no file can be kept from other users; choose another.")
    return descriptor


def refuse_readable_by_others(*places: Path) -> None:
    """Raise LedgerError, with the command that helps, if another user can read one of these."""
    for place in places:
        if place.exists() and stat.S_IMODE(place.stat().st_mode) & 0o077:
            fix = "chmod 700" if place.is_dir() else "chmod 600"
            raise LedgerError(f"Other users can read {place}. Run: {fix} {place}")


def sync_to_disk(place: Path) -> None:
    """Return once a file's content, or a folder's list of names, would survive a power cut."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

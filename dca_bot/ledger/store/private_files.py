"""Folders and files that only their owner can read; others are refused with the remedy."""

import fcntl
import os
import stat
from pathlib import Path

from dca_bot.errors import FileRefused, LedgerError, in_words
from dca_bot.files.rights import refuse_unfit_folder


def make_private_folder(folder: Path, *, setting: str) -> None:
    """Have a folder of mode 700; raise LedgerError if it can't be made or isn't its user's alone.

    `setting` is what the operator changes to get another one.
    """
    try:
        refuse_unfit_folder(folder, setting=setting)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unfit_folder(folder, setting=setting)
    except FileRefused as error:
        raise LedgerError(str(error)) from error
    except OSError as error:
        raise LedgerError(
            f"The folder {folder} can't be made ({in_words(error)}); choose another {setting}."
        ) from error


def make_private_file(path: Path) -> int:
    """Make a new file of mode 600 and return its descriptor; raise FileExistsError or LedgerError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.close(descriptor)
        path.unlink()
        raise LedgerError(f"In {path.parent} no file can be kept from other users; choose another.")
    return descriptor


def claim_private_file(path: Path) -> int:
    """Become the only writer of a file of mode 600 and return its descriptor; closing it lets go.

    What a writer that was killed has left is taken over, as its claim has ended with it. Raise
    BlockingIOError while somebody else writes the file, FileExistsError if it isn't one of ours (a
    link, a folder, another user's, readable by others), or LedgerError.
    """
    while True:
        try:
            descriptor = make_private_file(path)
        except FileExistsError:
            descriptor = _open_own(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have given the file its name meanwhile.
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def remove_unclaimed(path: Path) -> bool:
    """Remove a file that nobody has claimed, as its writer was killed; tell whether it was so.

    Another user's stays: nobody can see whether it is claimed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _open_own(path: Path) -> int:
    """Open a file that is there; raise FileExistsError if nobody of us can have made it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise FileExistsError(str(path)) from error
    found = os.fstat(descriptor)
    is_plain = stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    if not is_plain or found.st_uid != os.geteuid():
        os.close(descriptor)
        raise FileExistsError(str(path))
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    found = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)


def sync_to_disk(place: Path) -> None:
    """Return once a file's content, or a folder's list of names, would survive a power cut."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

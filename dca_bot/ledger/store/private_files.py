"""Folders and files that only their owner can read; others are refused with the remedy."""

import fcntl
import os
import stat
from pathlib import Path

from dca_bot.errors import FileRefused, LedgerError, LedgerFault, in_words
from dca_bot.files.rights import refuse_unfit_folder
from dca_bot.ledger.store.faults import fault_of


def make_private_folder(folder: Path, *, setting: str) -> None:
    """Make a folder of mode 700, or accept one of this user's; raise LedgerError for any other.

    `setting`: the key of the configuration that chooses the folder, for the error's text.
    """
    try:
        refuse_unfit_folder(folder, setting=setting)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unfit_folder(folder, setting=setting)
    except FileRefused as error:
        raise LedgerError(str(error), error.fault, **error.fields) from error
    except OSError as error:
        raise LedgerError(
            f"The folder {folder} can't be made ({in_words(error)}); choose another {setting}.",
            fault_of(error),
            path=str(folder),
        ) from error


def make_private_file(path: Path) -> int:
    """Make a new file of mode 600 and return its descriptor; raise FileExistsError or LedgerError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.close(descriptor)
        path.unlink()
        raise LedgerError(
            f"In {path.parent} no file can be kept from other users; choose another.",
            LedgerFault.NOT_PRIVATE,
            path=str(path.parent),
        )
    return descriptor


def claim_private_file(path: Path) -> int:
    """Become the only writer of a file of mode 600 and return its descriptor; closing ends the claim.

    The file of a killed writer is taken over, for the claim has ended with the writer. Raise BlockingIOError
    while another process has the claim, FileExistsError for a link, a folder, another user's file or a file
    readable by others, LedgerError for other trouble.
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
    """Remove a file whose writer was killed; return whether the file was removed.

    A file with a claim stays. Another user's file stays: its claim can't be seen.
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
    """Open an existing file; raise FileExistsError if this program can't have made the file."""
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
    """Return once a file's content, or a folder's list of names, survives a power cut (fsync)."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

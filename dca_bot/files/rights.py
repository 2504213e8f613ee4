"""Judges the bot's files and folders: kind, owner, rights.

The invariant: opening a file and checking a file beforehand ask the same function, so `check` and `run`
say the same. Nothing is made or changed here. Only regular files are opened: opening a named pipe would
wait for a writer. Each refusal names the path and the remedy.
"""

import codecs
import os
import stat
from pathlib import Path
from typing import BinaryIO

from dca_bot.errors import FileRefused, LedgerFault, in_words
from dca_bot.files.credentials import is_credential
from dca_bot.files.remedies import (
    ROOT,
    astray,
    closed,
    is_read_only,
    kind_of,
    may,
    name_of,
    of_another_user,
    quoted,
    shut_to_others,
    unreadable,
)

_FILE_BYTES_MAX = 2**20
FREE_BYTES_MIN = 2**20


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file.

    Raise FileNotFoundError if the path is empty, FileRefused for a folder, pipe or closed file.
    """
    found = _look_for_file(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise FileRefused(unreadable(path, found), path) from None
    file = os.fdopen(descriptor, "rb")
    # Between the look and the opening, another file can have been put at the path.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise FileRefused(f"{path} has just been replaced; try again.", path)
    return file


def read_text(path: Path, *, private: bool) -> str:
    """Return the text of a file, without a byte order mark.

    Raise FileNotFoundError, or FileRefused as `refuse_unfit_file` does.
    """
    refuse_unfit_file(path, private=private)
    with open_to_read(path) as file:
        if private:
            # The open file counts: since the check, another file can have been put at the path.
            _refuse_not_private(path, os.fstat(file.fileno()))
        content = file.read(_FILE_BYTES_MAX)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise FileRefused(
            f"{path} can't be read ({in_words(error)}); save it as UTF-8.", path
        ) from error


def refuse_unfit_file(path: Path, *, private: bool) -> None:
    """Raise FileRefused unless a file can be read, and no stranger decides its content.

    A `private` file must belong to the user of this process, and only that user may read the file; or it
    is a credential that systemd hands to this service. Any other file may belong to anybody, but must not be
    writable or replaceable for everybody. A file over _FILE_BYTES_MAX is refused: keys and configurations are
    small. Raise FileNotFoundError if there is none.
    """
    found = _look_for_file(path)
    if found.st_size > _FILE_BYTES_MAX:
        raise FileRefused(
            f"{path} has more than {_FILE_BYTES_MAX:,} bytes; put the right file there.",
            path,
        )
    if private:
        _refuse_not_private(path, found)
    open_to_read(path).close()
    if not private:
        _refuse_changeable(path, found)


def refuse_unfit_own_file(path: Path, *, write: bool) -> None:
    """Raise FileRefused unless a file of the ledger is regular and this user's own; missing is fine.

    A link or a second name would lead another bot, with another lock, to the same ledger.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise astray(path, error) from error
    if stat.S_ISLNK(found.st_mode):
        raise FileRefused(
            f"{path} is a link; put the file itself there, or name its folder as bot.data_dir.",
            path,
        )
    _refuse_other_kind(path, found, stat.S_IFREG)
    _refuse_of_another_user(path, found)
    if found.st_nlink > 1:
        raise FileRefused(
            f"{path} has a second name (a hard link), by which it can be spoilt. Find that with"
            f" find / -samefile {quoted(path)}, and put a copy in its place.",
            path,
        )
    _refuse_readable(path, found)
    if not may(path, os.R_OK | (os.W_OK if write else 0)):
        raise FileRefused(closed(path, found, 0o600), path, _closed_fault(found))


def refuse_unfit_folder(path: Path, *, setting: str, write: bool = True) -> None:
    """Raise FileRefused unless a folder is this user's own and private, or can be made.

    `setting`: the key of the configuration that chooses the folder, for the refusal's text. A reader
    (`write` false) doesn't make a missing folder.
    """
    instead = f"choose another {setting}."
    try:
        found = _look(path)
    except FileNotFoundError:
        if write:
            _refuse_unfit_new_folder(path)
        return
    if not stat.S_ISDIR(found.st_mode):
        kind = kind_of(found.st_mode)
        raise FileRefused(f"{path} is {kind}, not a folder; move it away, or {instead}", path)
    if found.st_uid != os.geteuid():
        raise FileRefused(
            of_another_user(path, found, instead=instead.capitalize()),
            path,
            LedgerFault.OTHER_OWNER,
        )
    _refuse_readable(path, found)
    if not may(path, os.R_OK | os.X_OK | (os.W_OK if write else 0)):
        raise FileRefused(closed(path, found, 0o700), path, _closed_fault(found))
    if write:
        _refuse_full(path)


def refuse_unfit_new_file(path: Path) -> None:
    """Raise FileRefused if a file can't be made in its folder: missing, closed, full, or another user's."""
    try:
        found = _look(path.parent)
    except FileNotFoundError:
        raise FileRefused(
            f"There is no folder {path.parent}; make it first.", path.parent
        ) from None
    _refuse_unfit_place(path, path.parent, found, remedy="choose another place.")


def _refuse_unfit_new_folder(path: Path) -> None:
    make = f"run, as root: install -d -o {name_of(os.geteuid())} -m 700 {quoted(path.absolute())}"
    for folder in path.absolute().parents:
        try:
            found = _look(folder)
        except FileNotFoundError:
            continue
        _refuse_unfit_place(path, folder, found, remedy=make)
        return


def _refuse_unfit_place(path: Path, folder: Path, found: os.stat_result, *, remedy: str) -> None:
    """Raise FileRefused if this user can't make `path` in `folder`, or is root in another user's folder.

    A file that root makes in another user's folder is out of that user's reach.
    """
    _refuse_other_kind(folder, found, stat.S_IFDIR)
    is_ours = found.st_uid == os.geteuid()
    if os.geteuid() == ROOT:
        _refuse_of_another_user(folder, found)
    if not may(folder, os.W_OK | os.X_OK):
        if is_ours or is_read_only(folder):
            raise FileRefused(
                f"{path} can't be made. {closed(folder, found, 0o700)}",
                folder,
                LedgerFault.NO_RIGHTS,
            )
        me, owner = name_of(os.geteuid()), name_of(found.st_uid)
        raise FileRefused(
            f"{me} can't make {path}, as {folder} belongs to {owner}: {remedy}",
            folder,
            LedgerFault.OTHER_OWNER,
        )
    _refuse_full(folder)


def _look(path: Path) -> os.stat_result:
    """Return the status of a path, links followed; raise FileNotFoundError or FileRefused."""
    try:
        return path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise FileRefused(
                f"{path} is a link to {path.readlink()}, which isn't there; remove the link.",
                path,
            ) from None
        raise
    except (OSError, ValueError) as error:
        raise astray(path, error) from error


def _look_for_file(path: Path) -> os.stat_result:
    found = _look(path)
    _refuse_other_kind(path, found, stat.S_IFREG)
    return found


def _refuse_other_kind(path: Path, found: os.stat_result, kind: int) -> None:
    if stat.S_IFMT(found.st_mode) != kind:
        raise FileRefused(
            f"{path} is {kind_of(found.st_mode)}, not {kind_of(kind)}; move it away.", path
        )


def _closed_fault(found: os.stat_result) -> LedgerFault:
    return LedgerFault.NO_RIGHTS if found.st_uid == os.geteuid() else LedgerFault.OTHER_OWNER


def _refuse_not_private(path: Path, found: os.stat_result) -> None:
    """Raise FileRefused unless a secret is this user's alone, or systemd hands it to this service."""
    if not is_credential(path, found):
        _refuse_of_another_user(path, found)
        _refuse_readable(path, found)


def _refuse_of_another_user(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise FileRefused(
            of_another_user(path, found, instead="Choose another place."),
            path,
            LedgerFault.OTHER_OWNER,
        )


def _refuse_readable(path: Path, found: os.stat_result) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        command = f"chmod {'700' if stat.S_ISDIR(found.st_mode) else '600'} {quoted(path)}"
        raise FileRefused(
            f"Other users can read {path}. Run: {command}",
            path,
            LedgerFault.OPEN_TO_OTHERS,
            command=command,
        )


def _refuse_changeable(path: Path, found: os.stat_result) -> None:
    """Raise FileRefused if everybody on this computer can change or replace a file."""
    folder = path.resolve().parent
    place = folder.stat()
    if found.st_mode & stat.S_IWOTH:
        raise FileRefused(f"Everybody can change {path}. {shut_to_others(path, found)}", path)
    if place.st_mode & stat.S_IWOTH and not place.st_mode & stat.S_ISVTX:
        raise FileRefused(f"Everybody can replace {path}. {shut_to_others(folder, place)}", path)


def _refuse_full(folder: Path) -> None:
    """Raise FileRefused if the disk of a folder is full, so that a ledger could not grow."""
    disk = os.statvfs(folder)
    blocks = disk.f_bfree if os.geteuid() == ROOT else disk.f_bavail
    # Some file systems in memory tell no sizes.
    if disk.f_blocks and blocks * disk.f_frsize < FREE_BYTES_MIN:
        raise FileRefused(
            f"The disk of {folder} is full. Free some space: df {quoted(folder)}",
            folder,
            LedgerFault.DISK_FULL,
        )
    if disk.f_files and not disk.f_favail:
        raise FileRefused(
            f"The disk of {folder} takes no more files. Remove some: df -i {quoted(folder)}",
            folder,
            LedgerFault.DISK_FULL,
        )

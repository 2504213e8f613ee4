"""Judges the bot's files and folders: what each is, whose it is, and who can read or change it.

The invariant: whatever opens a file and whatever checks it beforehand ask the same function, so `check`
and `run` say the same. Nothing is made or changed here, nothing but a regular file is ever opened (a
named pipe would be waited for), and each refusal names the path and what to do.
"""

import codecs
import errno
import os
import pwd
import shlex
import stat
from pathlib import Path
from typing import BinaryIO

from dca_bot.errors import FileRefused, in_words

FILE_BYTES_MAX = 2**20
FREE_BYTES_MIN = 2**20
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ROOT = 0


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file; raise FileNotFoundError if there is none, FileRefused for all else."""
    found = _look(path, stat.S_IFREG)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise FileRefused(_closed(path, found, 0o600)) from None
    file = os.fdopen(descriptor, "rb")
    # Between look and opening, something else can have taken its place.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise FileRefused(f"{path} has just been replaced; try again.")
    return file


def read_text(path: Path, *, private: bool) -> str:
    """Return the text of a file, without a byte order mark.

    Raise FileNotFoundError, or FileRefused as `refuse_unfit_file` does.
    """
    refuse_unfit_file(path, private=private)
    with open_to_read(path) as file:
        content = file.read(FILE_BYTES_MAX)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise FileRefused(f"{path} can't be read ({in_words(error)}); save it as UTF-8.") from error


def refuse_unfit_file(path: Path, *, private: bool) -> None:
    """Raise FileRefused unless a file can be read, and nobody else decides what stands in it.

    A `private` file belongs to who has started the program, and only its owner can read it. Any other may
    belong to anybody, but not everybody may change or replace it. What is too large for a key or a
    configuration is none. Raise FileNotFoundError if there is no file.
    """
    found = _look(path, stat.S_IFREG)
    if found.st_size > FILE_BYTES_MAX:
        raise FileRefused(
            f"{path} has more than {FILE_BYTES_MAX:,} bytes; put the right file there."
        )
    if private:
        _refuse_foreign(path, found)
        _refuse_readable(path, found)
    open_to_read(path).close()
    if not private:
        _refuse_changeable(path, found)


def refuse_unfit_own_file(path: Path, *, write: bool) -> None:
    """Raise FileRefused if one of the ledger's files isn't plain and its user's own; it may be missing.

    A link or a second name would lead another bot, with another lock, to the same ledger.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _astray(path, error) from error
    if stat.S_ISLNK(found.st_mode):
        raise FileRefused(
            f"{path} is a link; put the file itself there, or name its folder as bot.data_dir."
        )
    _refuse_other_kind(path, found, stat.S_IFREG)
    _refuse_foreign(path, found)
    if found.st_nlink > 1:
        raise FileRefused(
            f"{path} has a second name (a hard link), by which it can be spoilt. Find that with"
            f" find / -samefile {_quoted(path)}, and put a copy in its place."
        )
    _refuse_readable(path, found)
    if not _may(path, os.R_OK | (os.W_OK if write else 0)):
        raise FileRefused(_closed(path, found, 0o600))


def refuse_unfit_folder(path: Path, *, setting: str, write: bool = True) -> None:
    """Raise FileRefused unless a folder is its user's own and private, or can be made so.

    `setting` is what the operator changes to get another one. Who only reads (`write` false) makes none.
    """
    try:
        found = _look(path, stat.S_IFDIR)
    except FileNotFoundError:
        if write:
            _refuse_unfit_new_folder(path)
        return
    except FileRefused as error:
        raise FileRefused(f"{error} Or choose another {setting}.") from error
    _refuse_foreign(path, found)
    _refuse_readable(path, found)
    if not _may(path, os.R_OK | os.X_OK | (os.W_OK if write else 0)):
        raise FileRefused(_closed(path, found, 0o700))
    if write:
        _refuse_full(path)


def refuse_unfit_new_file(path: Path) -> None:
    """Raise FileRefused if a file can't be made: a folder is missing, closed, full, or another user's."""
    try:
        found = _look(path.parent, stat.S_IFDIR)
    except FileNotFoundError:
        raise FileRefused(f"There is no folder {path.parent}; make it first.") from None
    _refuse_unfit_place(path, path.parent, found)


def _refuse_unfit_new_folder(path: Path) -> None:
    for folder in path.absolute().parents:
        try:
            found = _look(folder, stat.S_IFDIR)
        except FileNotFoundError:
            continue
        _refuse_unfit_place(path, folder, found)
        return


def _refuse_unfit_place(path: Path, folder: Path, found: os.stat_result) -> None:
    """Raise FileRefused if this user can't make `path` in `folder`, or had better not.

    What root makes in another user's folder is out of that user's reach.
    """
    if os.geteuid() == _ROOT:
        _refuse_foreign(folder, found)
    if not _may(folder, os.W_OK | os.X_OK):
        raise FileRefused(f"{path} can't be made. {_closed(folder, found, 0o700)}")
    _refuse_full(folder)


def _look(path: Path, kind: int) -> os.stat_result:
    """Return what stands at a path, links followed; raise FileNotFoundError or FileRefused."""
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise FileRefused(
                f"{path} is a link to {path.readlink()}, which isn't there; remove the link."
            ) from None
        raise
    except (OSError, ValueError) as error:
        raise _astray(path, error) from error
    _refuse_other_kind(path, found, kind)
    return found


def _astray(path: Path, error: Exception) -> FileRefused:
    """Say why a path leads nowhere, and which folder on the way is to blame."""
    number = error.errno if isinstance(error, OSError) else None
    for folder in reversed(path.absolute().parents):
        if number == errno.ENOTDIR and not folder.is_dir():
            return FileRefused(f"{folder} is {_kind(folder.stat())}, so there can't be a {path}.")
        if number == errno.EACCES and not _may(folder, os.X_OK):
            return FileRefused(_no_entry(path, folder))
    if number == errno.ELOOP:
        return FileRefused(f"{path} is a link that leads back to itself; remove it.")
    return FileRefused(f"{path} can't be used ({in_words(error)}); correct the path.")


def _no_entry(path: Path, folder: Path) -> str:
    owner, me = folder.stat().st_uid, os.geteuid()
    if owner == me:
        return f"{folder} can't be entered. Run: chmod 700 {_quoted(folder)}"
    return (
        f"{path} is out of {_name(me)}'s reach, as {folder} belongs to {_name(owner)}: choose another"
        f" place, or run: sudo chmod a+x {_quoted(folder)}"
    )


def _closed(path: Path, found: os.stat_result, mode: int) -> str:
    """Say why a file or folder can't be used, although it is what it should be."""
    if os.statvfs(path).f_flag & os.ST_RDONLY and stat.S_IMODE(found.st_mode) & mode == mode:
        return (
            f"{path} can't be written: what it lies on is read-only. (For a bot that systemd starts, name"
            " it in ReadWritePaths.)"
        )
    if found.st_uid != os.geteuid():
        return _foreign(path, found)
    if stat.S_IMODE(found.st_mode) & mode != mode:
        return f"{path} is closed to its own user. Run: chmod {mode:o} {_quoted(path)}"
    return f"{path} is protected against changes. Look why: lsattr -d {_quoted(path)}"


def _refuse_other_kind(path: Path, found: os.stat_result, kind: int) -> None:
    if stat.S_IFMT(found.st_mode) != kind:
        raise FileRefused(f"{path} is {_kind(found)}, not {_KINDS[kind]}; move it away.")


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise FileRefused(_foreign(path, found))


def _foreign(path: Path, found: os.stat_result) -> str:
    owner, me = _name(found.st_uid), _name(os.geteuid())
    said = f"{path} belongs to {owner}, but {me} runs dca-bot."
    whole = "-R " if stat.S_ISDIR(found.st_mode) else ""
    give = f"sudo chown {whole}{me}: {_quoted(Path(os.path.realpath(path)))}"
    if found.st_uid == _ROOT:
        return f"{said} Run: {give}"
    number = "'#{}'" if owner.isdigit() else "{}"
    as_owner = f"Put sudo -u {number.format(owner)} before the command"
    return f"{said} {as_owner}." if os.geteuid() == _ROOT else f"{said} {as_owner}, or run: {give}"


def _refuse_readable(path: Path, found: os.stat_result) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise FileRefused(f"Other users can read {path}. Run: chmod {mode} {_quoted(path)}")


def _refuse_changeable(path: Path, found: os.stat_result) -> None:
    """Raise FileRefused where everybody on this computer decides what stands in a file."""
    folder = path.resolve().parent
    place = folder.stat()
    if found.st_mode & stat.S_IWOTH:
        raise FileRefused(f"Everybody can change {path}. Run: {_chmod(path, found)}")
    if place.st_mode & stat.S_IWOTH and not place.st_mode & stat.S_ISVTX:
        raise FileRefused(f"Everybody can replace {path}. Run: {_chmod(folder, place)}")


def _chmod(path: Path, found: os.stat_result) -> str:
    sudo = "" if os.geteuid() in (_ROOT, found.st_uid) else "sudo "
    return f"{sudo}chmod o-w {_quoted(path)}"


def _refuse_full(folder: Path) -> None:
    """Raise FileRefused where a ledger could not grow any more."""
    disk = os.statvfs(folder)
    blocks = disk.f_bfree if os.geteuid() == _ROOT else disk.f_bavail
    if blocks * disk.f_frsize < FREE_BYTES_MIN:
        raise FileRefused(f"The disk of {folder} is full. Free some space: df {_quoted(folder)}")
    if disk.f_files and not disk.f_favail:
        raise FileRefused(
            f"The disk of {folder} takes no more files. Remove some: df -i {_quoted(folder)}"
        )


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")


def _may(path: Path, rights: int) -> bool:
    return os.access(path, rights, effective_ids=True)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))

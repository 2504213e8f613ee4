"""What is said of a file or folder that can't be used, and the command that helps.

The invariant: a command that is named is safe to paste. None gives a folder of the system away, opens
root's own, or hands one user what belongs to another.
"""

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

from dca_bot.errors import FileRefused, in_words

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
ROOT = 0
_SYSTEMS_OWN_PARTS = 2
"""Of so many parts are paths like /srv and /root."""


def may(path: Path, rights: int) -> bool:
    """Tell whether this user has these rights (`os.R_OK` …), as far as the system tells beforehand."""
    return os.access(path, rights, effective_ids=True)


def kind_of(mode: int) -> str:
    """Return what stands at a path, as a noun; of a mode, or of its type alone."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def of_another_user(path: Path, found: os.stat_result, *, instead: str = "") -> str:
    """Say whose a path is. Its owner is told to run the command; root's is asked for.

    A folder is asked for with all that is in it, so only one that is private, as the bot makes them, and
    none of the system's own; there `instead` says what else to do.
    """
    owner, me, real = name_of(found.st_uid), name_of(os.geteuid()), Path(os.path.realpath(path))
    said = f"{path} belongs to {owner}, but {me} runs dca-bot."
    if os.geteuid() == ROOT or not (found.st_uid == ROOT or owner.isdigit()):
        return f"{said} {_become(owner)}."
    if not stat.S_ISDIR(found.st_mode):
        return f"{said} As root, run: chown {me}: {quoted(real)}"
    if stat.S_IMODE(found.st_mode) & 0o077 or len(real.parts) <= _SYSTEMS_OWN_PARTS:
        return f"{said} {instead}"
    return f"{said} If it is the bot's, run, as root: chown -R {me}: {quoted(real)}"


def closed(path: Path, found: os.stat_result, mode: int) -> str:
    """Say why this user can't use what is a file or folder as it should be; `mode` would do."""
    if is_read_only(path) and stat.S_IMODE(found.st_mode) & mode == mode:
        return (
            f"{path} can't be written: what it lies on is read-only. (For a bot that systemd starts, name"
            " it in ReadWritePaths.)"
        )
    if found.st_uid != os.geteuid():
        return of_another_user(path, found, instead="Choose another place.")
    if stat.S_IMODE(found.st_mode) & mode != mode:
        return f"{path} is closed to its own user. Run: chmod {mode:o} {quoted(path)}"
    return f"{path} is protected against changes. Look why: lsattr -d {quoted(path)}"


def unreadable(path: Path, found: os.stat_result) -> str:
    """Say how a file that isn't secret comes to be readable; its owner may stay who it is."""
    if found.st_uid == os.geteuid():
        return f"{path} can't be read. Run: chmod 600 {quoted(path)}"
    me, owner = name_of(os.geteuid()), name_of(found.st_uid)
    command = f"chmod a+r {quoted(path.absolute())}"
    return f"{me} can't read {path}, which belongs to {owner}. As root, run: {command}"


def astray(path: Path, error: Exception) -> FileRefused:
    """Say why a path leads nowhere, and which folder on the way is to blame."""
    number = error.errno if isinstance(error, OSError) else None
    for folder in reversed(path.absolute().parents):
        if number == errno.ENOTDIR and not folder.is_dir():
            kind = kind_of(folder.stat().st_mode)
            return FileRefused(f"{folder} is {kind}, so there can't be a {path}.")
        if number == errno.EACCES and not may(folder, os.X_OK):
            return FileRefused(_no_entry(path, folder))
    if number == errno.ELOOP:
        return FileRefused(f"{path} is a link that leads back to itself; remove it.")
    return FileRefused(f"{path} can't be used ({in_words(error)}); correct the path.")


def shut_to_others(path: Path, found: os.stat_result) -> str:
    """Say which command keeps everybody from writing."""
    if os.geteuid() in (ROOT, found.st_uid):
        return f"Run: chmod o-w {quoted(path)}"
    return f"As root, run: chmod o-w {quoted(path.absolute())}"


def is_read_only(path: Path) -> bool:
    """Tell whether a path lies on a disk that takes no changes."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def name_of(user: int) -> str:
    """Return a user's name, or the number of one who has none here."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def _become(owner: str) -> str:
    """Say how the command is run as another user; as one without a name, only root can."""
    if os.geteuid() != ROOT:
        return f"Run the command as {owner}"
    if owner.isdigit():
        return f"Put setpriv --reuid {owner} --clear-groups before the command"
    return f"Put runuser -u {owner} -- before the command"


def _no_entry(path: Path, folder: Path) -> str:
    found, me = folder.stat(), name_of(os.geteuid())
    if found.st_uid == os.geteuid():
        return f"{folder} can't be entered. Run: chmod 700 {quoted(folder)}"
    owner = name_of(found.st_uid)
    said = f"{path} is out of {me}'s reach, as {folder} belongs to {owner}"
    real = Path(os.path.realpath(folder))
    if found.st_uid == ROOT and _is_left_by_root(real, found):
        return f"{said}. As root, run: chown -R {me}: {quoted(real)}"
    if found.st_uid == ROOT:
        return f"{said}; choose another place."
    if owner.isdigit():
        return f"{said}; choose another place, or run, as root: chmod a+x {quoted(folder)}"
    return f"{said}. {_become(owner)}, or choose another place."


def _is_left_by_root(real: Path, found: os.stat_result) -> bool:
    """Tell whether a private folder of root's was made in a folder of this user's own.

    Not what is mounted there: that is another disk, or a part of the system.
    """
    is_private = not stat.S_IMODE(found.st_mode) & 0o077
    return is_private and real.parent.stat().st_uid == os.geteuid() and not real.is_mount()

"""Words for unusable files and folders: the fault, and the shell command that mends the fault.

The invariant: every named command is safe to paste. No command gives away a folder of the system, opens
a file of root's to everybody, or hands one user's file to another user.
"""

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

from dca_bot.errors import FileRefused, LedgerFault, in_words

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
"""How many parts paths like /srv and /root have."""


def may(path: Path, rights: int) -> bool:
    """Tell whether this user has the rights (`os.R_OK` …) on a path, by access(2)."""
    return os.access(path, rights, effective_ids=True)


def kind_of(mode: int) -> str:
    """Name the kind of a file by its mode, or by the type bits alone: `a folder`."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def of_another_user(path: Path, found: os.stat_result, *, instead: str = "") -> str:
    """Name the owner of a path that this user should own, and the remedy.

    A path of a normal user: run the program as that user. A path of root: a chown command, for a folder
    with all its content. No chown is named for a folder of the system or a folder open to others;
    `instead` is the remedy there.
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
    """Say why this user can't use a file or folder of the right kind; `mode` are the rights it needs."""
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
    """Say which command makes a file readable that isn't secret; the owner stays."""
    if found.st_uid == os.geteuid():
        return f"{path} can't be read. Run: chmod 600 {quoted(path)}"
    me, owner = name_of(os.geteuid()), name_of(found.st_uid)
    command = f"chmod a+r {quoted(path.absolute())}"
    return f"{me} can't read {path}, which belongs to {owner}. As root, run: {command}"


def astray(path: Path, error: Exception) -> FileRefused:
    """Make the refusal of a path that leads nowhere, with the folder on the way that is to blame."""
    number = error.errno if isinstance(error, OSError) else None
    for folder in reversed(path.absolute().parents):
        if number == errno.ENOTDIR and not folder.is_dir():
            kind = kind_of(folder.stat().st_mode)
            return FileRefused(f"{folder} is {kind}, so there can't be a {path}.", folder)
        if number == errno.EACCES and not may(folder, os.X_OK):
            return FileRefused(_no_entry(path, folder), folder, LedgerFault.NO_RIGHTS)
    if number == errno.ELOOP:
        return FileRefused(f"{path} is a link that leads back to itself; remove it.", path)
    return FileRefused(f"{path} can't be used ({in_words(error)}); correct the path.", path)


def shut_to_others(path: Path, found: os.stat_result) -> str:
    """Name the command that takes the right to write from everybody."""
    if os.geteuid() in (ROOT, found.st_uid):
        return f"Run: chmod o-w {quoted(path)}"
    return f"As root, run: chmod o-w {quoted(path.absolute())}"


def is_read_only(path: Path) -> bool:
    """Tell whether a path lies on a file system that is mounted read-only."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def name_of(user: int) -> str:
    """Return the name of a user id, or the number as text for a user without a name here."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def quoted(path: Path) -> str:
    """Quote a path for a shell.

    >>> quoted(Path("/srv/my bot"))
    "'/srv/my bot'"
    """
    return shlex.quote(str(path))


def _become(owner: str) -> str:
    """Say how to run a command as another user; only root can for a user without a name."""
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
    """Tell whether root made a private folder inside a folder of this user's own.

    A mount point doesn't count: a mount is another disk, or a part of the system.
    """
    is_private = not stat.S_IMODE(found.st_mode) & 0o077
    return is_private and real.parent.stat().st_uid == os.geteuid() and not real.is_mount()

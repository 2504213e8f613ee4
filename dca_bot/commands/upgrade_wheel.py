"""Tries a new version of dca-bot from a wheel, in a new virtual environment.

The new program's own `upgrade-check` looks at the ledger: only the new program knows the new
migrations.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.util import find_spec
from pathlib import Path

from dca_bot import __version__
from dca_bot.commands.console import say
from dca_bot.commands.trial_folder import trial_folder
from dca_bot.errors import DcaBotError, FileRefused, one_line
from dca_bot.files.rights import open_to_read
from dca_bot.program import NAME

_SINCE = (0, 2, 0)
"""The first version that has `upgrade-check`."""
INSTALL_LIMIT_S, TRY_LIMIT_S = 600, 3600
_METADATA_BYTES_MAX = 1_000_000
_PIP = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
_PLACES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
"""Settings of pip that would have the wheel installed elsewhere."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of dca-bot: the version, and the newest version of ledgers that the program opens."""

    path: Path
    version: str
    ledger_version: int


def check_wheel(config_path: Path, wheel_path: Path) -> None:
    """Run the `upgrade-check` of a wheel's program; raise DcaBotError if a start would fail."""
    wheel = read_wheel(wheel_path)
    if _numbers(wheel.version) < _SINCE:
        raise DcaBotError(
            f"{wheel.path} is dca-bot {wheel.version}, which can't try itself. It opens ledgers up to"
            f" version {wheel.ledger_version}; for a newer one put back the copy from before it."
        )
    with trial_folder() as folder:
        python = _install(wheel, folder)
        say(f"✓ dca-bot {wheel.version} can be installed here; the one that runs is {__version__}")
        words = ("-m", "dca_bot", "upgrade-check", "--config", str(config_path.absolute()))
        _run([str(python), "-I", *words], limit_s=TRY_LIMIT_S, is_shown=True)


def read_wheel(path: Path) -> Wheel:
    """Read the metadata of a wheel; raise DcaBotError if the file is no wheel of dca-bot."""
    try:
        with open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            text = _metadata(archive, names)
    except FileNotFoundError:
        raise DcaBotError(f"There is no {path}.") from None
    except FileRefused as error:
        raise DcaBotError(str(error)) from error
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, NotImplementedError) as error:
        raise DcaBotError(
            f"{path} is no wheel that can be read ({one_line(str(error))}). Make it anew."
        ) from error
    said = HeaderParser().parsestr(text)
    name = (said["Name"] or "").replace("_", "-").lower()
    if name != NAME:
        raise DcaBotError(f"{path} is a wheel of {one_line(name) or 'nothing'}, not of dca-bot.")
    migrations = [n for n in names if n.startswith("dca_bot/ledger/") and "/migrations/0" in n]
    return Wheel(path, one_line(said["Version"] or "?"), len(migrations))


def _metadata(archive: zipfile.ZipFile, names: Sequence[str]) -> str:
    (name,) = [one for one in names if one.endswith(".dist-info/METADATA")] or [""]
    with archive.open(name) as file:
        return file.read(_METADATA_BYTES_MAX).decode()


def _install(wheel: Wheel, folder: Path) -> Path:
    """Install a wheel into a new environment that borrows the packages of this environment."""
    if find_spec("pip") is None:
        raise DcaBotError(
            f"A wheel is tried with pip, which isn't there. Run: {sys.executable} -m ensurepip"
        )
    home = folder / "venv"
    venv.EnvBuilder(symlinks=True).create(home)
    python = home / "bin" / "python"
    paths = {"base": str(home), "platbase": str(home)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    ours = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (site / "borrowed.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    pip = [str(python), "-I", "-m", "pip", "install", "--quiet"]
    # The wheel first and by itself: one of the same version is installed here, and would do for pip.
    _run(
        [*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel.path)],
        limit_s=INSTALL_LIMIT_S,
    )
    _run([*pip, str(wheel.path)], limit_s=INSTALL_LIMIT_S)
    return python


def _run(words: Sequence[str], *, limit_s: int, is_shown: bool = False) -> None:
    """Run a program to its end; raise DcaBotError with the last line of its complaints."""
    try:
        done = subprocess.run(  # noqa: S603 - words of our own; nothing of them is read by a shell
            words,
            env={name: value for name, value in os.environ.items() if name not in _PLACES} | _PIP,
            stdin=subprocess.DEVNULL,
            stdout=None if is_shown else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DcaBotError(f"The new version took more than {limit_s} s; it is not tried.") from None
    if done.returncode == 0:
        return
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    errors = [line for line in said if line.startswith("ERROR:")] or said[-1:]
    raise DcaBotError(one_line(errors[-1].removeprefix("ERROR: ").removeprefix(f"{NAME}: ")))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, for comparison.

    >>> _numbers("1.2.3rc1")
    (1, 2)
    """
    parts: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        parts.append(int(part))
    return tuple(parts)

"""Says how this program was started, so that a text can name another of its commands to be pasted."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "dca-bot"
CONFIG_DEFAULT = Path("config.toml")


def command(*words: str | Path) -> str:
    """Write a command line of this program as it was started: `.venv/bin/dca-bot check`.

    The bare name stands there where the shell finds the same program by it, and where the program
    was started otherwise (`python -m dca_bot`).
    """
    return shlex.join([_started_as(sys.argv[0]), *map(str, words)])


def with_config(path: Path) -> tuple[str, ...]:
    """Return the words that name a configuration file; none for the default one."""
    return () if path == CONFIG_DEFAULT else ("--config", str(path))


def _started_as(program: str) -> str:
    is_found = shutil.which(NAME) in (program, str(Path(program).absolute()))
    return NAME if Path(program).name != NAME or is_found else program

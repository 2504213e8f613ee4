"""The program as it was started, so that a text can name a command to paste, and as it was installed."""

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "dca-bot"
_EXTRAS = {"alerts": "apprise", "charts": "matplotlib", "demo": "nostr_sdk"}
"""The module that each optional extra of the package brings."""
CONFIG_DEFAULT = Path("config.toml")


def command(*words: str | Path) -> str:
    """Write a command line of this program as the program was started: `.venv/bin/dca-bot check`.

    The bare name `dca-bot` stands if the shell finds the same program by the name, and for other ways to
    start (`python -m dca_bot`).
    """
    return shlex.join([_started_as(sys.argv[0]), *map(str, words)])


def with_config(path: Path) -> tuple[str, ...]:
    """Return the words that name a configuration file; empty for the default file."""
    return () if path == CONFIG_DEFAULT else ("--config", str(path))


def extras() -> list[str]:
    """Return the names of the package's extras that are installed."""
    return [name for name, module in _EXTRAS.items() if find_spec(module)]


def _started_as(program: str) -> str:
    is_found = shutil.which(NAME) in (program, str(Path(program).absolute()))
    return NAME if Path(program).name != NAME or is_found else program

"""The bot processes that have run on a data folder, by the ids in the folder's lock file.

The holder of the lock knows that all earlier processes have ended. The ledger can't tell: a ledger may be
restored from a backup, and the lock file stays.
"""

import re
from contextlib import suppress
from pathlib import Path

from dca_bot.ledger.store.ledger_files import LOCK_FILE

KEPT = 200
_INSTANCE = re.compile(r"[0-9a-f]{16}")


def note_instance(data_dir: Path, instance: str) -> frozenset[str]:
    """Add this process to a folder whose lock the process holds; return the last 200 before.

    A file that can't be read or written counts as empty: the operators are asked then.
    """
    before = instances(data_dir)
    with suppress(OSError):
        text = "".join(f"{one}\n" for one in (*before, instance))
        data_dir.joinpath(LOCK_FILE).write_text(text, encoding="ascii")
    return frozenset(before)


def instances(data_dir: Path) -> list[str]:
    """Return the last 200 processes of a folder; the newest one may still run."""
    with suppress(OSError, UnicodeDecodeError):
        return _INSTANCE.findall(data_dir.joinpath(LOCK_FILE).read_text(encoding="ascii"))[-KEPT:]
    return []

"""Which bot processes have run on a data folder: their ids stand in its lock file.

Whoever holds the lock knows that they have ended. The ledger can't tell that: it may be put back from a
backup, while the lock file stays.
"""

import re
from contextlib import suppress
from pathlib import Path

from dca_bot.ledger.store.ledger_files import LOCK_FILE

KEPT = 200
_INSTANCE = re.compile(r"[0-9a-f]{16}")


def note_instance(data_dir: Path, instance: str) -> frozenset[str]:
    """Add this process to a folder whose lock it holds; return those before it, the last 200.

    A file that can't be read or written tells of none: then the operators are asked.
    """
    before = instances(data_dir)
    with suppress(OSError):
        text = "".join(f"{one}\n" for one in (*before, instance))
        data_dir.joinpath(LOCK_FILE).write_text(text, encoding="ascii")
    return frozenset(before)


def instances(data_dir: Path) -> list[str]:
    """Return the processes that have run on a folder, the last 200; the last one may still run."""
    with suppress(OSError, UnicodeDecodeError):
        return _INSTANCE.findall(data_dir.joinpath(LOCK_FILE).read_text(encoding="ascii"))[-KEPT:]
    return []

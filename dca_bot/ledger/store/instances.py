"""The bot processes that have run on a data folder, by the ids in the folder's lock file.

The holder of the lock knows that all earlier processes have ended. The ledger can't tell: a ledger may be
restored from a backup, and the lock file stays. Ids are appended and brought to disk: neither a power cut
nor a full disk loses the ids of earlier processes.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from dca_bot.ledger.store.ledger_files import LOCK_FILE

KEPT = 200
_BYTES_MAX = 2**16
"""Size from which the file is written anew, with the last ids."""
_INSTANCE = re.compile(rb"[0-9a-f]{16}")


def note_instance(data_dir: Path, instance: str) -> frozenset[str]:
    """Add this process to a folder whose lock the process holds; return the last 200 before.

    A file that can't be read or written counts as empty: the operators are asked then.
    """
    path, before = data_dir / LOCK_FILE, instances(data_dir)
    with suppress(OSError):
        is_long = path.exists() and path.stat().st_size > _BYTES_MAX
        with path.open("wb" if is_long else "ab") as file:
            for one in (*(before if is_long else ()), instance):
                # The first line break ends a line that a power cut has torn.
                file.write(f"\n{one}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    return frozenset(before)


def instances(data_dir: Path) -> list[str]:
    """Return the last 200 processes of a folder; the newest one may still run."""
    with suppress(OSError):
        found = _INSTANCE.findall(data_dir.joinpath(LOCK_FILE).read_bytes())
        return [one.decode("ascii") for one in found[-KEPT:]]
    return []

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
_BYTES_READ = 2**16
"""The end of the file that is read, which has far more than the last ids."""
_INSTANCE = re.compile(rb"[0-9a-f]{16}")


def note_instance(data_dir: Path, instance: str) -> frozenset[str]:
    """Add this process to a folder whose lock the process holds; return the last 200 before.

    A file that can't be read or written counts as empty: the operators are asked then.
    """
    before = instances(data_dir)
    with suppress(OSError), data_dir.joinpath(LOCK_FILE).open("ab") as file:
        # The first line break ends a line that a power cut has torn.
        file.write(f"\n{instance}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    return frozenset(before)


def instances(data_dir: Path) -> list[str]:
    """Return the last 200 processes of a folder; the newest one may still run."""
    with suppress(OSError), data_dir.joinpath(LOCK_FILE).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _BYTES_READ))
        return [one.decode("ascii") for one in _INSTANCE.findall(file.read())[-KEPT:]]
    return []

"""Ledgers that earlier versions of dca-bot have made, from `tests/data/ledgers`."""

import gzip
from pathlib import Path

from dca_bot.ledger.store.ledger_files import LEDGER_FILE

FOLDER = Path(__file__).parent.parent / "data" / "ledgers"
NAMES = tuple(sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.sqlite3.gz")))


def put_old_ledger(name, folder):
    """Put the ledger of an earlier version into a new data folder; return its file."""
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress((FOLDER / f"{name}.sqlite3.gz").read_bytes()))
    return path

"""Audits a copy of the ledger as a restored bot would have it: brought to this program's version."""

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from dca_bot.ledger.audit.audit import LedgerAudit, audit_ledger
from dca_bot.ledger.store.migrate import migrate

_FOLDER = "copy-rehearsal"


def audit_copy(copy: Path, data_dir: Path, stop: threading.Event) -> LedgerAudit:
    """Migrate and audit a duplicate of a copy, in a folder of the data folder that is removed.

    Raise LedgerError for tables that this program doesn't know, OSError if there is no room,
    sqlite3.DatabaseError for a file that is no ledger, and once `stop` is set.
    """
    folder = data_dir.joinpath(_FOLDER)
    shutil.rmtree(folder, ignore_errors=True)  # of a rehearsal that was killed
    folder.mkdir(mode=0o700)
    try:
        duplicate = shutil.copy2(copy, folder)
        with closing(sqlite3.connect(duplicate, isolation_level=None)) as tx:
            tx.row_factory = sqlite3.Row
            tx.set_progress_handler(stop.is_set, 100_000)
            migrate(tx)
            return audit_ledger(tx)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Give a ledger the records of version 9: see README.md beside this file.

python make_records.py SOURCE OLD TARGET: SOURCE is a checkout of version 9, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 9, and TARGET the new `.sqlite3.gz`.
"""

import asyncio
import gzip
import hashlib
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

source, old, target = map(Path, sys.argv[1:4])
sys.path[:0] = [str(source), str(source / "tests")]

from dca_bot.core.clients import LimitPeriod  # noqa: E402
from dca_bot.core.files import FileForm, FilesWish  # noqa: E402
from dca_bot.ledger.correspondence import files  # noqa: E402
from dca_bot.ledger.programme import clients, deposits  # noqa: E402
from dca_bot.ledger.store.database import open_database  # noqa: E402
from dca_bot.ledger.store.ledger_files import LEDGER_FILE  # noqa: E402

NOW = datetime(2026, 11, 30, 18, 0, 0, 123456, tzinfo=UTC)


def recorded(tx):
    key = hashlib.sha256(b"lucia").hexdigest()
    client = clients.add(tx, name="lucia", pubkey=key, language="es", now=NOW)
    clients.set_fixed_limit(tx, client.id, 70_000, LimitPeriod.WEEKLY)
    clients.set_flow_cap(tx, client.id, 5_000)
    clients.set_note(tx, client.id, "phone 5555 0123")
    clients.rename(tx, client, "lucy")
    deposit = deposits.add(tx, client.id, amount_minor=70_000, note="", now=NOW)
    deposits.edit(tx, deposit, amount_minor=7_000, now=NOW)
    files.set_wish(tx, client.id, FilesWish.DARK)
    files.add(tx, key, FileForm.TABLE, b"a table", now=NOW)


async def make(folder):
    database = await open_database(folder)
    await database.transact(recorded)
    await database.aclose()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name) / "data"
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress(old.read_bytes()))
    asyncio.run(make(folder))
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

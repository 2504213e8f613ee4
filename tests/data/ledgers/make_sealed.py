"""Give a ledger the postings of version 8 and forgotten invoices: see README.md beside this file.

python make_sealed.py SOURCE OLD TARGET: SOURCE is a checkout of version 8, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 8, and TARGET the new `.sqlite3.gz`.
"""

import asyncio
import gzip
import hashlib
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

source, old, target = map(Path, sys.argv[1:4])
sys.path[:0] = [str(source), str(source / "tests")]

from dca_bot.core.clients import Mode  # noqa: E402
from dca_bot.ledger.payouts import invoices  # noqa: E402
from dca_bot.ledger.programme import clients, deposits  # noqa: E402
from dca_bot.ledger.store.database import open_database  # noqa: E402
from dca_bot.ledger.store.ledger_files import LEDGER_FILE  # noqa: E402

NOW = datetime(2026, 11, 30, 14, 0, 0, 123456, tzinfo=UTC)


def sealed(tx):
    key = hashlib.sha256(b"marta").hexdigest()
    client = clients.add(tx, name="marta", pubkey=key, language="en", now=NOW)
    clients.set_destination(tx, client.id, clients.Destination(clients.INVOICE_KEY, key[:32]))
    for amount_minor in (70_000, 30_000):
        deposit = deposits.add(tx, client.id, amount_minor=amount_minor, note="", now=NOW)
        deposits.confirm(tx, deposit, machine=None, now=NOW)
    deposits.withdraw(tx, client.id, amount_minor=10_000, note="", now=NOW)
    clients.set_mode(tx, client.id, Mode.FIXED)
    assert invoices.forget(tx, now=NOW + timedelta(days=400), limit=1) > 0


async def make(folder):
    database = await open_database(folder)
    await database.transact(sealed)
    await database.aclose()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name) / "data"
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress(old.read_bytes()))
    asyncio.run(make(folder))
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

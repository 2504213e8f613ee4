"""Give a ledger the questions, tasks and LNURL-pay codes that version 7 kept: see README.md beside this file.

python make_conversation.py SOURCE OLD TARGET: SOURCE is a checkout of version 7, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 7, and TARGET the new `.sqlite3.gz`.
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

from dca_bot.ledger.correspondence import command_log, questions, tasks  # noqa: E402
from dca_bot.ledger.programme import clients, deposits  # noqa: E402
from dca_bot.ledger.store.database import open_database  # noqa: E402
from dca_bot.ledger.store.ledger_files import LEDGER_FILE  # noqa: E402

NOW = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


def hex_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def conversation(tx):
    operator = hex_of("operator")
    client = clients.add(tx, name="lena", pubkey=hex_of("lena"), language="es", now=NOW)
    clients.set_destination(
        tx, client.id, clients.Destination(clients.LNURL, "lnurl1dp68gurn8ghj7")
    )
    deposit = deposits.add(tx, client.id, amount_minor=50_000, note="", now=NOW)
    deposits.confirm(tx, deposit, machine=None, now=NOW)
    questions.put(tx, client.pubkey, "pausar", now=NOW)
    tasks.contact(tx, client.id, "Llego tarde.", now=NOW)
    for amount_minor in (10_000, 20_000):
        tasks.request_cash(tx, client.id, amount_minor, by=client.pubkey, now=NOW)
    tasks.close(tx, client.id, tasks.TaskKind.CONTACT, by=operator, now=NOW + timedelta(minutes=1))
    command_log.record(
        tx,
        actor=operator,
        client_id=None,
        message_id=hex_of("reply"),
        command="reply",
        done="lena was told",
        now=NOW,
        about=[client.id],
    )


async def make(folder):
    database = await open_database(folder)
    await database.transact(conversation)
    await database.aclose()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name) / "data"
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress(old.read_bytes()))
    asyncio.run(make(folder))
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

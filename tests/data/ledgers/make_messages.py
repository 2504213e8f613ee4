"""Give a ledger the messages that version 5 kept: see README.md beside this file.

python make_messages.py SOURCE OLD TARGET: SOURCE is a checkout of version 5, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 5, and TARGET the new `.sqlite3.gz`.
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

from dca_bot.core.ports import DmProtocol, IncomingMessage  # noqa: E402
from dca_bot.ledger.correspondence import inbox, outbox  # noqa: E402
from dca_bot.ledger.store import bot_state  # noqa: E402
from dca_bot.ledger.store.database import open_database  # noqa: E402
from dca_bot.ledger.store.ledger_files import LEDGER_FILE  # noqa: E402

NOW = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
RELAY = "wss://relay.example"


def hex_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def messages(tx):
    bot_state.put(tx, bot_state.LISTENED_AT, NOW.isoformat())
    for number, protocol in enumerate((*DmProtocol, *DmProtocol)):
        sender, at = hex_of(f"sender {number}"), NOW - timedelta(minutes=number)
        message = IncomingMessage(hex_of(f"{number}"), sender, "", at, protocol, RELAY)
        inbox.receive(tx, message, command="balance" if number < 2 else "stranger", now=at)
        inbox.note_person(tx, message, now=at)
        outbox.write(tx, sender, f"answer {number}", now=at, protocol=protocol, relay=RELAY)
        outbox.write(tx, sender, f"notice {number}", now=at)
    for message in outbox.due(tx, NOW, urgency=outbox.Urgency.NOTICE, limit=2):
        outbox.mark_sent(tx, message, now=NOW)
    (message,) = outbox.due(tx, NOW, urgency=outbox.Urgency.NOTICE, limit=1)
    outbox.mark_failed(tx, message, delay_s=30, now=NOW)


async def make(folder):
    database = await open_database(folder)
    await database.transact(messages)
    await database.aclose()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name) / "data"
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress(old.read_bytes()))
    asyncio.run(make(folder))
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

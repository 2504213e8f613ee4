"""Give a ledger the relays, knocks and deliveries that version 6 kept: see README.md beside this file.

python make_reach.py SOURCE OLD TARGET: SOURCE is a checkout of version 6, OLD an earlier ledger
(`.sqlite3.gz`) to be brought to version 6, and TARGET the new `.sqlite3.gz`.
"""

import asyncio
import gzip
import hashlib
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

source, old, target = map(Path, sys.argv[1:4])
sys.path[:0] = [str(source), str(source / "tests")]

from dca_bot.core.delivery import Undelivered  # noqa: E402
from dca_bot.core.ports import RelayHeard  # noqa: E402
from dca_bot.ledger.correspondence import (  # noqa: E402
    confirmations,
    delivery,
    knocks,
    person_relays,
    refused_events,
    relays,
)
from dca_bot.ledger.store.database import open_database  # noqa: E402
from dca_bot.ledger.store.ledger_files import LEDGER_FILE  # noqa: E402

NOW = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
RELAY = "wss://relay.example"


def hex_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def reach(tx):
    random = Random(6)
    clients = tx.execute("SELECT pubkey FROM client WHERE state <> 'closed' ORDER BY id").fetchall()
    for number, row in enumerate(clients):
        at = NOW - timedelta(minutes=number)
        if number % 2:
            delivery.note_reached(tx, row["pubkey"], RELAY, now=at)
        else:
            delivery.note_lost(tx, row["pubkey"], list(Undelivered)[number % 5], "said", now=at)
        person_relays.keep_hints(tx, row["pubkey"], (RELAY, "wss://other.example"))
    for number in range(3):
        found = knocks.give(tx, hex_of(f"stranger {number}"), now=NOW, random=random)
        assert found is not None
    knocks.close(tx, hex_of("stranger 0"), now=NOW)
    refused_events.note(tx, [bytes.fromhex(hex_of("refused"))], NOW)
    relays.note_heard(tx, [RelayHeard(RELAY, NOW, NOW)])
    confirmations.issue(
        tx, hex_of("operator"), command="pause all", effect="stops", now=NOW, random=random
    )


async def make(folder):
    database = await open_database(folder)
    await database.transact(reach)
    await database.aclose()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name) / "data"
    folder.mkdir(mode=0o700)
    path = folder / LEDGER_FILE
    path.touch(mode=0o600)
    path.write_bytes(gzip.decompress(old.read_bytes()))
    asyncio.run(make(folder))
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

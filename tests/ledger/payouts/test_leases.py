"""What a ledger knows of the lease."""

import random
import sqlite3
from contextlib import closing

import pytest
from ledger.story import START as NOW

from dca_bot.core.lease import Dispute, DisputeReason, LeaseKind, LeaseRecord, LeaseRow
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import run_script

STARTED = "2026-03-01T12:00:00.123456+00:00"


def row(generation, instance="me", kind=LeaseKind.CLAIM):
    return LeaseRow(generation, instance, kind, "ledger", "bot")


@pytest.fixture
async def database(tmp_path):
    database = await open_database(tmp_path / "data")
    yield database
    await database.aclose()


async def test_copies_of_an_old_ledger_that_are_upgraded_apart_have_one_id(tmp_path):
    ids = []
    for number in range(2):
        folder = tmp_path / f"copy{number}"
        folder.mkdir(mode=0o700)
        (folder / LEDGER_FILE).touch(mode=0o600)
        with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as old:
            for version in (1, 2):
                run_script(old, version)
            old.execute("INSERT INTO fact VALUES ('start_at', ?)", (STARTED,))
        database = await open_database(folder)
        ids.append(
            await database.transact(lambda tx, n=number: bot_state.ledger_id(tx, random.Random(n)))
        )
        await database.aclose()
    assert ids == [STARTED, STARTED]


async def test_new_ledger_gets_an_id_of_its_own_for_good(database):
    first = await database.transact(lambda tx: bot_state.ledger_id(tx, random.Random(1)))
    again = await database.transact(lambda tx: bot_state.ledger_id(tx, random.Random(2)))
    assert first == again == f"{random.Random(1).getrandbits(128):032x}"


async def test_record_is_the_newest_row_and_what_the_operators_have_accepted(database):
    async def record():
        return await database.read(leases.record_of)

    async def do(work):
        return await database.transact(work)

    assert await record() == LeaseRecord()
    await do(lambda tx: leases.note(tx, row(3), now=NOW))
    await do(lambda tx: leases.note(tx, row(3), now=NOW))  # asked for once more
    await do(lambda tx: leases.note(tx, row(5, "later"), now=NOW))
    assert await record() == LeaseRecord(5, "later")

    dispute = Dispute(DisputeReason.SECOND_BOT, row(8, "rival"), announce=True)
    assert await do(lambda tx: leases.stop(tx, dispute, now=NOW))
    assert not await do(lambda tx: leases.stop(tx, dispute, now=NOW))
    assert await database.read(bot_state.paused)
    assert (await database.read(leases.open_dispute)).announce
    await do(lambda tx: leases.note(tx, row(9, "later", LeaseKind.DISPUTE), now=NOW))
    await do(leases.note_announced)
    assert not (await database.read(leases.open_dispute)).announce
    assert await record() == LeaseRecord(9, "later")

    await do(lambda tx: leases.accept(tx, now=NOW))
    assert await database.read(leases.open_dispute) is None
    assert await record() == LeaseRecord(9, "later", accepted=8, is_takeover=True)
    await do(lambda tx: leases.note(tx, row(10, "later", LeaseKind.TAKEOVER), now=NOW))
    assert await record() == LeaseRecord(10, "later", accepted=8)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE lease SET instance = 'x'", "never altered"),
        ("DELETE FROM lease", "never deleted"),
        ("DELETE FROM lease_dispute", "never deleted"),
        ("INSERT INTO lease VALUES (4, 'me', 'dispute', 0)", "higher generation"),
        ("INSERT INTO lease VALUES (7, 'me', 'claim', 0)", "closed before the lease is taken"),
        ("DELETE FROM fact WHERE name = 'paused'", "closed before anything goes on"),
        (
            "INSERT INTO lease_dispute SELECT 2, reason, generation, instance, 0, 0, NULL"
            " FROM lease_dispute",
            "one dispute is open at a time",
        ),
    ],
)
async def test_schema_refuses(database, statement, why):
    def begin(tx):
        leases.note(tx, row(5), now=NOW)
        leases.stop(tx, Dispute(DisputeReason.NEWER_START, row(6, "rival")), now=NOW)

    await database.transact(begin)
    with pytest.raises(sqlite3.IntegrityError, match=why):
        await database.transact(lambda tx: tx.execute(statement))

"""A broadcast to 1,000 clients over a real relay doesn't delay the answer to a command."""

from datetime import UTC, datetime

import nostr_sdk as sdk
import pytest

from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.jobs.outbox import ROOM
from dca_bot.ledger.correspondence import inbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import open_database

MANY = 1000


async def add_crowd(world, user):
    """Have 1,000 clients who have written; the last to be written to is a person who reads."""
    keys = [*(sdk.Keys.generate() for _ in range(MANY - 1)), user.keys]

    def work(tx):
        for number, key in enumerate(keys):
            pubkey = key.public_key().to_hex()
            now = datetime.now(UTC)
            clients.add(tx, name=f"c{number:03}", pubkey=pubkey, language="en", now=now)
            wrote = IncomingMessage(pubkey, pubkey, "", now, DmProtocol.NIP17, world.relays[0])
            inbox.note_person(tx, wrote, now=now)

    database = await open_database(world.folder / "data")
    await database.transact(work)
    await database.aclose()


def passed_by(world, answer_to):
    """Return how many letters of the broadcast left while an answer waited, and how many waited then."""
    (written_at, sent_at), *_ = world.rows(
        "SELECT try_at, sent_at FROM outbox WHERE recipient = ? AND urgency = ? ORDER BY id DESC",
        answer_to.keys.public_key().to_hex(),
        Urgency.ANSWER,
    )
    ((before, after),) = world.rows(
        "SELECT sum(sent_at BETWEEN ?1 AND ?2), sum(coalesce(sent_at > ?2, 1)) FROM outbox"
        " WHERE urgency = ?3",
        written_at,
        sent_at,
        Urgency.BULK,
    )
    return before, after


@pytest.mark.long
@pytest.mark.slow(70)
async def test_answers_leave_after_a_bounded_number_of_a_broadcasts_letters(make_world):
    world = await make_world()
    ana = await world.user("nip17")
    await add_crowd(world, ana)
    world.start()
    asked = await world.operator.ask("broadcast Dear all,\nthe machine is closed today.")
    assert "Send this to all 1000 clients" in asked
    done = await world.operator.ask(f"confirm {asked.split('confirm ')[1][:4]}")
    assert done == "It is on its way to 1000 clients."
    assert "Running" in await world.operator.ask("status")
    await ana.send("balance")
    (answer,) = await ana.wait(bool)
    assert answer.startswith("Cash still"), "before the broadcast, which was written first"
    for person in (world.operator, ana):
        passed, waiting = passed_by(world, person)
        assert passed <= 2 * ROOM[Urgency.BULK]
        assert waiting > 0, "it was under way"
    await world.until(lambda: world.rows("SELECT 1 FROM outbox WHERE sent_at IS NULL") == [])
    await ana.wait(lambda texts: len(texts) == 2)
    (_, first), (_, second) = sorted(ana._seen.values())
    assert first.endswith("Dear all,\nthe machine is closed today."), "as apps sort them"
    assert second == answer

"""What was written since a copy is found at real relays, told with its writer, and nothing of it is done."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from people import AppUser
from scaffold import open_ledger
from test_check import config as plain_config

from dca_bot.commands.missed_messages import find_missed
from dca_bot.commands.restore import missed_lines
from dca_bot.config_sections import NostrConfig
from dca_bot.core.ports import RelayHeard
from dca_bot.demo.relay import local_relay
from dca_bot.ledger.correspondence import relays
from dca_bot.ledger.programme import clients
from dca_bot.nostr.keys import generate
from dca_bot.system_clock import SystemClock

BOT = generate()


@pytest.fixture
async def relay():
    async with local_relay() as url:
        yield url


async def test_changes_since_the_copy_are_listed_and_secrets_are_not(tmp_path, relay):
    made_at = datetime.now(UTC)
    operator, ana, stranger = [AppUser([relay], BOT.npub, protocol="nip17") for _ in range(3)]
    database = await open_ledger(tmp_path / "data")

    def know(tx):
        clients.add(
            tx, name="ana", pubkey=ana.keys.public_key().to_hex(), language="es", now=made_at
        )
        relays.note_heard(tx, [RelayHeard(relay, made_at - timedelta(hours=1), made_at)])

    await database.transact(know)
    said = [
        (operator, "deposit ana 1500"),
        (operator, "status"),
        (operator, "confirm 7K2Q"),
        (operator, "maria me dio 500\nya lo metí"),
        (ana, "pausa"),
        (ana, "cuánto llevo ahorrado?"),
        (ana, f"wallet {'ab' * 16}"),
        (stranger, "pause"),
    ]
    for who in (operator, ana, stranger):
        await who.join()
    for who, text in said:
        await who.send(text)
        await asyncio.sleep(1)  # the order of messages is by the second
    nostr = NostrConfig(relays=[relay], operators=[operator.npub], discovery_relays=[])
    config = plain_config(tmp_path).model_copy(update={"nostr": nostr})
    missed = await find_missed(
        config,
        database,
        BOT,
        frozenset({operator.keys.public_key().to_hex()}),
        made_at=made_at,
        clock=SystemClock(),
    )
    told = [(one.who if one.who == "ana" else "operator", one.text) for one in missed.messages]
    assert told == [
        ("operator", "deposit ana 1500"),
        ("operator", "maria me dio 500 / ya lo metí"),
        ("ana", "pausa"),
        ("ana", "wallet …"),
    ]
    assert (missed.more, missed.unread) == (0, ())
    assert len(list(missed_lines(missed))) == 5
    assert (
        await database.read(lambda tx: tx.execute("SELECT count(*) FROM inbox").fetchone()[0]) == 0
    )
    for who in (operator, ana, stranger):
        await who.leave()
    await database.aclose()

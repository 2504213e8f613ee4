"""An event counts as seen only if its message is held: no end of a connection loses a message."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime

from nostr.test_messenger import FastClock, to

from dca_bot.core.ports import PastReading
from dca_bot.nostr import dm, keys
from dca_bot.nostr.receiver import Receiver
from dca_bot.nostr.refused_events import RefusedEvents

NOW = datetime.now(UTC)
RELAY = "wss://relay.example"


class Store:
    """Holds messages once it has room."""

    def __init__(self):
        self.room = asyncio.Event()
        self.waiting = asyncio.Event()
        self.texts = []

    async def add(self, _event_id, message):
        self.waiting.set()
        await self.room.wait()
        self.texts.append(message.text)


async def test_message_whose_connection_ends_while_the_store_is_full_is_taken_the_next_time():
    bot, alice = keys.generate(), keys.generate()
    store = Store()
    receiver = Receiver(bot, FastClock(), store, PastReading(NOW), RefusedEvents())
    event = dm.seal_message(to(bot, "hi"), alice, now=NOW, random=random.SystemRandom())
    connection = asyncio.create_task(receiver.take(event, RELAY, is_stored=False))
    async with asyncio.timeout(15):
        await store.waiting.wait()
    connection.cancel()
    with suppress(asyncio.CancelledError):
        await connection
    store.room.set()
    await receiver.take(event, RELAY, is_stored=True)
    await receiver.take(event, RELAY, is_stored=True)
    assert store.texts == ["hi"]

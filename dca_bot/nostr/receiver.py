"""Turns a relay's events into verified messages, each outer event once, stored ones in order.

Relays give stored events newest first, and wraps hide their time: what was stored is held until
the relay has given all of it, and handed on by the messages' own time. An event's id is noted as
seen only after its signature was verified, so that a forged copy can't suppress the real one.
"""

import asyncio
import logging
from collections import OrderedDict

from dca_bot.core.ports import Clock, IncomingMessage
from dca_bot.errors import MessageRefused
from dca_bot.nostr.dm import open_message
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey

_LOG = logging.getLogger(__name__)
_SEEN_MAX = 20_000
_HELD_MAX = 5_000


class Intake:
    """What all relays share: the queue, and the ids of the events that went into it."""

    def __init__(self, key: SecretKey, clock: Clock, queue: asyncio.Queue[IncomingMessage]) -> None:
        self._key = key
        self._clock = clock
        self._queue = queue
        self._seen: OrderedDict[str, None] = OrderedDict()

    def open(self, event: Event, relay: str) -> IncomingMessage | None:
        """Verify and decrypt an event that was not handed on yet; None for any other."""
        if event.id in self._seen:
            return None
        try:
            return open_message(event, self._key, now=self._clock.now(), relay=relay)
        except MessageRefused as refusal:
            _LOG.debug("event_refused event=%s relay=%s reason=%s", event.id, relay, refusal)
        except Exception:  # noqa: BLE001 - one stranger's event must never stop the bot
            _LOG.exception("event_unreadable event=%s relay=%s", event.id, relay)
        return None

    async def hand_on(self, event_id: str, message: IncomingMessage) -> None:
        """Put a message into the queue, waiting for room; only then it counts as seen."""
        if event_id in self._seen:
            return
        await self._queue.put(message)
        self._seen[event_id] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)


class Mailbag:
    """One relay's messages: held while stored ones come, handed on at once afterwards."""

    def __init__(self, intake: Intake, relay: str) -> None:
        self._intake = intake
        self._relay = relay
        self._held: dict[str, IncomingMessage] | None = {}

    async def add(self, event: Event) -> None:
        """Take one event."""
        await asyncio.sleep(0)  # Others get their turn, however many events a relay sends.
        if self._held is not None and event.id in self._held:
            return
        message = self._intake.open(event, self._relay)
        if message is None:
            return
        if self._held is None:
            await self._intake.hand_on(event.id, message)
            return
        self._held[event.id] = message
        if len(self._held) >= _HELD_MAX:
            await self._hand_on_held()

    async def release(self) -> None:
        """Hand on what was held, oldest first, and hold no longer."""
        await self._hand_on_held()
        self._held = None

    async def hold(self) -> None:
        """Hand on what was held and hold again: the next connection gives stored events first."""
        await self._hand_on_held()

    async def _hand_on_held(self) -> None:
        held, self._held = self._held or {}, {}
        messages = list(held.items())
        messages.reverse()  # Relays give the newest first, which decides between equal times.
        messages.sort(key=lambda item: item[1].sent_at)
        for event_id, message in messages:
            await self._intake.hand_on(event_id, message)

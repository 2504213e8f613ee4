"""Turns a relay's events into verified messages, each outer event once, stored messages in order.

Relays give stored events newest first, and wraps hide their messages' time. So messages are held
until the relay has given all stored events, then handed on by the rumors' time. An event's id
counts as seen only after the signature was verified: a forged copy can't suppress the real event.
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


class Receiver:
    """The part that all relays share: the queue of messages, and the ids of the events already queued."""

    def __init__(self, key: SecretKey, clock: Clock, queue: asyncio.Queue[IncomingMessage]) -> None:
        self._key = key
        self._clock = clock
        self._queue = queue
        self._seen: OrderedDict[str, None] = OrderedDict()

    def open(self, event: Event, relay: str) -> IncomingMessage | None:
        """Verify and decrypt an event; None for an event that was handed on before or can't be opened."""
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
        """Put a message into the queue, waiting for room, and note the event as seen."""
        if event_id in self._seen:
            return
        await self._queue.put(message)
        # Only now: if putting is cancelled, another relay's copy can still be handed on.
        self._seen[event_id] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)


class RelayBuffer:
    """The messages of one relay: held while stored events come, afterwards handed on at once."""

    def __init__(self, receiver: Receiver, relay: str) -> None:
        self._receiver = receiver
        self._relay = relay
        self._held: dict[str, IncomingMessage] | None = {}

    async def add(self, event: Event) -> None:
        """Open an event and hold or hand on the message."""
        await asyncio.sleep(
            0
        )  # A relay that sends many events in a row must not starve other tasks.
        if self._held is not None and event.id in self._held:
            return
        message = self._receiver.open(event, self._relay)
        if message is None:
            return
        if self._held is None:
            await self._receiver.hand_on(event.id, message)
            return
        self._held[event.id] = message
        if len(self._held) >= _HELD_MAX:
            await self._hand_on_held()

    async def release(self) -> None:
        """Hand on the held messages, oldest first, and hold no more: the stored events are complete."""
        await self._hand_on_held()
        self._held = None

    async def hold(self) -> None:
        """Hand on the held messages and hold again: the next connection begins with stored events."""
        await self._hand_on_held()

    async def _hand_on_held(self) -> None:
        held, self._held = self._held or {}, {}
        messages = list(held.items())
        # Relays give the newest first; reversed, messages of one second keep the order of writing.
        messages.reverse()
        messages.sort(key=lambda item: item[1].sent_at)
        for event_id, message in messages:
            await self._receiver.hand_on(event_id, message)

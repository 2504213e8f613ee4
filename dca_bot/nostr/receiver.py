"""Turns the events of all relays into verified messages, each outer event once.

An event's id counts as seen only after the signature was verified: a forged copy can't suppress the real
event. An event that can never be accepted isn't verified again: see `refused_events`.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import replace

from dca_bot.core.ports import Clock, IncomingMessage, PastReading
from dca_bot.errors import EventBroken, MessageRefused, OwnMessage
from dca_bot.nostr.arrivals import Arrivals
from dca_bot.nostr.dm import open_message
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.refused_events import RefusedEvents

_LOG = logging.getLogger(__name__)
_SEEN_MAX = 20_000


class Receiver:
    """The part that all relays share: the ids of the events already received, and the events refused."""

    def __init__(
        self,
        key: SecretKey,
        clock: Clock,
        arrivals: Arrivals,
        past: PastReading,
        refused: RefusedEvents,
    ) -> None:
        self._key = key
        self._clock = clock
        self._arrivals = arrivals
        self._past = past
        self._refused = refused
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def take(self, event: Event, relay: str, *, is_stored: bool) -> bool:
        """Open an event and hand the message on; drop an event that came before or can't be opened.

        `is_stored`: the relay had the event before the bot asked. Return whether the event is genuine:
        neither forged nor unreadable.
        """
        if event.id in self._seen:
            if not is_stored:
                self._arrivals.note_new(event.id)
            return True
        digest = event.digest()
        if digest in self._refused:
            return False
        # Opening takes a while: a relay that sends many events in a row must not starve other tasks.
        await asyncio.sleep(0)
        try:
            message = self._open(event, relay)
        except EventBroken as refusal:
            self._refused.add(digest)
            _log_refused(event, relay, refusal)
            return False
        if message is None or event.id in self._seen:
            return True
        self._note_seen(event.id)
        try:
            await self._hold(event.id, message, is_stored=is_stored)
        except BaseException:
            # The connection has ended meanwhile: the event comes again with the next.
            self._seen.pop(event.id, None)
            raise
        return True

    def _note_seen(self, event_id: str) -> None:
        self._seen[event_id] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)

    async def _hold(self, event_id: str, message: IncomingMessage, *, is_stored: bool) -> None:
        # A message that was handled before the start must not keep the sender's new messages waiting.
        if is_stored and await self._past.is_handled(message):
            return
        arrived_at = None if is_stored else self._clock.now()
        await self._arrivals.add(event_id, replace(message, arrived_at=arrived_at))

    def _open(self, event: Event, relay: str) -> IncomingMessage | None:
        """Return the message in an event; None for a genuine event without one. Raise EventBroken."""
        try:
            return open_message(event, self._key, now=self._clock.now(), relay=relay)
        except EventBroken:
            raise
        except MessageRefused as refusal:
            if isinstance(refusal, OwnMessage):
                self._note_seen(event.id)
            _log_refused(event, relay, refusal)
        except Exception:  # noqa: BLE001 - one stranger's event must never stop the bot
            _LOG.exception("event_unreadable event=%s relay=%s", event.id, relay)
        return None


def _log_refused(event: Event, relay: str, refusal: MessageRefused) -> None:
    _LOG.debug("event_refused event=%s relay=%s reason=%s", event.id, relay, refusal)

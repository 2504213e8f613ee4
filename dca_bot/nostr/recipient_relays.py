"""Brings events to relays that others chose: one visit each, to public addresses only.

Most that is slow happens here, so it is bounded: visits at once, for what goes to many apart from the
rest, and visits to hosts that have just kept us waiting for nothing.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from dca_bot.core.ports import Clock
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relay import Endpoint, Relay

_LOG = logging.getLogger(__name__)
GRACE_S = 3
"""So long a relay may take once another one has the event; who took longer in vain is left alone."""
_AVOID_FOR = timedelta(minutes=2)
_AVOIDED_MAX = 1_000
_AT_ONCE_MAX = 64
_BULK_AT_ONCE_MAX = 32


class Abroad:
    """The way to other people's relays; `find_endpoint` decides which may be connected to."""

    def __init__(
        self,
        key: SecretKey,
        clock: Clock,
        source: random.Random,
        find_endpoint: Callable[[str], Awaitable[Endpoint | None]],
    ) -> None:
        self._key = key
        self._clock = clock
        self._source = source
        self._find_endpoint = find_endpoint
        self._room = asyncio.Semaphore(_AT_ONCE_MAX)
        self._bulk_room = asyncio.Semaphore(_BULK_AT_ONCE_MAX)
        self._avoided: OrderedDict[str, tuple[datetime, bool]] = OrderedDict()

    async def send(self, event: Event, url: str, *, bulk: bool, is_only: bool = False) -> bool:
        """Bring an event to one relay; True if it answered OK true.

        A host that has just not answered counts as not answering again. So does one that was left as
        another relay had the event; but it may be slow and good, so not where it `is_only` there.
        """
        host, visit = urlsplit(url).netloc, _Visit(event)
        async with self._bulk_room if bulk else self._room:
            began_at = self._clock.now()
            until, was_left = self._avoided.get(host, (began_at, False))
            # What lies further ahead was noted by a clock that was wrong.
            if began_at < until <= began_at + _AVOID_FOR and not (is_only and was_left):
                return False
            was_left = True
            try:
                await self._go(visit, url)
                was_left = False
            finally:
                took = self._clock.now() - began_at
                if not visit.accepted and took >= timedelta(seconds=GRACE_S):
                    self._avoid(host, was_left=was_left)
            return visit.accepted

    def forget_silence(self) -> None:
        """Try every host again: it may have been the bot that was cut off."""
        self._avoided.clear()

    def _avoid(self, host: str, *, was_left: bool) -> None:
        self._avoided[host] = (self._clock.now() + _AVOID_FOR, was_left)
        self._avoided.move_to_end(host)
        if len(self._avoided) > _AVOIDED_MAX:
            self._avoided.popitem(last=False)

    async def _go(self, visit: "_Visit", url: str) -> None:
        """Connect to a relay for one visit, if it may be connected to at all."""
        endpoint = await self._find_endpoint(url)
        if endpoint is None:
            _LOG.info("foreign_relay_refused relay=%s", url)
            return
        relay = Relay(
            url,
            self._key,
            clock=self._clock,
            source=self._source,
            listener=visit,
            endpoint=endpoint,
        )
        await relay.connect_once()


@dataclass(slots=True)
class _Visit:
    """Brings one event to somebody else's relay and leaves."""

    event: Event
    accepted: bool = False

    async def on_connected(self, relay: Relay) -> None:
        self.accepted = await relay.publish(self.event)
        await relay.leave()

    async def on_event(self, event: Event) -> None:
        """Nothing is asked for, so nothing is taken."""

    async def on_stored_read(self) -> None:
        """Nothing is read."""

    async def on_disconnected(self) -> None:
        """Nothing is held."""

"""Tries a relay: connects, reads, and writes an event that no relay keeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import Clock
from dca_bot.core.relay_state import RelayState
from dca_bot.nostr.events import Event, sign
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.relay import Relay

_KIND_TEST = 20_059
"""A kind without a meaning; relays don't store the kinds from 20000 to 29999 (NIP-01)."""
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class RelayProbe:
    """The findings about a relay.

    `state`: the relay's state at the end of the trial. `connects`: a connection came about. `reads`: the
    relay answered a request for stored events. `written`: the answer to the test event; None if no test
    event was sent.
    """

    state: RelayState
    connects: bool
    reads: bool
    written: RelayAnswer | None = None


@dataclass(frozen=True, slots=True)
class RelayProber:
    """Tries relays with the bot's key, each over a connection of its own, for `limit_s` at most."""

    key: SecretKey
    clock: Clock
    random: Random
    limit_s: float = 20

    async def try_inbox(self, url: str) -> RelayProbe:
        """Try a relay of the bot: ask for the bot's messages, then send the bot a test event."""
        greeter = _Greeter()
        relay = self._relay(url, greeter, since=self.clock.now())
        async with self._connected(relay) as wait_until:
            reads = await wait_until(lambda: relay.state.listening)
            written = await relay.publish(self._test_event()) if reads else None
            return RelayProbe(relay.state, greeter.was_connected, reads, written)

    async def try_discovery(self, url: str) -> RelayProbe:
        """Try a discovery relay: ask for the bot's own profile."""
        greeter = _Greeter()
        relay = self._relay(url, greeter)
        async with self._connected(relay) as wait_until:
            found = None
            if await wait_until(lambda: greeter.was_connected):
                wanted = {"kinds": [0], "authors": [self.key.public_key], "limit": 1}
                found = await relay.query(wanted)
            return RelayProbe(relay.state, greeter.was_connected, reads=found is not None)

    def _relay(self, url: str, greeter: "_Greeter", *, since: datetime | None = None) -> Relay:
        return Relay(
            url, self.key, clock=self.clock, random=self.random, since=since, listener=greeter
        )

    @asynccontextmanager
    async def _connected(self, relay: Relay) -> AsyncIterator["_WaitUntil"]:
        """Connect a relay once, for the block; yield a function that waits for a condition.

        Waiting ends with False when the connection has ended or `limit_s` has passed.
        """
        connection = asyncio.create_task(relay.connect_once())

        async def wait_until(condition: Callable[[], bool]) -> bool:
            for _ in range(int(self.limit_s / _LOOK_S)):
                if condition() or connection.done():
                    break
                await self.clock.sleep(_LOOK_S)
            return condition()

        try:
            yield wait_until
        finally:
            connection.cancel()
            await asyncio.gather(connection, return_exceptions=True)

    def _test_event(self) -> Event:
        created_at = int(self.clock.now().timestamp())
        tags = (("p", self.key.public_key),)
        return sign(self.key, kind=_KIND_TEST, created_at=created_at, tags=tags, content="")


_WaitUntil = Callable[[Callable[[], bool]], Awaitable[bool]]


@dataclass(slots=True)
class _Greeter:
    """The listener that notes the connection alone."""

    met: Relay | None = field(default=None, init=False)

    @property
    def was_connected(self) -> bool:
        return self.met is not None

    async def on_connected(self, relay: Relay) -> None:
        self.met = relay

    async def on_event(self, event: Event, *, is_stored: bool) -> None:
        """Drop the event: a query's events go to the query."""

    async def on_stored_begins(self) -> None:
        """Do nothing."""

    async def on_stored_read(self) -> None:
        """Do nothing."""

    async def on_disconnected(self) -> None:
        """Do nothing."""

"""Visits relays that the bot isn't connected to, to deliver an event or to ask for events.

Relays that other people chose are visited at public addresses only; the discovery relays of the configuration
as written. Dead hosts make visits slow. The cost is bounded: so many visits at the same time (bulk messages
and questions apart from the rest), and no delivery for a while to a host that has just cost time in vain.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import Clock
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.nostr.events import Event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.frames import Filter
from dca_bot.nostr.relays.relay import Relay, RelayListener
from dca_bot.nostr.relays.relay_rules import RelayRules
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.nostr.relays.relay_troubles import Trouble, unreached
from dca_bot.nostr.relays.sealing import Sealer

_LOG = logging.getLogger(__name__)
GRACE_S = 3
"""Seconds left to a relay once another relay has the event.

A host that took longer without accepting is avoided for a while.
"""
_AVOID_FOR = timedelta(minutes=2)
_AVOIDED_MAX = 1_000
_RULES_MAX = 1_000
_AT_ONCE_MAX = 64
_BULK_AT_ONCE_MAX = 32
_ASKING_AT_ONCE_MAX = 16
_ASK_LIMIT_S = 15
_VISIT_LIMIT_S = 90
"""How long a delivery to one relay may take, proof of work included: a relay may always ask for more."""
_MUTE_FOR = timedelta(minutes=10)
_UNVISITED = Trouble(RelayTrouble.NOT_TRIED, "not visited yet")
_AVOIDED = Trouble(RelayTrouble.AVOIDED, "the host has just kept a visit waiting in vain")
_TOO_LONG = Trouble(RelayTrouble.NO_ANSWER, "no answer in time")
_NOT_PUBLIC = Trouble(RelayTrouble.NOT_PUBLIC, "no public address, or not wss")


class RecipientRelays:
    """Visits to relays; `find_endpoint` says where to connect, or forbids the visit.

    `trusted`: normalized URLs of the configuration, which are connected to as written.
    """

    def __init__(
        self,
        key: SecretKey,
        clock: Clock,
        random: Random,
        find_endpoint: Callable[[str], Awaitable[Endpoint | None]],
        trusted: Collection[str] = (),
        sealer: Sealer | None = None,
    ) -> None:
        self._key = key
        self._clock = clock
        self._random = random
        self._find_endpoint = find_endpoint
        self._trusted = frozenset(trusted)
        self._sealer = sealer
        self._rules: OrderedDict[str, RelayRules] = OrderedDict()
        self._room = asyncio.Semaphore(_AT_ONCE_MAX)
        self._bulk_room = asyncio.Semaphore(_BULK_AT_ONCE_MAX)
        self._asking_room = asyncio.Semaphore(_ASKING_AT_ONCE_MAX)
        self._avoided: OrderedDict[str, tuple[datetime, bool]] = OrderedDict()
        self._mute: OrderedDict[str, datetime] = OrderedDict()

    async def send(
        self, event: Event, url: str, *, bulk: bool, is_only: bool = False
    ) -> RelayAnswer:
        """Bring an event to a relay, and return the relay's answer or why none came.

        A host that has just kept a visit waiting for a connection is avoided, and not visited. A host
        is also avoided after a visit that was cut short because another relay had the event, unless
        `is_only`: the host may be slow but good, and the recipient lists no other relay.
        """
        host, visit = urlsplit(url).netloc, _Visit(event, unreached(url, _UNVISITED))
        async with self._bulk_room if bulk else self._room:
            began_at = self._clock.now()
            until, was_left = self._avoided.get(host, (began_at, False))
            # A time further ahead than _AVOID_FOR was noted while the clock was wrong.
            if began_at < until <= began_at + _AVOID_FOR and not (is_only and was_left):
                return unreached(url, _AVOIDED)
            was_left = True
            try:
                await self._go(visit, url)
                was_left = False
            finally:
                took = self._clock.now() - began_at
                # A missing answer is this message's bad luck alone: the host may answer the next.
                if not visit.is_connected and took >= timedelta(seconds=GRACE_S):
                    self._avoid(host, was_left=was_left)
            return visit.answer

    async def ask(self, url: str, wanted: Filter) -> Sequence[Event] | None:
        """Ask a relay for stored events, which are not verified; None if no answer came.

        A relay of other people that didn't answer is left alone for a while: None without a visit.
        """
        question, now = _Question(wanted), self._clock.now()
        # A time further ahead than _MUTE_FOR was noted while the clock was wrong.
        if now < self._mute.get(url, now) <= now + _MUTE_FOR:
            return None
        async with self._asking_room:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK_LIMIT_S):
                    await self._connect(question, url)
        if question.events is None and url not in self._trusted:
            self._mute[url] = self._clock.now() + _MUTE_FOR
            self._mute.move_to_end(url)
            if len(self._mute) > _AVOIDED_MAX:
                self._mute.popitem(last=False)
        return question.events

    def forget_avoided(self) -> None:
        """Try every host again: perhaps the bot was cut off, not the hosts."""
        self._avoided.clear()
        self._mute.clear()

    def _avoid(self, host: str, *, was_left: bool) -> None:
        self._avoided[host] = (self._clock.now() + _AVOID_FOR, was_left)
        self._avoided.move_to_end(host)
        if len(self._avoided) > _AVOIDED_MAX:
            self._avoided.popitem(last=False)

    def _rules_of(self, url: str) -> RelayRules:
        """Return what earlier visits have shown of a relay, within a bound."""
        rules = self._rules.setdefault(url, RelayRules(self._sealer))
        self._rules.move_to_end(url)
        if len(self._rules) > _RULES_MAX:
            self._rules.popitem(last=False)
        return rules

    async def _go(self, visit: "_Visit", url: str) -> None:
        """Connect to a relay for one delivery, if `find_endpoint` allows."""
        try:
            async with asyncio.timeout(_VISIT_LIMIT_S):
                relay = await self._connect(visit, url)
        except TimeoutError:
            visit.answer = unreached(url, _TOO_LONG)
            return
        if relay is None:
            _LOG.info("foreign_relay_refused relay=%s", url)
            visit.answer = unreached(url, _NOT_PUBLIC)
        elif visit.answer.trouble is RelayTrouble.NOT_TRIED:
            visit.answer = relay.unreached()

    async def _connect(self, visit: RelayListener, url: str) -> Relay | None:
        """Serve one connection for a visit until the end; None if no connection is allowed."""
        endpoint = None
        if url not in self._trusted:
            endpoint = await self._find_endpoint(url)
            if endpoint is None:
                return None
        relay = Relay(
            url,
            self._key,
            clock=self._clock,
            random=self._random,
            listener=visit,
            endpoint=endpoint,
            rules=self._rules_of(url),
        )
        await relay.connect_once()
        return relay


class _Guest:
    """The listener of a visit, which subscribes to nothing."""

    __slots__ = ()

    async def on_event(self, event: Event, *, is_stored: bool) -> None:
        """Ignore events: the visit subscribes to nothing."""

    async def on_stored_begins(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_stored_read(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_disconnected(self) -> None:
        """Do nothing: the visit holds no messages."""


@dataclass(slots=True)
class _Visit(_Guest):
    """The guest who publishes one event at a recipient's relay and leaves."""

    event: Event
    answer: RelayAnswer
    is_connected: bool = False

    async def on_connected(self, relay: Relay) -> None:
        self.is_connected = True
        self.answer = await relay.publish(self.event)
        await relay.leave()


@dataclass(slots=True)
class _Question(_Guest):
    """The guest who asks for stored events and leaves."""

    wanted: Filter
    events: Sequence[Event] | None = None

    async def on_connected(self, relay: Relay) -> None:
        self.events = await relay.query(self.wanted)
        await relay.leave()

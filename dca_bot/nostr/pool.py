"""The bot's messages over several relays: fulfils `core.ports.Messenger`.

Each of the bot's own relays stays connected and is read. Other people's relays are visited to
deliver one message.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import (
    Clock,
    DmProtocol,
    IncomingMessage,
    OutgoingMessage,
    PastReading,
    RelayHeard,
    SoughtPerson,
)
from dca_bot.core.relay_lists import RelayList
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import place_of
from dca_bot.nostr.announcement.announcement import Announcement
from dca_bot.nostr.announcement.presence import OwnRelays, Presence
from dca_bot.nostr.arrivals import Arrivals
from dca_bot.nostr.events import Event, parse_event
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.people.dns import find_public
from dca_bot.nostr.people.profiles import Ask, profile_address, profile_names
from dca_bot.nostr.people.recipient_relays import RecipientRelays
from dca_bot.nostr.people.relay_lists import RelayLists
from dca_bot.nostr.people.waves import publish_in_waves
from dca_bot.nostr.receiver import Receiver
from dca_bot.nostr.refused_events import RefusedEvents
from dca_bot.nostr.relays.echo import Echo
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_rules import RelayRules
from dca_bot.nostr.relays.relay_socket import Endpoint
from dca_bot.nostr.relays.relay_troubles import Trouble, unreached
from dca_bot.nostr.relays.sealing import Sealer

_LOG = logging.getLogger(__name__)
_QUEUE_MAX = 1_000
_SEALED_MAX = 256
_FORMER_FOR = timedelta(days=30)
"""How long a relay that is no longer configured gets the bot's new relay lists."""
_FORMER_MAX = 5
_PLACES_MAX = 8
"""The relays of one person that are asked for the profile, beside the bot's and the discovery relays."""


class _NoteHeard(Protocol):
    def __call__(self, url: str, event: Event, *, is_stored: bool) -> None: ...


class NostrMessenger:
    """Sends and receives encrypted direct messages while `run` runs.

    `past`: until when each of the bot's relays was heard (None: now). Relays are asked from 2 days and
    an hour before, as wraps are dated back. `presence`: what is published of the sender; None publishes
    nothing. `discovery`: relays that collect the relay lists of many people. `find_endpoint`: decides
    which relays of other people may be connected to.
    """

    def __init__(
        self,
        secret_key: SecretKey,
        relays: Sequence[str],
        clock: Clock,
        *,
        past: PastReading | None = None,
        random: Random,
        presence: Presence | None = None,
        discovery: Sequence[str] = (),
        find_endpoint: Callable[[str], Awaitable[Endpoint | None]] = find_public,
    ) -> None:
        self._key = secret_key
        self._clock = clock
        self._random = random
        self._sealer = Sealer(secret_key, clock, random)
        self._discovery = tuple(normalize(url) or url for url in discovery)
        self._recipient_relays = RecipientRelays(
            secret_key,
            clock,
            random,
            find_endpoint,
            trusted=self._discovery,
            sealer=self._sealer,
        )
        self._queue: asyncio.Queue[IncomingMessage] = asyncio.Queue(_QUEUE_MAX)
        past = past or PastReading(others=clock.now())
        self._refused = RefusedEvents(past.refused)
        self._arrivals = Arrivals(clock, self._queue.put)
        self._receiver = Receiver(secret_key, clock, self._arrivals, past, self._refused)
        self._announcement: Announcement | None = None
        if presence is not None:
            own = OwnRelays(relays, past.worked)
            # People who look at a relay that the bot has left would find the old list of inbox relays.
            heard = past.heard_since(clock.now() - _FORMER_FOR)
            former = [url for url in heard if not own.has(url)][:_FORMER_MAX]
            elsewhere = (*self._discovery, *former)
            self._announcement = Announcement(
                presence, secret_key, own, elsewhere, self._sealer, clock, random
            )
        names = {normalize(url) or url: url for url in relays}
        self._relays = {name: self._own_relay(url, past.of(name)) for name, url in names.items()}
        self._echoes = dict[str, Echo]()
        self._relay_lists = RelayLists(self._relays, self._recipient_relays, self._discovery)
        self._group: asyncio.TaskGroup | None = None
        self._sealed: OrderedDict[OutgoingMessage, str] = OrderedDict()

    async def run(self) -> None:
        """Keep the bot's relays connected until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._arrivals.run())
                for relay in self._relays.values():
                    self._arrivals.expect(relay.url)
                    group.create_task(relay.run())
                for echo in self._echoes.values():
                    group.create_task(echo.run())
                if self._announcement is not None:
                    group.create_task(self._announcement.run())
        finally:
            self._group = None

    def measure_hearing(self, *, every_s: float) -> None:
        """Have the bot write to itself over each relay that was silent for `every_s`, once `run` runs."""
        for url, relay in self._relays.items():
            pubkey = self._key.public_key
            self._echoes[url] = Echo(relay, pubkey, self._sealer, self._clock, every_s=every_s)

    async def incoming(self) -> AsyncIterator[IncomingMessage]:
        """Yield verified messages, stored messages first; an outer event normally comes once."""
        while True:
            yield await self._queue.get()

    async def look_up(
        self, people: Sequence[SoughtPerson], found: Callable[[RelayList], Awaitable[None]]
    ) -> bool:
        """Look for the relay lists of a few people, half a minute at most.

        `found` is called with each list as soon as the list comes. Return whether a relay of the bot's own
        answered.
        """
        if self._group is None:
            return False
        return await self._relay_lists.look_up(people, found)

    def seal(self, message: OutgoingMessage) -> str:
        """Make the event to publish, as JSON.

        NIP-17: a fresh wrap of the same rumor each time. NIP-04 has no rumor: the same event is
        returned for as long as the messenger remembers the message, so that the receiver's app
        shows the copies as one message.
        """
        if message.protocol is DmProtocol.NIP17:
            return self._seal_afresh(message)
        if message not in self._sealed:
            self._sealed[message] = self._seal_afresh(message)
            if len(self._sealed) > _SEALED_MAX:
                self._sealed.popitem(last=False)
        return self._sealed[message]

    async def deliver(
        self,
        event_json: str,
        waves: Sequence[Sequence[str]],
        counting: Collection[str],
        *,
        bulk: bool = False,
    ) -> Sequence[RelayAnswer]:
        """Publish an event to relays in waves until one of `counting` has accepted; return the answers.

        `bulk`: the event is one of many, and leaves room for the rest. Raise MessageRefused if
        `event_json` is no event.
        """
        if self._group is None:
            return ()
        event = parse_event(event_json)
        is_only = sum(map(len, waves)) == 1

        async def send(url: str) -> RelayAnswer:
            return await self._send(event, url, bulk=bulk, is_only=is_only)

        return await publish_in_waves(waves, counting, send, self._group)

    async def publish(self, event_json: str, relays: Sequence[str]) -> bool:
        """Publish an event; True as soon as a relay accepted.

        The other relays have GRACE_S seconds more. Raise MessageRefused if `event_json` is no event.
        """
        urls = tuple(dict.fromkeys(url for url in map(normalize, relays) if url is not None))
        answers = await self.deliver(event_json, [urls], urls)
        return any(answer.accepted for answer in answers)

    async def profile_names(self, pubkeys: Sequence[str]) -> Mapping[str, str]:
        """Look up the names in people's profiles (kind 0), by pubkey, within a few seconds."""
        return await profile_names(pubkeys, self._ways_to_ask())

    async def profile_address(self, person: SoughtPerson) -> str:
        """Look up `lud16` in a person's newest profile (kind 0), within a few seconds; empty if not found."""
        asks = self._ways_to_ask(person.places)
        return await profile_address(person.pubkey, asks, self._clock.now())

    def connected(self) -> int:
        """Return how many of the bot's own relays pass on new messages at present."""
        return sum(state.listening for state in self.relay_states())

    def relay_states(self) -> tuple[RelayState, ...]:
        """Return the state of each of the bot's own relays."""
        return tuple(relay.state for relay in self._relays.values())

    def heard(self) -> tuple[RelayHeard, ...]:
        """Return how far each of the bot's own relays was heard, by normalized URL."""
        found = ((url, relay.heard) for url, relay in self._relays.items())
        return tuple(replace(heard, url=url) for url, heard in found if heard is not None)

    def take_refused(self, count: int) -> list[bytes]:
        """Return digests of events refused for good that no earlier call has returned, `count` at most."""
        return self._refused.take_unrecorded(count)

    def _ways_to_ask(self, places: Sequence[str] = ()) -> list[Ask]:
        """Return the questions to the bot's relays, the discovery relays and some places of a person."""
        others = dict.fromkeys((*self._discovery, *places[:_PLACES_MAX]))
        elsewhere = (url for url in others if url not in self._relays)
        asked = (partial(self._recipient_relays.ask, url) for url in elsewhere)
        own = (relay.query for relay in self._relays.values())
        return [*own, *asked]

    def _own_relay(self, url: str, since: datetime) -> Relay:
        return Relay(
            url,
            self._key,
            clock=self._clock,
            random=self._random,
            since=since,
            rules=RelayRules(self._sealer),
            listener=_OwnMail(
                url,
                self._receiver,
                self._arrivals,
                self._announcement,
                self._recipient_relays,
                self._note_heard,
            ),
        )

    def _note_heard(self, url: str, event: Event, *, is_stored: bool) -> None:
        echo = self._echoes.get(url)
        if echo is not None:
            echo.note(event, is_stored=is_stored)

    def _seal_afresh(self, message: OutgoingMessage) -> str:
        return self._sealer.seal(message).to_json()

    async def _send(self, event: Event, url: str, **how: bool) -> RelayAnswer:
        """Bring an event to a relay; an error counts as not accepted, and doesn't touch other relays."""
        try:
            answer = await self._carry(event, url, **how)
            return replace(answer, relay=url)
        except Exception as error:  # noqa: BLE001 - no relay may end the bot
            name = type(error).__name__
            _LOG.error("publish_failed relay=%s error=%s at=%s", url, name, place_of(error))
            return unreached(url, Trouble(RelayTrouble.FAILED, f"failed by an unexpected {name}"))

    async def _carry(self, event: Event, url: str, **how: bool) -> RelayAnswer:
        own = self._relays.get(url)
        if own is not None:
            return await own.publish(event)
        return await self._recipient_relays.send(event, url, **how)


@dataclass(frozen=True, slots=True)
class _OwnMail:
    """The listener of one of the bot's own relays."""

    url: str
    receiver: Receiver
    arrivals: Arrivals
    announcement: Announcement | None
    recipient_relays: RecipientRelays
    note_heard: _NoteHeard

    async def on_connected(self, relay: Relay) -> None:
        self.recipient_relays.forget_avoided()
        if self.announcement is not None:
            self.announcement.on_connected(relay)

    async def on_event(self, event: Event, *, is_stored: bool) -> None:
        if await self.receiver.take(event, self.url, is_stored=is_stored):
            self.note_heard(self.url, event, is_stored=is_stored)

    async def on_stored_begins(self) -> None:
        self.arrivals.begin(self.url)

    async def on_stored_read(self) -> None:
        self.arrivals.complete(self.url)
        if self.announcement is not None:
            self.announcement.on_working(self.url)

    async def on_disconnected(self) -> None:
        self.arrivals.lose(self.url)
        if self.announcement is not None:
            self.announcement.on_disconnected(self.url)

"""Publishes what the bot says of itself, to the bot's own relays and to the discovery relays.

Each relay is read before anything is published there, and is sent only what the relay lacks. Relays
that refuse or can't be reached are tried again after growing delays, and named in `states`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from dca_bot.core.ports import Clock
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import MessageRefused, place_of
from dca_bot.nostr.events import Event, sign, verify
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.own_events import (
    KIND_PROFILE,
    KIND_RELAYS,
    Draft,
    OwnEvents,
    Slot,
    draft_inbox_relays,
    draft_profile,
    draft_relays,
    slot_of,
)
from dca_bot.nostr.relay import Relay
from dca_bot.nostr.relay_lists import KIND_INBOX_RELAYS

_LOG = logging.getLogger(__name__)
_KINDS = (KIND_PROFILE, KIND_RELAYS, KIND_INBOX_RELAYS)
_QUERY_EVENTS_MAX = 20
_SETTLE_S = 10
"""How long all own relays have to come up before the lists are published without the rest."""
_PATIENCE_S = 120
"""How long all relays have to answer before a profile is published by what some relays have."""
_REST_S = 60
"""How often a relay that keeps reconnecting is read again."""
_RETRY_S = 300
_READ_AGAIN_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Presence:
    """What the bot says of itself.

    `profile`: the profile's keys that the operator has set; '' takes a key away. `first_profile`: the
    keys of a bot that has no profile yet. `worked`: own relays that have passed messages on in an
    earlier run.
    """

    profile: Mapping[str, str] = field(default_factory=dict)
    first_profile: Mapping[str, str] = field(default_factory=dict)
    discovery_relays: tuple[str, ...] = ()
    worked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AnnouncementState:
    """How a relay takes the bot's announcement; `detail` is for a person, '' if nothing is wrong."""

    url: str
    own: bool
    detail: str


class Announcement:
    """Keeps the bot's own events published while `run` runs.

    The list of inbox relays has no other source than the configuration. Profile and relay list wait
    until every relay has told what is published, or until some have and the rest has had its time:
    what can't be read isn't overwritten in haste.
    """

    def __init__(
        self,
        presence: Presence,
        key: SecretKey,
        relays: Sequence[str],
        clock: Clock,
        random: Random,
    ) -> None:
        self._presence = presence
        self._key = key
        self._clock = clock
        self._random = random
        self._own = tuple(relays)
        self._worked = {_form(url) for url in presence.worked}
        own = {_form(url) for url in relays}
        elsewhere = [url for url in presence.discovery_relays if _form(url) not in own]
        self._places = [
            *(_Place(url, own=True) for url in relays),
            *(_Place(url, own=False) for url in elsewhere),
        ]
        self._events = OwnEvents(self._sign)
        self._settled = self._waited = False

    async def run(self) -> None:
        """Publish, and go on whenever something has changed, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stop_waiting())
            for place in self._places:
                group.create_task(self._attend(place))

    def states(self) -> tuple[AnnouncementState, ...]:
        """Return how each relay takes the announcement."""
        return tuple(
            AnnouncementState(place.url, place.own, place.detail) for place in self._places
        )

    def on_connected(self, relay: Relay) -> None:
        """Read an own relay again: the relay may have lost the events, or have newer events."""
        for place in self._places:
            if place.url == relay.url:
                place.connect(relay)

    def on_disconnected(self, url: str) -> None:
        """Leave an own relay alone until the next connection."""
        for place in self._places:
            if place.url == url:
                place.relay = None

    def on_working(self, url: str) -> None:
        """Note that an own relay passes messages on: from now on the lists may name the relay."""
        if _form(url) not in self._worked:
            self._worked.add(_form(url))
            self._wake_all()

    async def _stop_waiting(self) -> None:
        await self._clock.sleep(_SETTLE_S)
        self._settled = True
        self._wake_all()
        await self._clock.sleep(_PATIENCE_S - _SETTLE_S)
        self._waited = True
        self._wake_all()

    def _wake_all(self) -> None:
        for place in self._places:
            place.woken.set()

    async def _attend(self, place: "_Place") -> None:
        """Serve one relay whenever there is something to do there."""
        failures = 0
        while True:
            place.woken.clear()
            if self._has_business(place):
                failures = 0 if await self._serve(place) else failures + 1
            delay_s = (
                min(_RETRY_S * 2 ** (failures - 1), _READ_AGAIN_S) if failures else _READ_AGAIN_S
            )
            if not await self._woken_within(place, delay_s * self._random.uniform(0.5, 1)):
                place.expire()
            elif place.reconnected:
                place.reconnected = False
                await self._clock.sleep(_REST_S)

    async def _woken_within(self, place: "_Place", delay_s: float) -> bool:
        waiting = asyncio.ensure_future(place.woken.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(delay_s))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()
        return place.woken.is_set()

    def _has_business(self, place: "_Place") -> bool:
        if place.own and place.relay is None:
            return False
        wants_reading = place.unread and not place.read_failed
        return wants_reading or any(event.id not in place.failed for event in self._lacking(place))

    async def _serve(self, place: "_Place") -> bool:
        """Read a relay and publish there what the relay lacks; False if that failed in part."""
        place.served = True
        try:
            if place.relay is None:
                return await self._visit(place)
            # A relay that was lost meanwhile is served again at the next connection.
            return await self._meet(place, place.relay) or place.relay is None
        except Exception as error:  # noqa: BLE001 - no relay may end the bot
            name = type(error).__name__
            _LOG.error(
                "announcement_failed relay=%s error=%s at=%s", place.url, name, place_of(error)
            )
            return False

    async def _visit(self, place: "_Place") -> bool:
        visit = _Visit(self, place)
        relay = Relay(place.url, self._key, clock=self._clock, random=self._random, listener=visit)
        await relay.connect_once()
        if not visit.met:
            place.read_failed = True
            place.failed.update(event.id for event in self._lacking(place))
            place.note(relay.state.detail)
        return visit.done

    async def _meet(self, place: "_Place", relay: Relay) -> bool:
        if place.unread:
            await self._read(place, relay)
        refused = []
        for event in self._lacking(place):
            answer = await relay.publish(event)
            if answer.accepted:
                place.has[slot_of(event)] = event.id
                self._note_public(event)
            else:
                place.failed.add(event.id)
                refused.append(f"kind {event.kind} not accepted: {answer.words or answer.trouble}")
        unread = ["gives no answer to what is published"] if place.unread else []
        place.note("; ".join([*unread, *refused]))
        return not refused and not place.unread

    async def _read(self, place: "_Place", relay: Relay) -> None:
        """Learn which events of the bot a relay has."""
        wanted = {
            "kinds": list(_KINDS),
            "authors": [self._key.public_key],
            "limit": _QUERY_EVENTS_MAX,
        }
        found = await relay.query(wanted)
        place.unread, place.read_failed = found is None, found is None
        if found is None:
            return
        there = OwnEvents(self._sign)
        for event in filter(self._is_own, found):
            there.note_public(event)
        place.has = {slot: event.id for slot, event in there.public.items()}
        for event in there.public.values():
            self._note_public(event)
        if not place.answered:
            place.answered = True
            self._wake_all()

    def _is_own(self, event: Event) -> bool:
        if event.pubkey != self._key.public_key or event.kind not in _KINDS:
            return False
        try:
            verify(event)
        except MessageRefused:
            return False
        return True

    def _note_public(self, event: Event) -> None:
        before = dict(self._events.public)
        self._events.note_public(event)
        if self._events.public != before:
            self._wake_all()

    def _lacking(self, place: "_Place") -> list[Event]:
        now_s = int(self._clock.now().timestamp())
        events = [self._events.event_for(draft, now_s) for draft in self._drafts()]
        return [event for event in events if place.has.get(slot_of(event)) != event.id]

    def _drafts(self) -> list[Draft]:
        """Draft the events that can be decided by now."""
        public = self._events.public
        working = [url for url in self._own if _form(url) in self._worked]
        lists = bool(working) and (self._settled or len(working) == len(self._own))
        answered = [place.answered for place in self._places]
        is_read = all(answered) or (any(answered) and self._waited)
        drafts = []
        if is_read:
            profile = public.get((KIND_PROFILE, ""))
            given, first = self._presence.profile, self._presence.first_profile
            drafts.append(draft_profile(profile, given, first))
        if lists:
            drafts.append(draft_inbox_relays(working))
        if lists and is_read:
            drafts.append(draft_relays(public.get((KIND_RELAYS, "")), working, self._own))
        return drafts

    def _sign(self, draft: Draft, created_at: int) -> Event:
        return sign(
            self._key,
            kind=draft.kind,
            created_at=created_at,
            tags=draft.tags,
            content=draft.content,
        )


@dataclass(slots=True)
class _Place:
    """A relay where the bot announces itself; `relay` is the present connection to an own relay.

    `has`: the events of the bot that the relay has, by slot. `failed`: events that the relay didn't
    take since the last retry.
    """

    url: str
    own: bool
    relay: Relay | None = None
    reconnected: bool = False
    unread: bool = True
    read_failed: bool = False
    answered: bool = False
    served: bool = False
    detail: str = ""
    has: dict[Slot, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def connect(self, relay: Relay) -> None:
        """Note a new connection of the bot's own relay."""
        self.relay, self.reconnected = relay, self.served
        self.expire()
        self.woken.set()

    def expire(self) -> None:
        """Read the relay again, and try again what failed."""
        self.unread, self.read_failed = True, False
        self.failed.clear()

    def note(self, detail: str) -> None:
        """Keep what is wrong at the relay, and log each change."""
        if detail == self.detail:
            return
        self.detail = detail
        if detail:
            _LOG.warning("announcement_refused relay=%s detail=%r", self.url, detail)
        else:
            _LOG.info("announcement_accepted relay=%s", self.url)


@dataclass(slots=True)
class _Visit:
    """The listener that announces the bot at a discovery relay and leaves."""

    announcement: Announcement
    place: _Place
    met: bool = False
    done: bool = False

    async def on_connected(self, relay: Relay) -> None:
        self.met = True
        self.done = await self.announcement._meet(self.place, relay)  # noqa: SLF001
        await relay.leave()

    async def on_event(self, event: Event) -> None:
        """Ignore events: the visit subscribes to nothing."""

    async def on_stored_begins(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_stored_read(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_disconnected(self) -> None:
        """Do nothing: the visit holds no messages."""


def _form(url: str) -> str:
    """Return the form of an own relay's URL that is compared."""
    return normalize(url) or url

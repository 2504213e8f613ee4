"""Looks up the relay lists that people have signed: kind 10050 (NIP-17) and kind 10002 (NIP-65).

Many people publish their lists on relays of their own only. Asked are, at the same time, the bot's relays,
the relays that are known of the person, and the discovery relays; then the write relays of a kind 10002 that
turns up. The invariant: a list counts only with the author's signature.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.core.ports import Clock, SoughtPerson
from dca_bot.core.relay_lists import RelayList, RelayListKind, relays_of
from dca_bot.errors import MessageRefused, place_of
from dca_bot.nostr.events import Event, verify
from dca_bot.nostr.recipient_relays import RecipientRelays
from dca_bot.nostr.relay import Relay

_LOG = logging.getLogger(__name__)
_LOOK_UP_LIMIT_S = 30
_PLACES_MAX = 8
"""The relays of one person that are asked beside the bot's relays and the discovery relays."""
_LIST_CHARS_MAX = 20_000
_MUTE_FOR = timedelta(minutes=10)
_MUTE_MAX = 1_000

Found = Callable[[RelayList], Awaitable[None]]


class RelayLists:
    """Look-ups of relay lists. `own`: the bot's relays by normalized URL; `discovery`: normalized URLs."""

    def __init__(
        self,
        own: Mapping[str, Relay],
        recipient_relays: RecipientRelays,
        discovery: Sequence[str],
        clock: Clock,
    ) -> None:
        self._own = own
        self._recipient_relays = recipient_relays
        self._discovery = tuple(discovery)
        self._clock = clock
        self._mute: OrderedDict[str, datetime] = OrderedDict()

    async def look_up(self, people: Sequence[SoughtPerson], found: Found) -> None:
        """Look for the lists of a few people, half a minute at most.

        `found` is called with each list as soon as the list comes, unless a newer list of the same kind came
        before.
        """
        look = _LookUp(people, found)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_UP_LIMIT_S), asyncio.TaskGroup() as group:
                for url, pubkeys in look.first_places((*self._own, *self._discovery)).items():
                    group.create_task(self._ask(url, pubkeys, look, group))

    async def _ask(
        self, url: str, pubkeys: Sequence[str], look: "_LookUp", group: asyncio.TaskGroup
    ) -> None:
        """Ask one relay for the lists of people, and then the write relays that its answer names."""
        kinds = [int(kind) for kind in RelayListKind]
        limit = len(pubkeys) * len(kinds)
        events = await self._events(url, {"kinds": kinds, "authors": list(pubkeys), "limit": limit})
        for event in events:
            listed = _read(event)
            if listed is None or listed.pubkey not in pubkeys or not await look.take(listed):
                continue
            if listed.kind is RelayListKind.WRITE:
                for place in look.new_places(listed.pubkey, listed.relays):
                    group.create_task(self._ask(place, (listed.pubkey,), look, group))

    async def _events(self, url: str, wanted: dict[str, object]) -> Sequence[Event]:
        """Ask a relay; a relay of other people that didn't answer is left alone for a while."""
        own = self._own.get(url)
        if own is not None:
            return await own.query(wanted) or ()
        now = self._clock.now()
        # A time further ahead than _MUTE_FOR was noted while the clock was wrong.
        if now < self._mute.get(url, now) <= now + _MUTE_FOR:
            return ()
        try:
            events = await self._recipient_relays.ask(url, wanted)
        except Exception as error:  # noqa: BLE001 - no relay may end the look-up at the others
            name = type(error).__name__
            _LOG.error("look_up_failed relay=%s error=%s at=%s", url, name, place_of(error))
            events = None
        if events is not None:
            self._mute.pop(url, None)
            return events
        if url not in self._discovery:
            self._mute[url] = self._clock.now() + _MUTE_FOR
            self._mute.move_to_end(url)
            if len(self._mute) > _MUTE_MAX:
                self._mute.popitem(last=False)
        return ()


@dataclass(slots=True)
class _LookUp:
    """One look-up: which relays were asked for whom, and the newest lists so far."""

    people: Sequence[SoughtPerson]
    found: Found
    _asked: dict[str, set[str]] = field(default_factory=dict)
    _newest: dict[tuple[str, RelayListKind], int] = field(default_factory=dict)

    def first_places(self, everywhere: Sequence[str]) -> dict[str, list[str]]:
        """Return the relays to ask, each with the people to ask for; `everywhere` is asked for everybody."""
        places: dict[str, list[str]] = {}
        for person in self.people:
            self._asked[person.pubkey] = set(everywhere)
            own = self.new_places(person.pubkey, person.places)
            for url in dict.fromkeys((*everywhere, *own)):
                places.setdefault(url, []).append(person.pubkey)
        return places

    def new_places(self, pubkey: str, urls: Iterable[str]) -> list[str]:
        """Return the relays among `urls` that were not asked for a person yet, and note them as asked."""
        asked = self._asked[pubkey]
        new = [url for url in dict.fromkeys(urls) if url not in asked]
        asked.update(new)
        return new[:_PLACES_MAX]

    async def take(self, listed: RelayList) -> bool:
        """Report a list that is newer than the lists before; return whether the list is."""
        key = (listed.pubkey, listed.kind)
        if listed.created_at <= self._newest.get(key, -1):
            return False
        self._newest[key] = listed.created_at
        await self.found(listed)
        return True


def _read(event: Event) -> RelayList | None:
    """Return what a genuine list says; None for another event, a forged one, and one of absurd size."""
    try:
        kind = RelayListKind(event.kind)
        text = event.to_json()
        if len(text) > _LIST_CHARS_MAX:
            return None
        verify(event)
    except (ValueError, MessageRefused):
        return None
    return RelayList(event.pubkey, kind, event.created_at, relays_of(kind, event.tags), text)

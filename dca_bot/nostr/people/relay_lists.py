"""Looks up the relay lists that people have signed: kind 10050 (NIP-17) and kind 10002 (NIP-65).

Many people publish lists on relays of their own only. A look-up asks at the same time the bot's relays, the
relays known of the person, and the discovery relays; then the write relays of each kind 10002 that is found.
The invariant: a list counts only with the author's signature.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dca_bot.core.ports import SoughtPerson
from dca_bot.core.relay_lists import RelayList, RelayListKind, relays_of
from dca_bot.errors import MessageRefused, place_of
from dca_bot.nostr.events import Event, verify
from dca_bot.nostr.people.recipient_relays import RecipientRelays
from dca_bot.nostr.relays.relay import Relay

_LOG = logging.getLogger(__name__)
_LOOK_UP_LIMIT_S = 30
_PLACES_MAX = 8
"""The relays of one person that are asked beside the bot's relays and the discovery relays."""
_LIST_CHARS_MAX = 20_000

Found = Callable[[RelayList], Awaitable[None]]


class RelayLists:
    """Look-ups of relay lists. `own`: the bot's relays by normalized URL; `discovery`: normalized URLs."""

    def __init__(
        self,
        own: Mapping[str, Relay],
        recipient_relays: RecipientRelays,
        discovery: Sequence[str],
    ) -> None:
        self._own = own
        self._recipient_relays = recipient_relays
        self._discovery = tuple(discovery)

    async def look_up(self, people: Sequence[SoughtPerson], found: Found) -> bool:
        """Look for the lists of a few people, half a minute at most.

        `found` is called with each list as soon as the list comes. Lists older than a list of the same kind
        that came before are left out. Return whether a relay of the bot's own answered.
        """
        look = _LookUp(people, found)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_UP_LIMIT_S), asyncio.TaskGroup() as group:
                for url, pubkeys in look.first_places((*self._own, *self._discovery)).items():
                    group.create_task(self._ask(url, pubkeys, look, group))
        return look.is_answered

    async def _ask(
        self, url: str, pubkeys: Sequence[str], look: "_LookUp", group: asyncio.TaskGroup
    ) -> None:
        """Ask one relay for the lists of people, then each write relay that the answer names."""
        kinds = [int(kind) for kind in RelayListKind]
        limit = len(pubkeys) * len(kinds)
        wanted = {"kinds": kinds, "authors": list(pubkeys), "limit": limit}
        events = await self._events(url, wanted, look)
        for event in events:
            listed = _read(event)
            if listed is None or listed.pubkey not in pubkeys or not await look.take(listed):
                continue
            if listed.kind is RelayListKind.WRITE:
                for place in look.new_places(listed.pubkey, listed.relays):
                    group.create_task(self._ask(place, (listed.pubkey,), look, group))

    async def _events(
        self, url: str, wanted: dict[str, object], look: "_LookUp"
    ) -> Sequence[Event]:
        """Ask a relay for events; a relay that fails has none."""
        own = self._own.get(url)
        if own is not None:
            await own.tried()  # a look-up at the start of the bot comes before the connections
            events = await own.query(wanted)
            look.is_answered = look.is_answered or events is not None
            return events or ()
        try:
            return await self._recipient_relays.ask(url, wanted) or ()
        except Exception as error:  # noqa: BLE001 - no relay may end the look-up at the others
            name = type(error).__name__
            _LOG.error("look_up_failed relay=%s error=%s at=%s", url, name, place_of(error))
            return ()


@dataclass(slots=True)
class _LookUp:
    """One look-up: the relays asked for each person, and the newest lists so far.

    `is_answered`: whether a relay of the bot's own has answered.
    """

    people: Sequence[SoughtPerson]
    found: Found
    is_answered: bool = False
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
        """Report a list, unless a list as new came before; return whether the list was reported."""
        key = (listed.pubkey, listed.kind)
        if listed.created_at <= self._newest.get(key, -1):
            return False
        self._newest[key] = listed.created_at
        await self.found(listed)
        return True


def _read(event: Event) -> RelayList | None:
    """Read a genuine list; None for an event of another kind, a forged event, and an event of absurd size."""
    try:
        kind = RelayListKind(event.kind)
        text = event.to_json()
        if len(text) > _LIST_CHARS_MAX:
            return None
        verify(event)
    except (ValueError, MessageRefused):
        return None
    return RelayList(event.pubkey, kind, event.created_at, relays_of(kind, event.tags), text)

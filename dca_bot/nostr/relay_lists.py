"""Finds and remembers the relays where a person reads private messages (kind 10050, NIP-17).

The invariant: a list counts only with the author's signature, and the newest list ever seen wins,
so a relay with an old list can't bring the old list back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.ports import Clock
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import Event, verify
from dca_bot.nostr.relay import Relay

KIND_INBOX_RELAYS = 10_050
_RELAYS_MAX = 4
_PEOPLE_MAX = 1_000
_KNOWN_FOR = timedelta(hours=1)
_UNKNOWN_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Entry:
    event: Event | None
    fresh_until: datetime


class RelayLists:
    """Lists of inbox relays, looked up at the bot's own relays."""

    def __init__(self, relays: Sequence[Relay], clock: Clock) -> None:
        self._relays = relays
        self._clock = clock
        self._own = {normalize(relay.url): relay.url for relay in relays}
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def inbox_relays(self, pubkey: str) -> tuple[str, ...]:
        """Return a person's inbox relays, from memory while fresh; empty when no list is known.

        Only relays that may be written to are returned: wss, or one of the bot's own.
        """
        entry = self._entries.get(pubkey)
        now = self._clock.now()
        # An entry that stays fresh for longer than _KNOWN_FOR was noted while the clock was ahead.
        if entry is None or not now < entry.fresh_until <= now + _KNOWN_FOR:
            entry = await self._look_up(pubkey, entry)
        return () if entry.event is None else self._usable(entry.event)

    async def _look_up(self, pubkey: str, old: _Entry | None) -> _Entry:
        wanted = {"kinds": [KIND_INBOX_RELAYS], "authors": [pubkey], "limit": 1}
        answers = await asyncio.gather(*(relay.query(wanted) for relay in self._relays))
        answered = [events for events in answers if events is not None]
        candidates = [event for events in answered for event in events if _is_list(event, pubkey)]
        # The list known before competes too: the relays asked now may have older lists only.
        if old is not None and old.event is not None:
            candidates.append(old.event)
        newest = max(candidates, key=lambda event: event.created_at, default=None)
        lifetime = _KNOWN_FOR if newest is not None and answered else _UNKNOWN_FOR
        entry = _Entry(newest, self._clock.now() + lifetime)
        if newest is not None or answered:
            self._remember(pubkey, entry)
        return entry

    def _remember(self, pubkey: str, entry: _Entry) -> None:
        self._entries[pubkey] = entry
        self._entries.move_to_end(pubkey)
        if len(self._entries) > _PEOPLE_MAX:
            self._entries.popitem(last=False)

    def _usable(self, event: Event) -> tuple[str, ...]:
        """Pick at most four distinct relays, in the person's order; the bot's own relays as configured."""
        listed = (normalize(url) for url in event.values("relay"))
        usable = [
            self._own.get(url, url)
            for url in listed
            if url is not None and (url in self._own or url.startswith("wss://"))
        ]
        return tuple(dict.fromkeys(usable))[:_RELAYS_MAX]


def _is_list(event: Event, pubkey: str) -> bool:
    if event.kind != KIND_INBOX_RELAYS or event.pubkey != pubkey:
        return False
    try:
        verify(event)
    except MessageRefused:
        return False
    return True

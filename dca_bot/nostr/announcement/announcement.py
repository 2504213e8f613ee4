"""Publishes the bot's own events to the bot's own relays, to discovery relays and to former relays.

Each relay is read first, and then is sent the events that the relay lacks. Relays that refuse or can't be
reached are tried again after growing delays, and named in the log.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from random import Random

from dca_bot.core.ports import Clock
from dca_bot.errors import MessageRefused, place_of
from dca_bot.nostr.announcement.announced_relays import AnnouncedRelay, Visit
from dca_bot.nostr.announcement.command_manifest import (
    KIND_COMMAND,
    KIND_MANIFEST,
    draft_withdrawal,
)
from dca_bot.nostr.announcement.own_events import (
    KIND_INBOX_RELAYS,
    KIND_PROFILE,
    KIND_RELAYS,
    Draft,
    OwnEvents,
    draft_profile,
    slot_of,
)
from dca_bot.nostr.announcement.presence import OwnRelays, Presence, Stage, command_drafts, drafts
from dca_bot.nostr.events import Event, sign, verify
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_rules import RelayRules
from dca_bot.nostr.relays.sealing import Sealer

_LOG = logging.getLogger(__name__)
_KINDS = (KIND_PROFILE, KIND_RELAYS, KIND_INBOX_RELAYS)
_COMMAND_KINDS = (KIND_COMMAND, KIND_MANIFEST)
_QUERY_EVENTS_MAX = 100
_SETTLE_S = 10
"""How long all own relays have to come up before the lists are published without the rest."""
_PATIENCE_S = 30
"""How long all relays have to answer before a profile is published by what some relays have."""
_REST_S = 60
"""How often a relay that keeps reconnecting is read again."""
_RETRY_S = 300
_READ_AGAIN_S = 24 * 3600


class Announcement:
    """Keeps the bot's own events published while `run` runs.

    `elsewhere`: relays that aren't the bot's own, visited at the URLs that the operator has written.
    """

    def __init__(
        self,
        presence: Presence,
        key: SecretKey,
        own: OwnRelays,
        elsewhere: Sequence[str],
        sealer: Sealer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._presence = presence
        self._key = key
        self._clock = clock
        self._random = random
        self._own = own
        others = dict.fromkeys(url for url in elsewhere if own.may_be_told_at(url))
        self._relays = [
            *(AnnouncedRelay(url, own=True) for url in own.urls),
            *(AnnouncedRelay(url, own=False, rules=RelayRules(sealer)) for url in others),
        ]
        self._commands = command_drafts(presence, key.public_key)
        self._events = OwnEvents(self._sign, self._draft_profile)
        self._is_settled, self._is_patient = False, True

    async def run(self) -> None:
        """Publish, and go on whenever something has changed, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lose_patience())
            for place in self._relays:
                group.create_task(self._attend(place))

    def on_connected(self, relay: Relay) -> None:
        """Read an own relay again: the relay may have lost the events, or have newer events."""
        for place in self._relays:
            if place.url == relay.url:
                place.connect(relay)

    def on_disconnected(self, url: str) -> None:
        """Leave an own relay alone until the next connection."""
        for place in self._relays:
            if place.url == url:
                place.relay = None

    def on_working(self, url: str) -> None:
        """Note that an own relay passes messages on: from now on the lists may name the relay."""
        if self._own.note_working(url):
            self._wake_all()

    async def _lose_patience(self) -> None:
        await self._clock.sleep(_SETTLE_S)
        self._is_settled = True
        self._wake_all()
        await self._clock.sleep(_PATIENCE_S - _SETTLE_S)
        self._is_patient = False
        self._wake_all()

    def _wake_all(self) -> None:
        for place in self._relays:
            place.woken.set()

    async def _attend(self, place: AnnouncedRelay) -> None:
        """Serve a relay whenever the relay has to be read or lacks an event."""
        failures, delay_s = 0, _READ_AGAIN_S
        while True:
            place.woken.clear()
            is_done = await self._serve(place)
            if is_done is not None:
                failures = 0 if is_done else failures + 1
                delay_s = _delay_s(failures)
            # Jitter: bots that were started together don't come together each day.
            if not await self._is_woken_within(place, delay_s * self._random.uniform(0.5, 1)):
                place.expire()
            elif place.reconnected:
                place.reconnected = False
                await self._clock.sleep(_REST_S)

    async def _is_woken_within(self, place: AnnouncedRelay, delay_s: float) -> bool:
        waiting = asyncio.ensure_future(place.woken.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(delay_s))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()
        return place.woken.is_set()

    async def _serve(self, place: AnnouncedRelay) -> bool | None:
        """Read a relay and publish the events that the relay lacks.

        False after a failure, even in part; None if the relay needs neither.
        """
        try:
            if not self._has_business(place):
                return None
            place.served = True
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

    def _has_business(self, place: AnnouncedRelay) -> bool:
        if place.own and place.relay is None:
            return False
        wants_reading = place.unread and not place.read_failed
        return wants_reading or any(event.id not in place.failed for event in self._lacking(place))

    async def _visit(self, place: AnnouncedRelay) -> bool:
        """Connect for a visit to a relay that isn't the bot's own."""
        visit = Visit(partial(self._meet, place))
        relay = Relay(
            place.url,
            self._key,
            clock=self._clock,
            random=self._random,
            rules=place.rules,
            listener=visit,
        )
        await relay.connect_once()
        if visit.result is None:
            place.read_failed = True
            place.failed.update(event.id for event in self._lacking(place))
            place.note(relay.state.detail)
        return bool(visit.result)

    async def _meet(self, place: AnnouncedRelay, relay: Relay) -> bool:
        if place.unread:
            await self._read(place, relay)
        refused = []
        for event in self._lacking(place):
            answer = await relay.publish(event)
            if answer.accepted:
                place.has[slot_of(event)] = event
                self._note_public(event)
            else:
                place.failed.add(event.id)
                refused.append(f"kind {event.kind} not accepted: {answer.words or answer.trouble}")
        unread = ["gives no answer to what is published"] if place.unread else []
        place.note("; ".join([*unread, *refused]))
        return not place.detail

    async def _read(self, place: AnnouncedRelay, relay: Relay) -> None:
        """Ask a relay for the bot's events."""
        kinds = [*_KINDS, *(_COMMAND_KINDS if place.own else ())]
        wanted = {"kinds": kinds, "authors": [self._key.public_key], "limit": _QUERY_EVENTS_MAX}
        found = await relay.query(wanted)
        place.unread, place.read_failed = found is None, found is None
        if found is None:
            return
        there = OwnEvents(self._sign)
        for event in found:
            if event.kind in kinds and self._is_own(event):
                there.note_public(event)
        place.has = there.public
        for event in there.public.values():
            self._note_public(event)
        if not place.answered:
            place.answered = True
            self._wake_all()
        await self._withdraw(relay, list(there.public.values()))

    async def _withdraw(self, relay: Relay, published: Sequence[Event]) -> None:
        """Delete commands from an own relay that the bot tells of no more."""
        draft = draft_withdrawal(published, self._commands)
        if draft is not None:
            newest = max(event.created_at for event in published)
            await relay.publish(self._sign(draft, max(self._now_s(), newest)))

    def _is_own(self, event: Event) -> bool:
        if event.pubkey != self._key.public_key:
            return False
        try:
            verify(event)
        except MessageRefused:
            return False
        return True

    def _note_public(self, event: Event) -> None:
        if self._events.note_public(event):
            self._wake_all()

    def _lacking(self, place: AnnouncedRelay) -> list[Event]:
        """Return the events that are decided by now and that a relay doesn't have."""
        answered = [one.answered for one in self._relays]
        is_read = all(answered) or (any(answered) and not self._is_patient)
        stage = Stage(is_read=is_read, is_settled=self._is_settled)
        wanted = drafts(self._presence, self._own, self._events.public, stage)
        if place.own and is_read:
            wanted += self._commands
        events = [self._events.event_for(draft, self._now_s()) for draft in wanted]
        return [event for event in events if place.lacks(event)]

    def _draft_profile(self, published: Event | None) -> Draft:
        return draft_profile(published, self._presence.profile, self._presence.first_profile)

    def _sign(self, draft: Draft, created_at: int) -> Event:
        return sign(
            self._key,
            kind=draft.kind,
            created_at=created_at,
            tags=draft.tags,
            content=draft.content,
        )

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())


def _delay_s(failures: int) -> int:
    """Return the seconds until a relay is served again after so many failures in a row."""
    return min(_RETRY_S << (failures - 1), _READ_AGAIN_S) if failures else _READ_AGAIN_S

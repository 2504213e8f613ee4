"""The bot's mail over several relays: fulfils `core.ports.Messenger`.

Each of the bot's own relays is kept connected and read; other people's relays are connected to
for one message and left again.
"""

import asyncio
import json
import logging
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ports import Clock, DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.errors import place_of
from dca_bot.nostr.dm import seal_message
from dca_bot.nostr.dns import find_public, normalize
from dca_bot.nostr.events import Event, Tags, parse_event, sign
from dca_bot.nostr.keys import SecretKey
from dca_bot.nostr.receiver import Intake, Mailbag
from dca_bot.nostr.recipient_relays import GRACE_S, Abroad
from dca_bot.nostr.relay import Endpoint, Relay, RelayState
from dca_bot.nostr.relay_lists import KIND_INBOX_RELAYS, Directory

_LOG = logging.getLogger(__name__)
KIND_PROFILE = 0
KIND_RELAYS = 10_002
_QUEUE_MAX = 1_000
_SEALED_MAX = 256
_RELAYS_PER_EVENT_MAX = 8
_INBOX_RELAYS_MAX = 3


class NostrMessenger:
    """Sends and receives encrypted direct messages; works while `run` runs.

    `since` is when the bot last listened (None: now); the relays are asked from 2 days and an hour
    before it, as wraps are dated back. With a `name`, the bot's profile and relay lists are
    published to each relay that connects. `find_endpoint` decides which foreign relays may be
    connected to.
    """

    def __init__(
        self,
        secret_key: SecretKey,
        relays: Sequence[str],
        clock: Clock,
        *,
        since: datetime | None = None,
        random: random.Random,
        name: str | None = None,
        about: str = "",
        find_endpoint: Callable[[str], Awaitable[Endpoint | None]] = find_public,
    ) -> None:
        self._key = secret_key
        self._clock = clock
        self._random = random
        self._abroad = Abroad(secret_key, clock, random, find_endpoint)
        self._queue: asyncio.Queue[IncomingMessage] = asyncio.Queue(_QUEUE_MAX)
        self._intake = Intake(secret_key, clock, self._queue)
        since = since or clock.now()
        self._relays = {normalize(url) or url: self._own_relay(url, since) for url in relays}
        self._directory = Directory(tuple(self._relays.values()), clock)
        self._group: asyncio.TaskGroup | None = None
        self._sealed: OrderedDict[OutgoingMessage, str] = OrderedDict()
        self._announced: tuple[Event, ...] = ()
        if name is not None:
            self._announced = self._announcement(name, about)

    async def run(self) -> None:
        """Keep the bot's relays connected until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for relay in self._relays.values():
                    group.create_task(relay.run())
        finally:
            self._group = None

    async def incoming(self) -> AsyncIterator[IncomingMessage]:
        """Yield verified messages, stored ones first; an outer event normally comes once."""
        while True:
            yield await self._queue.get()

    async def inbox_relays(self, pubkey: str) -> tuple[str, ...]:
        """Look up a person's kind 10050 relays; empty when none is known."""
        return await self._directory.inbox_relays(pubkey)

    def seal(self, message: OutgoingMessage) -> str:
        """Make the event to publish, as JSON.

        NIP-17: a fresh wrap of the same rumor each time. NIP-04 has no rumor, so the same event is
        made again for as long as it is remembered, and the receiver collapses the copies.
        """
        if message.protocol is DmProtocol.NIP17:
            return self._seal_afresh(message)
        if message not in self._sealed:
            self._sealed[message] = self._seal_afresh(message)
            if len(self._sealed) > _SEALED_MAX:
                self._sealed.popitem(last=False)
        return self._sealed[message]

    async def publish(self, event_json: str, relays: Sequence[str], *, bulk: bool = False) -> bool:
        """Publish an event; True as soon as one relay answered OK true.

        The other relays have GRACE_S more. What goes to many, `bulk`, leaves room for the rest.
        """
        if self._group is None:
            return False
        event = parse_event(event_json)
        distinct = dict.fromkeys(url for url in map(normalize, relays) if url is not None)
        urls = list(distinct)[:_RELAYS_PER_EVENT_MAX]
        sends = [
            self._group.create_task(self._send(event, url, bulk=bulk, is_only=len(urls) == 1))
            for url in urls
        ]
        for accepted in asyncio.as_completed(sends):
            if await accepted:
                for send in sends:
                    asyncio.get_running_loop().call_later(GRACE_S, send.cancel)
                return True
        return False

    def connected(self) -> int:
        """Return how many of the bot's own relays pass on its mail at present."""
        return sum(state.listening for state in self.relay_states())

    def relay_states(self) -> tuple[RelayState, ...]:
        """Return how each of the bot's own relays is doing."""
        return tuple(relay.state for relay in self._relays.values())

    def _own_relay(self, url: str, since: datetime) -> Relay:
        return Relay(
            url,
            self._key,
            clock=self._clock,
            source=self._random,
            since=since,
            listener=_OwnMail(Mailbag(self._intake, url), self._introduce),
        )

    def _seal_afresh(self, message: OutgoingMessage) -> str:
        now = self._clock.now()
        return seal_message(message, self._key, now=now, source=self._random).to_json()

    async def _send(self, event: Event, url: str, **how: bool) -> bool:
        """Bring an event to one relay; an error counts as not accepted and touches no other."""
        try:
            return await self._carry(event, url, **how)
        except Exception as error:  # noqa: BLE001 - no relay may end the bot
            name = type(error).__name__
            _LOG.error("publish_failed relay=%s error=%s at=%s", url, name, place_of(error))
            return False

    async def _carry(self, event: Event, url: str, **how: bool) -> bool:
        own = self._relays.get(url)
        if own is not None:
            return await own.publish(event)
        return await self._abroad.send(event, url, **how)

    async def _introduce(self, relay: Relay) -> None:
        self._abroad.forget_silence()
        for event in self._announced:
            if not await relay.publish(event):
                _LOG.warning("announcement_refused relay=%s kind=%d", relay.url, event.kind)

    def _announcement(self, name: str, about: str) -> tuple[Event, ...]:
        """Sign profile (NIP-01, NIP-24), inbox relays (NIP-17) and relay list (NIP-65)."""
        profile = json.dumps({"name": name, "about": about, "bot": True}, ensure_ascii=False)
        urls = [relay.url for relay in self._relays.values()]
        inbox = tuple(("relay", url) for url in urls[:_INBOX_RELAYS_MAX])
        return (
            self._signed(KIND_PROFILE, (), profile),
            self._signed(KIND_INBOX_RELAYS, inbox, ""),
            self._signed(KIND_RELAYS, tuple(("r", url) for url in urls), ""),
        )

    def _signed(self, kind: int, tags: Tags, content: str) -> Event:
        created_at = int(self._clock.now().timestamp())
        return sign(self._key, kind=kind, created_at=created_at, tags=tags, content=content)


@dataclass(frozen=True, slots=True)
class _OwnMail:
    """Listens to one of the bot's own relays."""

    mailbag: Mailbag
    introduce: Callable[[Relay], Awaitable[None]]

    async def on_connected(self, relay: Relay) -> None:
        await self.introduce(relay)

    async def on_event(self, event: Event) -> None:
        await self.mailbag.add(event)

    async def on_stored_read(self) -> None:
        await self.mailbag.release()

    async def on_disconnected(self) -> None:
        await self.mailbag.hold()

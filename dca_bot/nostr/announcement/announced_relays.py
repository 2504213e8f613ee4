"""The relays that get the bot's announcement: the bot's events at each relay, and the relay's trouble."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dca_bot.nostr.announcement.own_events import Slot, is_same, slot_of
from dca_bot.nostr.events import Event
from dca_bot.nostr.relays.relay import Relay
from dca_bot.nostr.relays.relay_rules import RelayRules

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class AnnouncedRelay:
    """A relay that gets the bot's announcement, an own relay or a visited relay.

    `rules`: the demands of a visited relay on events. `relay`: the present connection to an own relay.
    `answered`: the relay has answered the query for the bot's events. `has`: the bot's events at the relay,
    by slot. `failed`: the events that the relay didn't take since the last retry. `detail`: the trouble, for
    a person. `woken`: perhaps the relay has to be read, or lacks an event.
    """

    url: str
    own: bool
    rules: RelayRules = field(default_factory=RelayRules)
    relay: Relay | None = None
    served: bool = False
    reconnected: bool = False
    unread: bool = True
    read_failed: bool = False
    answered: bool = False
    detail: str = ""
    has: dict[Slot, Event] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def lacks(self, event: Event) -> bool:
        """Tell whether the relay doesn't have an event of the bot."""
        known = self.has.get(slot_of(event))
        return known is None or not is_same(known, event)

    def connect(self, relay: Relay) -> None:
        """Note a new connection to an own relay: the relay may have lost the bot's events meanwhile."""
        self.relay, self.reconnected = relay, self.served
        self.expire()
        self.woken.set()

    def expire(self) -> None:
        """Have the relay read again, and everything that failed tried again."""
        self.unread, self.read_failed = True, False
        self.failed.clear()

    def note(self, detail: str) -> None:
        """Keep the relay's trouble, '' for none, and log each change."""
        if detail == self.detail:
            return
        self.detail = detail
        if detail:
            _LOG.warning("announcement_refused relay=%s detail=%r", self.url, detail)
        else:
            _LOG.info("announcement_accepted relay=%s", self.url)


@dataclass(slots=True)
class Visit:
    """The listener that acts at a relay and leaves; `result` is None without a connection."""

    act: Callable[[Relay], Awaitable[bool]]
    result: bool | None = None

    async def on_connected(self, relay: Relay) -> None:
        """Act, and end the visit."""
        self.result = False
        self.result = await self.act(relay)
        await relay.leave()

    async def on_event(self, event: Event, *, is_stored: bool) -> None:
        """Ignore events: the visit subscribes to nothing."""

    async def on_stored_begins(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_stored_read(self) -> None:
        """Do nothing: the visit subscribes to nothing."""

    async def on_disconnected(self) -> None:
        """Do nothing: the visit holds no messages."""

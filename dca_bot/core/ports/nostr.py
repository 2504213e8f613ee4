"""Encrypted direct messages over Nostr (NIP-17, NIP-04)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.relay_lists import RelayList
from dca_bot.core.relay_state import RelayState


class DmProtocol(StrEnum):
    """How a direct message is encrypted and carried."""

    NIP04 = "nip04"
    NIP17 = "nip17"


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A verified and decrypted direct message.

    `id` is the recomputed rumor id (NIP-17) or the event id (kind 4); `sender` a public key in hex;
    `sent_at` the rumor's or event's created_at; `relay` the relay that brought the message. `is_file`: the
    message is a file (NIP-17, kind 15), and `text` is empty. `arrived_at`: when the relay passed the message
    on as new; None: the relay had stored the message.
    """

    id: str
    sender: str
    text: str
    sent_at: datetime
    protocol: DmProtocol
    relay: str
    is_file: bool = False
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send; the same values always make the same rumor.

    `expires_at`: when the message is worthless; relays then drop the event (NIP-40).
    `file`: tags that make a NIP-17 message a file message (kind 15), whose text is the file's URL.
    """

    recipient: str
    text: str
    created_at: datetime
    protocol: DmProtocol
    expires_at: datetime | None = None
    file: tuple[tuple[str, str], ...] = ()


UNHEARD = timedelta(days=2)
"""How far back a relay is read at least if nobody knows how far the relay was heard."""


@dataclass(frozen=True, slots=True)
class RelayHeard:
    """How far one of the bot's relays was heard.

    Everything that the relay got before `heard_at` was received. `worked_at`: when the relay last passed
    messages on, in this run of the bot; None: not yet.
    """

    url: str
    heard_at: datetime
    worked_at: datetime | None


async def _nothing_handled(_message: IncomingMessage) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PastReading:
    """Until when each of the bot's relays was heard by earlier runs, by normalized URL.

    `others`: the same for a relay that is missing in `relays`. `worked`: the relays that have ever passed
    messages on. `refused`: the digests of events that were refused for good. `is_handled`: tells whether a
    message was handled already.
    """

    others: datetime
    relays: Mapping[str, datetime] = field(default_factory=dict)
    worked: frozenset[str] = frozenset()
    refused: Collection[bytes] = ()
    is_handled: Callable[[IncomingMessage], Awaitable[bool]] = _nothing_handled

    def of(self, url: str) -> datetime:
        """Return until when a relay was heard."""
        return self.relays.get(url, self.others)

    def heard_since(self, since: datetime) -> tuple[str, ...]:
        """Return the relays that were heard after an instant, the last heard first."""
        found = [url for url, at in self.relays.items() if at > since]
        return tuple(sorted(found, key=lambda url: self.relays[url], reverse=True))


@dataclass(frozen=True, slots=True)
class SoughtPerson:
    """A person whose lists or profile are looked up; `places`: relays that may have them, normalized."""

    pubkey: str
    places: tuple[str, ...] = ()


class Messenger(Protocol):
    """The bot's encrypted messages over all relays; works while `run` runs."""

    async def run(self) -> None:
        """Keep the relays connected until cancelled."""
        ...

    def incoming(self) -> AsyncIterator[IncomingMessage]:
        """Yield verified messages, stored messages first; a message may come once from each relay."""
        ...

    async def look_up(
        self, people: Sequence[SoughtPerson], found: Callable[[RelayList], Awaitable[None]]
    ) -> bool:
        """Look for the relay lists of a few people, half a minute at most; `found` gets each list at once.

        Return whether a relay of the bot's own answered.
        """
        ...

    def seal(self, message: OutgoingMessage) -> str:
        """Make the event to publish, as JSON (a fresh wrap of the same rumor each time)."""
        ...

    async def deliver(
        self,
        event_json: str,
        waves: Sequence[Sequence[str]],
        counting: Collection[str],
        *,
        bulk: bool = False,
    ) -> Sequence[RelayAnswer]:
        """Publish an event until a relay of `counting` has accepted (`core/routing`); return the answers.

        `bulk`: the event is one of many, and leaves room for the rest.
        """
        ...

    async def profile_names(self, pubkeys: Sequence[str]) -> Mapping[str, str]:
        """Look up the names in people's profiles (kind 0), by pubkey, within a few seconds."""
        ...

    async def profile_address(self, person: SoughtPerson) -> str:
        """Look up `lud16` in a person's newest profile (kind 0), within a few seconds; empty if not found."""
        ...

    def connected(self) -> int:
        """Return how many of the bot's own relays are connected."""
        ...

    def relay_states(self) -> Sequence[RelayState]:
        """Return the state of each of the bot's own relays."""
        ...

    def take_refused(self, count: int) -> Sequence[bytes]:
        """Return digests of events refused for good that no earlier call has returned, `count` at most."""
        ...

    def heard(self) -> Sequence[RelayHeard]:
        """Return how far each of the bot's own relays was heard."""
        ...

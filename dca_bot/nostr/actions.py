"""What a relay's protocol core asks its shell to do."""

from dataclasses import dataclass

from dca_bot.nostr.events import Event


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text to the relay."""

    text: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """An event for the bot arrived; it is not verified yet."""

    event: Event


@dataclass(frozen=True, slots=True)
class StoredRead:
    """The stored events were delivered; not all of them unless `complete`."""

    complete: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The relay took or refused a published event."""

    event_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Queried:
    """A query ended; without an answer unless `complete`."""

    query: str
    events: tuple[Event, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class WakeIn:
    """Call the core's `wake` with these values after the delay."""

    delay_s: float
    subscription: str
    turn: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection: a new one is the only way on."""

    reason: str


Action = Send | Deliver | StoredRead | Answered | Queried | WakeIn | Drop

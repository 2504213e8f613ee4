"""Actions that the protocol core of a relay connection hands to the shell."""

from dataclasses import dataclass

from dca_bot.nostr.events import Event


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame to the relay."""

    text: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand an event for the bot to the listener; the event is not verified yet.

    `is_stored`: the relay had the event before the bot asked.
    """

    event: Event
    is_stored: bool


@dataclass(frozen=True, slots=True)
class StoredBegins:
    """Tell the listener that the relay was asked for stored events: some may come out of order."""


@dataclass(frozen=True, slots=True)
class StoredRead:
    """Tell the listener that the stored events were delivered; `complete`: none is missing."""

    complete: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The relay took or refused a published event."""

    event_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AuthRefused:
    """The relay refused the answer to a challenge; another answer may suit the relay (see `authenticate`)."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class Queried:
    """A query has ended; `complete` is False if the relay gave no answer."""

    query: str
    events: tuple[Event, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class WakeIn:
    """Call the core's `wake` with subscription and turn after the delay."""

    delay_s: float
    subscription: str
    turn: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection: only a new connection can help."""

    reason: str


Action = (
    Send | Deliver | StoredBegins | StoredRead | Answered | AuthRefused | Queried | WakeIn | Drop
)

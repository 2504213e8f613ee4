"""Messages between relay and client (NIP-01, NIP-42): read strictly, written compactly."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import Event, event_from, parse_json

Filter = Mapping[str, Any]
_REASON_CHARS_MAX = 200
_CHALLENGE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class EventFrame:
    """An event that matches a subscription; not verified yet."""

    subscription: str
    event: Event


@dataclass(frozen=True, slots=True)
class EndOfStored:
    """EOSE: the relay has sent all stored events of a subscription."""

    subscription: str


@dataclass(frozen=True, slots=True)
class Closed:
    """CLOSED: the relay has ended a subscription."""

    subscription: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ok:
    """OK: the relay has accepted or refused an event."""

    event_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """AUTH: the relay asks for authentication (NIP-42); `text` is short printable ASCII, fit for signing."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """NOTICE: a text for people, without meaning for the protocol."""

    text: str


Frame = EventFrame | EndOfStored | Closed | Ok | Challenge | Notice


def parse_frame(text: str) -> Frame:
    """Read a relay's message; raise MessageRefused for a malformed or unknown message."""
    match parse_json(text):
        case ["EVENT", str(subscription), event]:
            return EventFrame(subscription, event_from(event))
        case ["EOSE", str(subscription), *_]:
            return EndOfStored(subscription)
        case ["CLOSED", str(subscription), *rest]:
            return Closed(subscription, _reason(rest))
        case ["OK", str(event_id), bool(accepted), *rest]:
            return Ok(event_id, accepted, _reason(rest))
        case ["AUTH", str(challenge)] if _is_plain(challenge):
            return Challenge(challenge)
        case ["NOTICE", str(notice)]:
            return Notice(notice[:_REASON_CHARS_MAX])
    raise MessageRefused("The relay sent a message that is none of NIP-01 and NIP-42.")


def event_frame(event: Event) -> str:
    """Write the request to publish an event."""
    return _frame("EVENT", event.fields())


def auth_frame(event: Event) -> str:
    """Write the answer to a challenge."""
    return _frame("AUTH", event.fields())


def request_frame(subscription: str, *filters: Filter) -> str:
    """Write the request (REQ) for stored and future events."""
    # No filter may carry `"limit": 0`: relays differ in the meaning.
    return _frame("REQ", subscription, *filters)


def close_frame(subscription: str) -> str:
    """Write the end of a subscription."""
    return _frame("CLOSE", subscription)


def _is_plain(challenge: str) -> bool:
    short = len(challenge) <= _CHALLENGE_CHARS_MAX
    return short and challenge.isascii() and challenge.isprintable()


def _reason(rest: list[Any]) -> str:
    return rest[0][:_REASON_CHARS_MAX] if rest and isinstance(rest[0], str) else ""


def _frame(*parts: Any) -> str:
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)

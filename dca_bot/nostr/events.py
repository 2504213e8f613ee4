"""Events of Nostr (NIP-01): parsed, verified, signed and written as JSON.

The invariant: nothing of an event is used before `verify` passed. The id must be the hash of the
content, and the signature must be the author's; an id doesn't cover the signature, so both are
checked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import coincurve

from dca_bot.errors import EventBroken, MessageRefused
from dca_bot.nostr.keys import SecretKey

Tags = tuple[tuple[str, ...], ...]
_EVENT_CHARS_MAX = 262_144
_TIMESTAMP_MAX = 253_402_300_799  # the end of the year 9999, datetime's last
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class UnsignedEvent:
    """The content of an event, without id and signature; `created_at` in seconds (NIP-01)."""

    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str

    @property
    def id(self) -> str:
        """Return the hash over the canonical serialization (NIP-01), in hex."""
        fields = [0, self.pubkey, self.created_at, self.kind, self.tags, self.content]
        return sha256(_compact_json(fields).encode()).hexdigest()

    def fields(self) -> dict[str, Any]:
        """Return what stands in the JSON of the event, but for the id and the signature."""
        return {
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": self.tags,
            "content": self.content,
        }

    def values(self, name: str) -> tuple[str, ...]:
        """Return the first value of every tag of that name."""
        return tuple(tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name)


@dataclass(frozen=True, slots=True)
class Event:
    """A signed event whose form was checked; only `verify` tells a genuine event from a forged event."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str

    @property
    def body(self) -> UnsignedEvent:
        """Return the part of the event that id and signature cover."""
        return UnsignedEvent(self.pubkey, self.created_at, self.kind, self.tags, self.content)

    def values(self, name: str) -> tuple[str, ...]:
        """Return the first value of every tag of that name."""
        return self.body.values(name)

    def digest(self) -> bytes:
        """Return the hash over the whole event, signature included; the id doesn't cover the signature."""
        fields = [
            self.id,
            self.pubkey,
            self.created_at,
            self.kind,
            self.tags,
            self.content,
            self.sig,
        ]
        return sha256(_compact_json(fields).encode()).digest()

    def fields(self) -> dict[str, Any]:
        """Return what stands in the JSON of the event."""
        return {"id": self.id, **self.body.fields(), "sig": self.sig}

    def to_json(self) -> str:
        """Write the event as JSON, as relays expect."""
        return _compact_json(self.fields())


def parse_event(text: str) -> Event:
    """Read an event from untrusted JSON; raise MessageRefused for a wrong form."""
    return event_from(parse_json(text))


def parse_json(text: str) -> Any:
    """Read untrusted JSON of bounded size.

    Raise MessageRefused for broken JSON, and for a lone surrogate: JSON can spell a lone surrogate,
    but UTF-8 can't, so the text could not be signed, hashed, sent or stored.
    """
    if len(text) > _EVENT_CHARS_MAX:
        raise MessageRefused("The JSON is larger than any message to the bot.")
    try:
        value = json.loads(text)
        # Only an escape can spell a lone surrogate.
        (_compact_json(value) if "\\u" in text else text).encode()
    except UnicodeEncodeError:
        raise MessageRefused("The text must be Unicode without lone surrogates.") from None
    except (ValueError, RecursionError):
        raise MessageRefused("The text is not JSON.") from None
    return value


def event_from(value: Any) -> Event:
    """Check the form of an event that was read from JSON: types, lengths, lowercase hex, ranges.

    Raise MessageRefused for any other form.
    """
    body = unsigned_from(value)
    return Event(
        id=_hex_field(value, "id", 64),
        pubkey=body.pubkey,
        created_at=body.created_at,
        kind=body.kind,
        tags=body.tags,
        content=body.content,
        sig=_hex_field(value, "sig", 128),
    )


def unsigned_from(value: Any) -> UnsignedEvent:
    """Check the form of an event without id and signature; raise MessageRefused for any other form."""
    if not isinstance(value, dict):
        raise MessageRefused("An event must be a JSON object.")
    content = value.get("content")
    if not isinstance(content, str):
        raise MessageRefused("An event's content must be text.")
    return UnsignedEvent(
        pubkey=_hex_field(value, "pubkey", 64),
        created_at=_int_field(value, "created_at", _TIMESTAMP_MAX),
        kind=_int_field(value, "kind", 65_535),
        tags=_tags_from(value.get("tags")),
        content=content,
    )


def verify(event: Event) -> None:
    """Check id and Schnorr signature (NIP-01, BIP-340); raise EventBroken if either is wrong."""
    if event.body.id != event.id:
        raise EventBroken("The event's id is not the hash of its content.")
    try:
        author = coincurve.PublicKeyXOnly(bytes.fromhex(event.pubkey))
        genuine = author.verify(bytes.fromhex(event.sig), bytes.fromhex(event.id))
    except ValueError:
        genuine = False
    if not genuine:
        raise EventBroken("The event's signature is not its author's.")


def sign(key: SecretKey, *, kind: int, created_at: int, tags: Tags, content: str) -> Event:
    """Build and sign an event."""
    return sign_draft(UnsignedEvent(key.public_key, created_at, kind, tags, content), key)


def sign_draft(draft: UnsignedEvent, key: SecretKey) -> Event:
    """Sign a draft whose author is the key's owner (NIP-01)."""
    id_ = draft.id
    return Event(
        id=id_,
        pubkey=draft.pubkey,
        created_at=draft.created_at,
        kind=draft.kind,
        tags=draft.tags,
        content=draft.content,
        sig=key.sign(bytes.fromhex(id_)).hex(),
    )


def refuse_expired(event: Event | UnsignedEvent, now: datetime) -> None:
    """Raise MessageRefused when an expiration tag (NIP-40) lies in the past or can't be read."""
    for value in event.values("expiration"):
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise MessageRefused("The event's expiration can't be read.")
        if int(value) <= now.timestamp():
            raise MessageRefused("The event has expired.")


def _compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _hex_field(value: Mapping[str, Any], name: str, length: int) -> str:
    found = value.get(name)
    if not isinstance(found, str) or len(found) != length or not _HEX.issuperset(found):
        raise MessageRefused(f"An event's {name} must be {length} lowercase hex digits.")
    return found


def _int_field(value: Mapping[str, Any], name: str, maximum: int) -> int:
    found = value.get(name)
    # Not isinstance: to Python, True is an int.
    if type(found) is not int or not 0 <= found <= maximum:
        raise MessageRefused(f"An event's {name} must be a whole number within its range.")
    return found


def _tags_from(value: Any) -> Tags:
    if not isinstance(value, list):
        raise MessageRefused("An event's tags must be a list.")
    for tag in value:
        if not isinstance(tag, list) or not all(isinstance(part, str) for part in tag):
            raise MessageRefused("An event's tags must be lists of text.")
    return tuple(tuple(tag) for tag in value)

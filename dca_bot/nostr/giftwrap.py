"""Private direct messages (NIP-17) in seals and gift wraps (NIP-59).

    wrap (kind 1059, one-time key) ── decrypt ──▶ seal (kind 13, sender's signature)
        ── decrypt ──▶ rumor (kind 14, unsigned)

The seal's signature is what proves the sender, so a rumor counts only for the seal's own author.
Only the rumor's time is the message's; wrap and seal times are drawn from the last two days.
"""

import json
import random
from dataclasses import asdict
from datetime import datetime

from dca_bot.errors import MessageRefused
from dca_bot.nostr import nip44
from dca_bot.nostr.events import (
    Event,
    UnsignedEvent,
    event_from,
    parse_json,
    refuse_expired,
    sign,
    unsigned_from,
    verify,
)
from dca_bot.nostr.keys import SecretKey, generate

KIND_SEAL = 13
KIND_CHAT = 14
KIND_WRAP = 1059
BACKDATE_S_MAX = 2 * 24 * 3600


def make_rumor(sender: str, recipient: str, text: str, created_at: int) -> UnsignedEvent:
    """Make the message itself; the same values always give the same id."""
    return UnsignedEvent(sender, created_at, KIND_CHAT, (("p", recipient),), text)


def wrap(
    rumor: UnsignedEvent, key: SecretKey, recipient: str, now: datetime, source: random.Random
) -> Event:
    """Seal a rumor with the sender's key and wrap it with a fresh one, both back-dated."""
    seal = sign(
        key,
        kind=KIND_SEAL,
        created_at=_backdated(now, source),
        tags=(),
        content=_encrypt(_rumor_json(rumor), key, recipient, source),
    )
    one_time_key = generate(source)
    return sign(
        one_time_key,
        kind=KIND_WRAP,
        created_at=_backdated(now, source),
        tags=(("p", recipient),),
        content=_encrypt(seal.to_json(), one_time_key, recipient, source),
    )


def unwrap(event: Event, key: SecretKey, now: datetime) -> UnsignedEvent:
    """Open a verified gift wrap for `key`'s owner and return the chat message in it.

    Raise MessageRefused for a seal that is not genuine or carries tags, for a rumor that is signed,
    by another author, expired, no text, or meant for a room of more than two.
    """
    seal = event_from(parse_json(_decrypt(event.content, key, event.pubkey)))
    if seal.kind != KIND_SEAL or seal.tags:
        raise MessageRefused("What the wrap holds is not a seal without tags.")
    verify(seal)
    rumor = _read_rumor(_decrypt(seal.content, key, seal.pubkey))
    if rumor.pubkey != seal.pubkey:
        raise MessageRefused("The message claims another sender than the one who sealed it.")
    _refuse_other_rooms(rumor, key)
    refuse_expired(rumor, now)
    return rumor


def _read_rumor(text: str) -> UnsignedEvent:
    value = parse_json(text)
    rumor = unsigned_from(value)
    if value.get("sig") not in (None, ""):
        raise MessageRefused("The message inside the seal is signed, which it must not be.")
    if rumor.kind != KIND_CHAT:
        raise MessageRefused("The message is no text: files, reactions and deletions are ignored.")
    return rumor


def _refuse_other_rooms(rumor: UnsignedEvent, key: SecretKey) -> None:
    """Let pass only what the sender wrote to the bot alone (NIP-17's room: author and p tags)."""
    receivers = set(rumor.values("p")) - {rumor.pubkey}
    if receivers != {key.public_key}:
        raise MessageRefused("The message is for a room that is not just the sender and the bot.")


def _rumor_json(rumor: UnsignedEvent) -> str:
    return json.dumps({"id": rumor.id} | asdict(rumor), ensure_ascii=False)


def _encrypt(text: str, key: SecretKey, recipient: str, source: random.Random) -> str:
    return nip44.encrypt(text, nip44.conversation_key(key, recipient), source.randbytes(32))


def _decrypt(payload: str, key: SecretKey, sender: str) -> str:
    return nip44.decrypt(payload, nip44.conversation_key(key, sender))


def _backdated(now: datetime, source: random.Random) -> int:
    return int(now.timestamp()) - source.randrange(BACKDATE_S_MAX)

"""Private direct messages (NIP-17) in seals and gift wraps (NIP-59).

    wrap (kind 1059, one-time key) ── decrypt ──▶ seal (kind 13, sender's signature)
        ── decrypt ──▶ rumor (kind 14 or 15, unsigned)

The invariant: the seal's signature proves the sender, so a rumor counts only if the seal has the
same author. The message's time is the rumor's; wrap and seal carry random times of the last two
days.
"""

import json
from datetime import datetime
from random import Random

from dca_bot.errors import EventBroken, MessageRefused
from dca_bot.nostr import nip44
from dca_bot.nostr.events import (
    Event,
    Tags,
    UnsignedEvent,
    event_from,
    parse_json,
    refuse_expired,
    sign,
    sign_draft,
    unsigned_from,
    verify,
)
from dca_bot.nostr.keys import SecretKey, generate

_KIND_SEAL = 13
_KIND_CHAT = 14
_KIND_FILE = 15
KIND_WRAP = 1059
_BACKDATE_S_MAX = 2 * 24 * 3600


def make_rumor(
    sender: str, recipient: str, text: str, created_at: int, file: Tags = ()
) -> UnsignedEvent:
    """Make the rumor, the unsigned message; the same values always give the same id.

    `file`: the tags of a file message, whose text is the file's URL.
    """
    kind = _KIND_FILE if file else _KIND_CHAT
    return UnsignedEvent(sender, created_at, kind, (("p", recipient), *file), text)


def wrap(rumor: UnsignedEvent, key: SecretKey, tags: Tags, now: datetime, random: Random) -> Event:
    """Seal a rumor with the sender's key, and wrap the seal with a one-time key; both are back-dated.

    `tags`: the tags of the wrap, first the recipient's p tag.
    """
    return sign_draft(*draft_wrap(rumor, key, tags, now, random))


def draft_wrap(
    rumor: UnsignedEvent,
    key: SecretKey,
    tags: Tags,
    now: datetime,
    random: Random,
    *,
    dates_now: bool = False,
) -> tuple[UnsignedEvent, SecretKey]:
    """Make a wrap as `wrap` does, not signed yet, and the one-time key to sign with.

    `dates_now`: date the wrap now, for a relay that refuses back-dated events.
    """
    _, recipient = tags[0]
    seal = sign(
        key,
        kind=_KIND_SEAL,
        created_at=_backdated(now, random),
        tags=(),
        content=nip44.encrypt(
            _rumor_json(rumor), nip44.kept_conversation_key(key, recipient), random.randbytes(32)
        ),
    )
    one_time_key = generate(random)
    draft = UnsignedEvent(
        pubkey=one_time_key.public_key,
        created_at=int(now.timestamp()) if dates_now else _backdated(now, random),
        kind=KIND_WRAP,
        tags=tags,
        content=nip44.encrypt(
            seal.to_json(), nip44.conversation_key(one_time_key, recipient), random.randbytes(32)
        ),
    )
    return draft, one_time_key


def unwrap(event: Event, key: SecretKey, now: datetime) -> UnsignedEvent:
    """Open a verified gift wrap for the owner of `key` and return the chat message inside.

    Raise EventBroken for a seal that is forged or carries tags, and for a rumor that is signed or by another
    author than the seal. Raise MessageRefused for a rumor that is expired, neither text nor file, or meant
    for a room of more than two people.
    """
    try:
        rumor = _open_seal(event, key)
    except MessageRefused as refusal:
        raise EventBroken(str(refusal)) from None
    if rumor.kind not in (_KIND_CHAT, _KIND_FILE):
        raise MessageRefused("The message is no text: reactions and deletions are ignored.")
    _refuse_other_rooms(rumor, key)
    refuse_expired(rumor, now)
    return rumor


def is_file(rumor: UnsignedEvent) -> bool:
    """Tell whether a chat message is a file (kind 15), not text."""
    return rumor.kind == _KIND_FILE


def _open_seal(event: Event, key: SecretKey) -> UnsignedEvent:
    opened = nip44.decrypt(event.content, nip44.conversation_key(key, event.pubkey))
    seal = event_from(parse_json(opened))
    if seal.kind != _KIND_SEAL or seal.tags:
        raise MessageRefused("What the wrap holds is not a seal without tags.")
    verify(seal)
    rumor = _read_rumor(nip44.decrypt(seal.content, nip44.kept_conversation_key(key, seal.pubkey)))
    if rumor.pubkey != seal.pubkey:
        raise MessageRefused("The message claims another sender than the one who sealed it.")
    return rumor


def _read_rumor(text: str) -> UnsignedEvent:
    value = parse_json(text)
    rumor = unsigned_from(value)
    # NIP-17: kind 14 is never signed, because a signed message could be published and proven.
    if value.get("sig") not in (None, ""):
        raise MessageRefused("The message inside the seal is signed, which it must not be.")
    return rumor


def _refuse_other_rooms(rumor: UnsignedEvent, key: SecretKey) -> None:
    """Raise MessageRefused if the room (NIP-17: author and p tags) has a third member.

    Some apps leave the bot's p tag out of the rumor: the wrap names the bot.
    """
    if set(rumor.values("p")) - {rumor.pubkey, key.public_key}:
        raise MessageRefused("The message is for a room that is not just the sender and the bot.")


def _rumor_json(rumor: UnsignedEvent) -> str:
    return json.dumps({"id": rumor.id, **rumor.fields()}, ensure_ascii=False)


def _backdated(now: datetime, random: Random) -> int:
    return int(now.timestamp()) - random.randrange(_BACKDATE_S_MAX)

"""Opens and seals direct messages of both protocols that apps speak: NIP-17 and NIP-04.

The invariant: a message from `open_message` was signed by the sender and was meant for the bot
alone.
"""

import re
from datetime import UTC, datetime, timedelta
from random import Random

from dca_bot.core.ports import DmProtocol, IncomingMessage, OutgoingMessage
from dca_bot.errors import EventBroken, KeyRefused, MessageRefused, OwnMessage
from dca_bot.nostr import giftwrap
from dca_bot.nostr.events import (
    Event,
    Tags,
    UnsignedEvent,
    refuse_expired,
    sign_draft,
    verify,
)
from dca_bot.nostr.keys import SecretKey, parse_npub
from dca_bot.nostr.primitives import decrypt_nip04, encrypt_nip04

_KIND_NIP04 = 4
KINDS = (_KIND_NIP04, giftwrap.KIND_WRAP)
CLOCK_TOLERANCE = timedelta(minutes=10)
"""How much later relays and apps drop a message (NIP-40) than the message is worthless.

On a phone whose clock is ahead, a code would vanish before its time.
"""
_CITATION = re.compile(r"\A\s*(?:nostr:(?:note|nevent|naddr)1[0-9a-z]+\s+)+")
"""The links to quoted messages (NIP-21) that apps write before a quoted reply."""

_ADDRESS = re.compile(r"\A(\s*/[^\s@]+)@(?:nostr:)?(n(?:pub|profile)1[0-9a-z]+)")


def open_message(event: Event, key: SecretKey, *, now: datetime, relay: str) -> IncomingMessage:
    """Verify an outer event and decrypt the message inside.

    Raise EventBroken for an event that is forged or can't be decrypted, OwnMessage for the bot's own. Raise
    MessageRefused for an event that is expired, not for the bot alone, or no direct message.
    """
    # Id and signature come first: a forged copy must not pass for the real event.
    verify(event)
    if key.public_key not in event.values("p"):
        raise MessageRefused("The event is for somebody else.")
    refuse_expired(event, now)
    if event.kind == giftwrap.KIND_WRAP:
        message = _open_nip17(event, key, now, relay)
    elif event.kind == _KIND_NIP04:
        message = _open_nip04(event, key, relay)
    else:
        raise MessageRefused("The event is no direct message.")
    if message.sender == key.public_key:
        raise OwnMessage("The message is the bot's own.")
    return message


def seal_message(
    message: OutgoingMessage, key: SecretKey, *, now: datetime, random: Random
) -> Event:
    """Make the event that carries a message to the recipient.

    NIP-17: the same message always holds the same rumor, in a fresh wrap. NIP-04: each call makes
    another event, as the initialization vector is fresh.
    """
    return sign_draft(*draft_message(message, key, now=now, random=random))


def draft_message(
    message: OutgoingMessage,
    key: SecretKey,
    *,
    now: datetime,
    random: Random,
    dates_now: bool = False,
) -> tuple[UnsignedEvent, SecretKey]:
    """Make the event that carries a message, not signed yet, and the key to sign with.

    `dates_now`: date a wrap now, for a relay that refuses back-dated events.
    """
    created_at = int(message.created_at.timestamp())
    tags = (("p", message.recipient), *_expiration(message))
    if message.protocol is DmProtocol.NIP17:
        # The expiration stands on the wrap alone (NIP-17): in an app's storage the question stays.
        rumor = giftwrap.make_rumor(
            key.public_key, message.recipient, message.text, created_at, message.file
        )
        return giftwrap.draft_wrap(rumor, key, tags, now, random, dates_now=dates_now)
    assert not message.file, "NIP-04 has no file messages"
    text = encrypt_nip04(message.text, key.raw, message.recipient)
    return UnsignedEvent(key.public_key, created_at, _KIND_NIP04, tags, text), key


def _expiration(message: OutgoingMessage) -> Tags:
    if message.expires_at is None:
        return ()
    drop_at = message.expires_at + CLOCK_TOLERANCE
    return (("expiration", str(int(drop_at.timestamp()))),)


def _open_nip17(event: Event, key: SecretKey, now: datetime, relay: str) -> IncomingMessage:
    rumor = giftwrap.unwrap(event, key, now)
    return IncomingMessage(
        id=rumor.id,
        sender=rumor.pubkey,
        text="" if giftwrap.is_file(rumor) else _typed(rumor.content, rumor, key),
        sent_at=_instant(rumor.created_at),
        protocol=DmProtocol.NIP17,
        relay=relay,
        is_file=giftwrap.is_file(rumor),
    )


def _open_nip04(event: Event, key: SecretKey, relay: str) -> IncomingMessage:
    # The text is encrypted for a single key. Apps add p tags for the people whom a text quotes or mentions.
    return IncomingMessage(
        id=event.id,
        sender=event.pubkey,
        text=_typed(_decrypt_nip04(event, key), event, key),
        sent_at=_instant(event.created_at),
        protocol=DmProtocol.NIP04,
        relay=relay,
    )


def _decrypt_nip04(event: Event, key: SecretKey) -> str:
    try:
        return decrypt_nip04(event.content, key.raw, event.pubkey)
    except ValueError:
        raise EventBroken("The text of the kind 4 message can't be decrypted.") from None


def _typed(text: str, event: Event | UnsignedEvent, key: SecretKey) -> str:
    """Return a text as the person has typed the text: without what the app put before it.

    That is the links of a quoted reply, and the bot's own address behind a command, as in
    `/balance@npub1…`: apps that complete commands write the address if several bots have the command.
    """
    if event.values("q") or event.values("e"):
        text = _CITATION.sub("", text)
    addressed = _ADDRESS.match(text)
    if addressed is None or not _is_own(addressed[2], key):
        return text
    return addressed[1] + text[addressed.end() :]


def _is_own(address: str, key: SecretKey) -> bool:
    try:
        return parse_npub(address) == key.public_key
    except KeyRefused:
        return False


def _instant(created_at: int) -> datetime:
    return datetime.fromtimestamp(created_at, UTC)

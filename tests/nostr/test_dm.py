import json
import random
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import nostr_sdk
import pytest

from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.errors import MessageRefused
from dca_bot.nostr import dm, events, giftwrap, nip44
from dca_bot.nostr.keys import SecretKey, generate

NOW = datetime(2026, 7, 22, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
ALICE, BOT, MALLORY = (SecretKey(bytes([n]) * 32) for n in (1, 2, 3))
SOURCE = random.Random(44)
TEXT = "balance: Q1,500.00 ñ 😀\n"


def theirs(key):
    return nostr_sdk.Keys.parse(key.nsec())


def opened(event, key, now=NOW):
    return dm.open_message(event, key, now=now, relay="wss://relay.example")


def outgoing(recipient, protocol):
    return OutgoingMessage(recipient.public_key, TEXT, NOW, protocol)


def rumor_of(**changed):
    body = giftwrap.make_rumor(ALICE.public_key, BOT.public_key, TEXT, NOW_S)
    return asdict(body) | changed


def seal_of(rumor, **changed):
    secret = nip44.conversation_key(ALICE, BOT.public_key)
    content = nip44.encrypt(json.dumps(rumor), secret, SOURCE.randbytes(32))
    fields = {"kind": 13, "created_at": NOW_S, "tags": (), "content": content} | changed
    return events.sign(ALICE, **fields)


def wrap_of(seal, **changed):
    key = generate(SOURCE)
    text = seal if isinstance(seal, str) else json.dumps(asdict(seal))
    content = nip44.encrypt(text, nip44.conversation_key(key, BOT.public_key), SOURCE.randbytes(32))
    fields = {
        "kind": 1059,
        "created_at": NOW_S,
        "tags": (("p", BOT.public_key),),
        "content": content,
    }
    return events.sign(key, **(fields | changed))


@pytest.mark.parametrize("protocol", DmProtocol)
def test_message_arrives_as_it_was_sent(protocol):
    event = dm.seal_message(outgoing(BOT, protocol), ALICE, now=NOW, random=SOURCE)
    message = opened(events.parse_event(event.to_json()), BOT)
    assert (message.sender, message.text, message.sent_at) == (ALICE.public_key, TEXT, NOW)
    assert (message.protocol, message.relay) == (protocol, "wss://relay.example")


def test_retried_message_has_the_same_rumor_in_another_wrap():
    message = outgoing(BOT, DmProtocol.NIP17)
    copies = [dm.seal_message(message, ALICE, now=NOW, random=SOURCE) for _ in range(3)]
    assert len({opened(copy, BOT).id for copy in copies}) == 1
    assert len({copy.id for copy in copies}) == len({copy.pubkey for copy in copies}) == 3


def test_wrap_hides_sender_and_time():
    message = outgoing(BOT, DmProtocol.NIP17)
    wraps = [dm.seal_message(message, ALICE, now=NOW, random=SOURCE) for _ in range(40)]
    ages = [NOW_S - wrap.created_at for wrap in wraps]
    assert all(0 <= age < 2 * 24 * 3600 for age in ages)
    assert max(ages) - min(ages) > 24 * 3600
    assert not any(ALICE.public_key in wrap.to_json() for wrap in wraps)


def test_independent_client_reads_the_bots_nip17():
    event = dm.seal_message(outgoing(ALICE, DmProtocol.NIP17), BOT, now=NOW, random=SOURCE)
    gift = nostr_sdk.UnwrappedGift.from_gift_wrap(
        theirs(ALICE), nostr_sdk.Event.from_json(event.to_json())
    )
    assert gift.sender().to_hex() == BOT.public_key
    assert gift.rumor().content() == TEXT
    assert gift.rumor().kind().as_u16() == 14
    assert gift.rumor().id().to_hex() == opened(event, ALICE).id


def test_independent_client_reads_the_bots_nip04():
    event = dm.seal_message(outgoing(ALICE, DmProtocol.NIP04), BOT, now=NOW, random=SOURCE)
    assert event.tags == (("p", ALICE.public_key),)
    assert nostr_sdk.Event.from_json(event.to_json()).verify()
    assert theirs(ALICE).nip04_decrypt(theirs(BOT).public_key(), event.content) == TEXT


def test_bot_reads_an_independent_clients_nip17():
    wrap = nostr_sdk.nip17_make_private_msg(theirs(ALICE), theirs(BOT).public_key(), TEXT)
    message = opened(events.parse_event(wrap.as_json()), BOT, datetime.now(UTC))
    gift = nostr_sdk.UnwrappedGift.from_gift_wrap(theirs(BOT), wrap)
    assert (message.sender, message.text) == (ALICE.public_key, TEXT)
    assert message.id == gift.rumor().id().to_hex()
    assert message.protocol is DmProtocol.NIP17


def test_bot_reads_an_independent_clients_nip04():
    content = theirs(ALICE).nip04_encrypt(theirs(BOT).public_key(), TEXT)
    builder = nostr_sdk.EventBuilder(nostr_sdk.Kind(4), content)
    event = builder.tags([nostr_sdk.Tag.public_key(theirs(BOT).public_key())]).finalize(
        theirs(ALICE)
    )
    message = opened(events.parse_event(event.as_json()), BOT)
    assert (message.id, message.sender) == (event.id().to_hex(), ALICE.public_key)
    assert (message.text, message.protocol) == (TEXT, DmProtocol.NIP04)


def test_nip44_agrees_with_an_independent_client_in_both_directions():
    shared_key = nip44.conversation_key(ALICE, BOT.public_key)
    ours = nip44.encrypt(TEXT, shared_key, SOURCE.randbytes(32))
    assert theirs(BOT).nip44_decrypt(theirs(ALICE).public_key(), ours) == TEXT
    assert nip44.decrypt(theirs(BOT).nip44_encrypt(theirs(ALICE).public_key(), TEXT), shared_key)


# What is wrong with the rumor, though the seal is genuine.
RUMORS = {
    "claims another sender": {"pubkey": MALLORY.public_key},
    "is signed": {"sig": "0" * 128},
    "is signed with a number": {"sig": 0},
    "is a reaction": {"kind": 7},
    "is a deletion": {"kind": 5},
    "is a kind 4": {"kind": 4},
    "is for three": {"tags": [["p", BOT.public_key], ["p", MALLORY.public_key]]},
    "is for somebody else": {"tags": [["p", MALLORY.public_key]]},
    "has no tags": {"tags": None},
    "has expired": {"tags": [["p", BOT.public_key], ["expiration", str(NOW_S - 1)]]},
    "has no text": {"content": None},
    "has no time": {"created_at": None},
}


# The wrap names the bot, so these are for the bot too.
ROOMS = {
    "bot": [["p", BOT.public_key]],
    "bot with a relay": [["p", BOT.public_key, "wss://relay.example"]],
    "nobody": [],
    "sender alone": [["p", ALICE.public_key]],
    "both": [["p", ALICE.public_key], ["p", BOT.public_key]],
    "bot, twice": [["p", BOT.public_key], ["p", BOT.public_key]],
    "reply": [["p", BOT.public_key], ["e", "0" * 64], ["q", "1" * 64], ["subject", "cash"]],
}


@pytest.mark.parametrize("tags", ROOMS.values(), ids=ROOMS.keys())
def test_rumor_is_taken_whose_p_tags_name_nobody_else_than_the_two(tags):
    message = opened(wrap_of(seal_of(rumor_of(tags=tags))), BOT)
    assert (message.sender, message.text, message.is_file) == (ALICE.public_key, TEXT, False)


def test_file_is_told_from_text_and_its_address_is_left_out():
    rumor = rumor_of(kind=15, content="https://files.example/x", tags=[["decryption-key", "k"]])
    message = opened(wrap_of(seal_of(rumor)), BOT)
    assert (message.sender, message.text, message.is_file) == (ALICE.public_key, "", True)


NEVENT = "nostr:nevent1qqsqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc3m5vj"
QUOTED = [
    (f"{NEVENT}\n\nbalance", [["q", "1" * 64]], "balance"),
    (
        f"{NEVENT} {NEVENT.replace('nevent', 'note')} confirm 7K2Q",
        [["e", "1" * 64]],
        "confirm 7K2Q",
    ),
    (f"{NEVENT}\n\nbalance", [], f"{NEVENT}\n\nbalance"),
    (f"broadcast see {NEVENT}", [["q", "1" * 64]], f"broadcast see {NEVENT}"),
    (NEVENT, [["q", "1" * 64]], NEVENT),
]


@pytest.mark.parametrize("protocol", DmProtocol)
@pytest.mark.parametrize(("text", "tags", "read"), QUOTED)
def test_quoted_reply_is_read_without_the_link_to_the_quoted_message(protocol, text, tags, read):
    tags = [["p", BOT.public_key], *tags]
    if protocol is DmProtocol.NIP17:
        event = wrap_of(seal_of(rumor_of(content=text, tags=tags)))
    else:
        content = theirs(ALICE).nip04_encrypt(theirs(BOT).public_key(), text)
        event = events.sign(ALICE, kind=4, created_at=NOW_S, tags=tags, content=content)
    assert opened(event, BOT).text == read


@pytest.mark.parametrize("changed", RUMORS.values(), ids=RUMORS.keys())
def test_rumor_is_refused_that(changed):
    rumor = rumor_of(**changed)
    with pytest.raises(MessageRefused, match=r"\.$"):
        opened(wrap_of(seal_of(rumor)), BOT)


SEALS = {
    "of another kind": lambda seal: resigned(ALICE, seal, kind=14),
    "with tags": lambda seal: resigned(ALICE, seal, tags=(("p", ALICE.public_key),)),
    "of somebody else's signature": lambda seal: replace(seal, sig=resigned(MALLORY, seal).sig),
    "altered": lambda seal: replace(seal, created_at=seal.created_at + 1),
    "with another id": lambda seal: replace(seal, id="0" * 64),
    "resigned by somebody else": lambda seal: resigned(MALLORY, seal),
    "that is text": lambda _: "hello",
    "that is null": lambda _: "null",
    "that is an unsigned event": lambda seal: json.dumps(asdict(seal.body)),
}


def resigned(key, seal, **changed):
    fields = {name: getattr(seal, name) for name in ("kind", "created_at", "tags", "content")}
    return events.sign(key, **(fields | changed))


@pytest.mark.parametrize("change", SEALS.values(), ids=SEALS.keys())
def test_seal_is_refused(change):
    seal = change(seal_of(rumor_of()))
    with pytest.raises(MessageRefused, match=r"\.$"):
        opened(wrap_of(seal), BOT)


WRAPS = {
    "for somebody else": {"tags": (("p", "1" * 64),)},
    "for nobody": {"tags": ()},
    "expired": {"tags": (("p", BOT.public_key), ("expiration", str(NOW_S)))},
    "of another kind": {"kind": 1060},
    "that is no payload": {"content": "hello"},
}


@pytest.mark.parametrize("changed", WRAPS.values(), ids=WRAPS.keys())
def test_wrap_is_refused(changed):
    wrap = wrap_of(seal_of(rumor_of()), **changed)
    with pytest.raises(MessageRefused, match=r"\.$"):
        opened(wrap, BOT)


@pytest.mark.parametrize("protocol", DmProtocol)
def test_outer_event_is_verified_before_anything_else(protocol):
    event = dm.seal_message(outgoing(BOT, protocol), ALICE, now=NOW, random=SOURCE)
    for forged in (
        replace(event, sig=resigned(MALLORY, event).sig),
        replace(event, id="0" * 64),
        replace(event, pubkey=MALLORY.public_key),
    ):
        with pytest.raises(MessageRefused, match=r"id is not|signature is not"):
            opened(forged, BOT)


def test_rumor_id_is_computed_and_not_believed():
    honest = giftwrap.make_rumor(ALICE.public_key, BOT.public_key, TEXT, NOW_S)
    rumor = rumor_of(id="0" * 64)
    message = opened(wrap_of(seal_of(rumor)), BOT)
    assert message.id == honest.id


@pytest.mark.parametrize("protocol", DmProtocol)
def test_bots_own_message_is_refused(protocol):
    event = dm.seal_message(outgoing(BOT, protocol), BOT, now=NOW, random=SOURCE)
    with pytest.raises(MessageRefused):
        opened(event, BOT)


@pytest.mark.parametrize(
    "content", ["", "hello", "hello?iv=", "?iv=AAAA", "aGVsbG8=?iv=aGVsbG8=", "é?iv=é", "=?iv=="]
)
def test_kind_4_that_cannot_be_decrypted_is_refused(content):
    event = events.sign(
        ALICE, kind=4, created_at=NOW_S, tags=(("p", BOT.public_key),), content=content
    )
    with pytest.raises(MessageRefused, match="decrypted"):
        opened(event, BOT)


@pytest.mark.parametrize(
    "tags",
    [
        (("p", BOT.public_key), ("p", MALLORY.public_key)),
        (("p", MALLORY.public_key), ("p", BOT.public_key)),
        (("p", BOT.public_key), ("p", ALICE.public_key), ("e", "0" * 64)),
        (("p", BOT.public_key), ("p", BOT.public_key), ("q", "0" * 64)),
    ],
)
def test_kind_4_for_the_bot_is_taken_whomever_its_text_mentions(tags):
    content = theirs(ALICE).nip04_encrypt(theirs(BOT).public_key(), TEXT)
    event = events.sign(ALICE, kind=4, created_at=NOW_S, tags=tags, content=content)
    assert opened(event, BOT).text == TEXT


def test_kind_4_for_somebody_else_that_names_the_bot_cannot_be_read():
    content = theirs(ALICE).nip04_encrypt(theirs(MALLORY).public_key(), TEXT)
    tags = (("p", MALLORY.public_key), ("p", BOT.public_key))
    event = events.sign(ALICE, kind=4, created_at=NOW_S, tags=tags, content=content)
    with pytest.raises(MessageRefused, match="decrypted"):
        opened(event, BOT)


@pytest.mark.parametrize(
    "tags",
    [
        (("p", MALLORY.public_key),),
        (("p", BOT.public_key), ("expiration", str(NOW_S))),
    ],
)
def test_kind_4_not_for_the_bot_or_expired_is_refused(tags):
    content = theirs(ALICE).nip04_encrypt(theirs(BOT).public_key(), TEXT)
    event = events.sign(ALICE, kind=4, created_at=NOW_S, tags=tags, content=content)
    with pytest.raises(MessageRefused):
        opened(event, BOT)


@pytest.mark.parametrize("protocol", DmProtocol)
def test_message_that_becomes_worthless_says_so_on_the_outer_event_alone_a_little_later(protocol):
    expires_at = NOW + timedelta(minutes=10)
    message = replace(outgoing(ALICE, protocol), expires_at=expires_at)
    event = dm.seal_message(message, BOT, now=NOW, random=SOURCE)
    theirs_event = nostr_sdk.Event.from_json(event.to_json())
    assert theirs_event.verify()
    assert ["expiration", str(NOW_S + 1200)] in [tag.to_vec() for tag in theirs_event.tags()]
    assert event.tags == (("p", ALICE.public_key), ("expiration", str(NOW_S + 1200)))
    assert opened(event, ALICE).text == TEXT
    if protocol is DmProtocol.NIP17:
        gift = nostr_sdk.UnwrappedGift.from_gift_wrap(theirs(ALICE), theirs_event)
        assert [tag.to_vec()[0] for tag in gift.rumor().tags()] == ["p"]
        lasting = dm.seal_message(outgoing(ALICE, protocol), BOT, now=NOW, random=SOURCE)
        assert opened(event, ALICE).id == opened(lasting, ALICE).id


def test_message_in_a_wrap_two_days_old_has_its_own_time():
    then = NOW - timedelta(minutes=3)
    message = OutgoingMessage(BOT.public_key, TEXT, then, DmProtocol.NIP17)
    assert opened(dm.seal_message(message, ALICE, now=NOW, random=SOURCE), BOT).sent_at == then

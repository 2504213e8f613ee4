import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import nostr_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.errors import MessageRefused
from dca_bot.nostr import events
from dca_bot.nostr.keys import SecretKey

NOW = datetime(2026, 7, 22, 12, tzinfo=UTC)
KEY = SecretKey((3).to_bytes(32))
OTHER = SecretKey((4).to_bytes(32))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def signed(key=KEY, *, tags=(), content="hola"):
    return events.sign(key, kind=1, created_at=1_700_000_000, tags=tags, content=content)


def as_json(**changed):
    return json.dumps(asdict(signed()) | changed)


@given(content=TEXTS, tag=st.lists(TEXTS, min_size=1, max_size=3))
def test_event_id_and_signature_agree_with_an_independent_client(content, tag):
    event = signed(tags=(tuple(tag),), content=content)
    events.verify(event)
    assert events.parse_event(event.to_json()) == event
    assert nostr_sdk.Event.from_json(event.to_json()).verify()


def test_every_control_character_is_serialized_as_others_do():
    event = signed(content="".join(chr(code) for code in range(256)) + "\u2028😀")
    assert nostr_sdk.Event.from_json(event.to_json()).verify()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"content": 1e999}',
        "1" * 10_000,
        "x" * 300_000,
        as_json(id=None),
        as_json(id="00"),
        as_json(id=signed().id.upper()),
        as_json(pubkey=1),
        as_json(pubkey="g" * 64),
        as_json(sig=""),
        as_json(sig="é" * 128),
        as_json(created_at=True),
        as_json(created_at=1.5),
        as_json(created_at=-1),
        as_json(created_at=10**20),
        as_json(created_at="1700000000"),
        as_json(kind=65_536),
        as_json(kind=None),
        as_json(tags=None),
        as_json(tags={}),
        as_json(tags=[None]),
        as_json(tags=["p"]),
        as_json(tags=[["p", 1]]),
        as_json(content=None),
        as_json(content=["hola"]),
        as_json(content="\ud800"),
        as_json(tags=[["\udfff"]]),
    ],
)
def test_malformed_event_is_refused(text):
    with pytest.raises(MessageRefused, match=r"\.$"):
        events.parse_event(text)


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud800"',
        r'["\udfff"]',
        r'[{"\ud800": 1}]',
        r'{"note": [[["x\udc00y"]]]}',
        r'"\ude00\ud83d"',
        '"\ud800"',
        as_json(extra="\ud800"),
        as_json(pubkey="\udead"),
    ],
)
def test_lone_surrogate_anywhere_is_refused(text):
    with pytest.raises(MessageRefused, match="surrogate"):
        events.parse_json(text)


def test_surrogates_that_belong_together_are_one_character():
    assert events.parse_json(r'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize(
    "forged",
    [
        replace(signed(), id="0" * 64),
        replace(signed(), content="adios"),
        replace(signed(), pubkey=OTHER.public_key),
        replace(signed(), sig=signed(OTHER).sig),
        replace(signed(), sig="0" * 128),
        replace(signed(), pubkey="f" * 64),
        replace(signed(), tags=(("p", "x"),)),
        replace(signed(), created_at=1),
    ],
)
def test_event_that_is_not_its_authors_is_refused(forged):
    with pytest.raises(MessageRefused):
        events.verify(forged)


def test_impossible_author_is_refused_although_the_id_is_right():
    body = replace(signed().body, pubkey="f" * 64)
    with pytest.raises(MessageRefused, match="signature"):
        events.verify(replace(signed(), id=body.id, pubkey=body.pubkey))


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        (str(int((NOW - timedelta(seconds=1)).timestamp())), True),
        (str(int(NOW.timestamp())), True),
        (str(int((NOW + timedelta(seconds=1)).timestamp())), False),
        ("soon", True),
        ("-1", True),
        ("²", True),
        ("9" * 5_000, True),
    ],
)
def test_expiration_is_honoured(value, refused):
    event = signed(tags=(("expiration", value),))
    if refused:
        with pytest.raises(MessageRefused, match="expir"):
            events.refuse_expired(event, NOW)
    else:
        events.refuse_expired(event, NOW)

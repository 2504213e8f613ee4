"""The drafts of what the bot publishes, and which event of a slot is the newest."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.nostr import keys
from dca_bot.nostr.announcement.own_events import (
    Draft,
    OwnEvents,
    draft_inbox_relays,
    draft_profile,
    draft_relays,
    slot_of,
)
from dca_bot.nostr.announcement.presence import OwnRelays
from dca_bot.nostr.events import Event, sign

KEY = keys.generate()
NOW_S = 1_800_000_000


def published(kind=0, *, content="", tags=(), at=NOW_S):
    return sign(KEY, kind=kind, created_at=at, tags=tags, content=content)


def own_events():
    return OwnEvents(
        lambda draft, at: published(draft.kind, content=draft.content, tags=draft.tags, at=at)
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PROFILES = st.dictionaries(st.sampled_from(["name", "about", "bot", "nip05"]) | TEXTS, JSON)
GIVEN = st.dictionaries(st.sampled_from(["name", "about", "picture", "nip05", "lud16"]), TEXTS)


@given(PROFILES, GIVEN, GIVEN)
def test_given_keys_win_and_all_others_stay(old, configured, first):
    event = published(content=json.dumps(old))
    fields = json.loads(draft_profile(event, configured, first).content)
    assert fields["bot"] is True
    for name, value in configured.items():
        assert fields.get(name, "") == value
    others = set(old) - set(configured) - {"bot", "display_name", "displayName"}
    assert {name: fields[name] for name in others} == {name: old[name] for name in others}
    assert set(fields) <= set(old) | set(configured) | {"bot"}


@given(PROFILES, GIVEN)
def test_profile_that_says_all_already_is_left_as_it_is(old, configured):
    first = draft_profile(published(content=json.dumps(old)), configured, {})
    again = draft_profile(published(content=first.content, tags=first.tags), configured, {})
    assert again == first


def test_profile_written_in_another_way_is_not_published_anew():
    event = published(content='{ "bot":true,"name" : "Ana \\u00e9" }')
    assert draft_profile(event, {"name": "Ana é"}, {}).is_said_by(event)
    assert not draft_profile(event, {"name": "Ana e"}, {}).is_said_by(event)
    number = published(content='{"bot":1}')
    assert not draft_profile(number, {}, {}).is_said_by(number)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{", '"x"', '{"a":"\\ud800"}', "[" * 100_000]
)
def test_profile_that_no_app_can_read_is_made_anew(content):
    draft = draft_profile(published(content=content), {"about": "A"}, {"name": "N", "about": "B"})
    assert json.loads(draft.content) == {"name": "N", "about": "A", "bot": True}


def test_first_keys_are_for_a_bot_without_a_profile_alone():
    first = {"name": "dca-bot", "about": "Savings"}
    assert json.loads(draft_profile(None, {}, first).content) == first | {"bot": True}
    assert json.loads(draft_profile(published(content="{}"), {}, first).content) == {"bot": True}
    named = draft_profile(None, {"name": "Ahorro", "about": ""}, first)
    assert json.loads(named.content) == {"name": "Ahorro", "bot": True}


def test_inbox_list_has_three_relays_at_most():
    urls = [f"wss://{name}.example" for name in "abcd"]
    assert draft_inbox_relays(urls).tags == tuple(("relay", url) for url in urls[:3])


def test_relay_list_keeps_foreign_relays_marked_write():
    own = ["wss://a.example", "wss://down.example"]
    tags = (
        ("r", "WSS://A.example/", "write"),
        ("r", "wss://down.example", "write"),
        ("r", "wss://kept.example", "write"),
        ("r", "wss://read.example", "read"),
        ("r", "wss://both.example"),
        ("r", "https://no-relay.example", "write"),
        ("r",),
        ("alt", "relays"),
    )
    draft = draft_relays(published(10_002, tags=tags), own[:1], own)
    assert draft.tags == (("r", "wss://a.example"), ("r", "wss://kept.example", "write"))
    many = tuple(("r", f"wss://{n}.example", "write") for n in range(1_000))
    assert len(draft_relays(published(10_002, tags=many), own, own).tags) == 12


def test_event_is_signed_once_and_again_only_if_it_says_something_else():
    events, draft = own_events(), Draft(0, (), '{"name":"A"}')
    event = events.event_for(draft, NOW_S)
    assert events.event_for(draft, NOW_S + 60) == event
    events.note_public(event)
    assert events.event_for(draft, NOW_S + 10**6) == event
    other = events.event_for(replace(draft, content="{}"), NOW_S)
    assert other.created_at == NOW_S + 1, "newer than what is published, in the same second too"


def test_event_of_the_same_second_is_replaced_by_a_later_one():
    """Relays don't agree which of two such events counts."""
    events, draft = own_events(), Draft(0, (), "{}")
    ours = events.event_for(draft, NOW_S)
    assert events.note_public(ours)
    assert not events.note_public(ours)
    for content in ("[1]", "[2]"):
        assert events.note_public(published(content=content))
    later = events.event_for(draft, NOW_S)
    assert later.created_at == NOW_S + 1
    assert events.note_public(later)
    assert events.event_for(draft, NOW_S) == later


def test_event_that_no_relay_took_yet_is_dated_after_one_that_is_found_meanwhile():
    events, draft = own_events(), Draft(0, (), "{}")
    assert events.event_for(draft, NOW_S).created_at == NOW_S
    events.note_public(published(content="[]", at=NOW_S + 5))
    assert events.event_for(draft, NOW_S).created_at == NOW_S + 6


def test_event_that_no_relay_took_is_dated_anew_after_the_clock_was_set():
    events, draft = own_events(), Draft(0, (), "{}")
    assert events.event_for(draft, NOW_S + 10**6).created_at == NOW_S + 10**6
    assert events.event_for(draft, NOW_S).created_at == NOW_S
    assert events.event_for(draft, NOW_S + 3600).created_at == NOW_S + 3600


@given(st.permutations([(NOW_S, "a"), (NOW_S, "b"), (NOW_S - 1, "c"), (NOW_S - 2, "d")]))
def test_newest_event_counts_in_whatever_order_they_come(order):
    events = own_events()
    found = [published(content=content, at=at) for at, content in order]
    for event in found:
        events.note_public(event)
    newest = min((e for e in found if e.created_at == NOW_S), key=lambda event: event.id)
    assert events.public == {(0, ""): newest}


@pytest.mark.parametrize(
    ("own", "url", "is_told"),
    [
        (["wss://a.example"], "wss://d.example", True),
        (["wss://a.example"], "wss://A.example/", False),
        (["ws://127.0.0.1:1", "ws://a.example:7000"], "wss://d.example", True),
        (["ws://127.0.0.1:1", "wss://192.168.1.5", "ws://relay.lan"], "wss://d.example", False),
        (["ws://127.0.0.1:1"], "ws://127.0.0.1:2", True),
        (["ws://localhost:1", "wss://abc.onion"], "ws://8.8.8.8", False),
    ],
)
def test_bot_that_nobody_outside_can_reach_is_announced_to_nobody_outside(own, url, is_told):
    assert OwnRelays(own, ()).may_be_told_at(url) is is_told


def test_slot_is_kind_and_name():
    def event(kind, *tags) -> Event:
        return published(kind, tags=tags)

    assert slot_of(event(0, ("d", "x"))) == (0, "")
    assert slot_of(event(30_078, ("d",), ("d", "x"), ("d", "y"))) == (30_078, "x")
    assert slot_of(event(30_078)) == (30_078, "")

"""Stored junk is verified once, also across restarts, and suppresses no real message."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from faulty_relays import Sound
from nostr.test_messenger import eventually, messenger_of, nothing_received, received, running, to

from dca_bot.core.ports import PastReading
from dca_bot.nostr import dm, events, giftwrap, keys, refused_events
from dca_bot.nostr.refused_events import RefusedEvents

RANDOM = random.SystemRandom()

ONE, TWO, THREE, FOUR, FIVE = (number.to_bytes(32, "big") for number in range(5))


def test_refused_event_is_known_and_handed_over_for_recording_once():
    refused = RefusedEvents([ONE])
    refused.add(TWO)
    refused.add(THREE)
    assert all(digest in refused for digest in (ONE, TWO, THREE))
    assert FOUR not in refused
    assert [refused.take_unrecorded(1) for _ in range(3)] == [[TWO], [THREE], []]


def test_memory_is_bounded_and_what_is_seen_again_is_remembered_longer(monkeypatch):
    monkeypatch.setattr(refused_events, "REMEMBERED", 2)
    refused = RefusedEvents()
    for digest in (ONE, TWO, THREE):
        refused.add(digest)
    assert ONE in refused
    refused.add(FOUR)
    assert [digest in refused for digest in (ONE, FOUR)] == [True, True]
    assert TWO not in refused
    assert len(refused.take_unrecorded(9)) == 2, "what isn't recorded in time is verified once more"


@pytest.fixture
def bot():
    return keys.generate()


def wrapped(sender, recipient, **rumor):
    now = datetime.now(UTC)
    return dm.seal_message(to(recipient, **rumor), sender, now=now, random=RANDOM)


def forged(event):
    return json.loads(event.to_json()) | {"sig": "0" * 128}


def garbage(bot, number):
    """Sign an event whose text nobody can decrypt, as anybody can."""
    at = int(datetime.now(UTC).timestamp()) - number
    tags = (("p", bot.public_key),)
    kind, text = (1059, "A" * 200) if number % 2 else (4, "abc?iv=abc")
    event = events.sign(keys.generate(), kind=kind, created_at=at, tags=tags, content=text)
    return json.loads(event.to_json())


async def refused_of(ours, count):
    """Wait until so many events were refused for good; return their digests."""
    found = []

    def is_enough():
        found.extend(ours.take_refused(1_000))
        return len(found) >= count

    await eventually(is_enough)
    return found


async def test_junk_that_was_refused_before_a_restart_is_not_looked_at_again(bot):
    relay = Sound()
    relay.stored = [garbage(bot, number) for number in range(40)]
    async with relay.serving() as url:
        async with running(messenger_of(bot, [url])) as ours:
            refused = await refused_of(ours, 40)
        past = PastReading(datetime.now(UTC), refused=refused)
        async with running(messenger_of(bot, [url], past=past)) as ours:
            relay.stored.append(garbage(bot, 40))
            await relay.pass_on(relay.stored[-1])
            assert len(await refused_of(ours, 1)) == 1


async def test_forged_copy_that_was_refused_before_a_restart_does_not_suppress_the_real_event(bot):
    event = wrapped(keys.generate(), bot, text="real")
    relay = Sound()
    relay.stored = [forged(event)]
    async with relay.serving() as url:
        async with running(messenger_of(bot, [url])) as ours:
            refused = await refused_of(ours, 1)
            await nothing_received(ours)
        past = PastReading(datetime.now(UTC), refused=refused)
        async with running(messenger_of(bot, [url], past=past)) as ours:
            await relay.pass_on(forged(event))
            await relay.pass_on(json.loads(event.to_json()))
            assert [message.text for message in await received(ours)] == ["real"]


async def test_refusals_that_can_change_are_not_remembered(bot):
    sender, now = keys.generate(), datetime.now(UTC)
    room = giftwrap.make_rumor(sender.public_key, bot.public_key, "to three", int(now.timestamp()))
    tags = (*room.tags, ("p", keys.generate().public_key))
    crowded = giftwrap.UnsignedEvent(room.pubkey, room.created_at, room.kind, tags, room.content)
    to_bot = (("p", bot.public_key),)
    expired = (*to_bot, ("expiration", str(int((now - timedelta(hours=1)).timestamp()))))
    relay = Sound()
    relay.stored = [
        json.loads(giftwrap.wrap(crowded, sender, to_bot, now, RANDOM).to_json()),
        json.loads(giftwrap.wrap(room, sender, expired, now, RANDOM).to_json()),
        garbage(bot, 1),
    ]
    async with relay.serving() as url, running(messenger_of(bot, [url])) as ours:
        assert len(await refused_of(ours, 1)) == 1
        await nothing_received(ours)
        assert ours.take_refused(1_000) == []

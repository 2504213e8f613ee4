"""Each relay is read on from where it was heard, however long the others went on without it."""

import random
from datetime import UTC, datetime, timedelta

from nostr.test_messenger import FastClock, eventually, messenger_of, received, running, to

from dca_bot.core.ports import UNHEARD, PastReading
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import dm, keys
from dca_bot.nostr.relays.relay import Relay

HOUR = timedelta(hours=1)


class HandClock:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self):
        return self.at


class NoDelay(random.SystemRandom):
    """Dates wraps not back at all."""

    def randrange(self, *_):
        return 0


def wrap_dated(at, message, sender):
    return dm.seal_message(message, sender, now=at, random=NoDelay()).to_json()


async def test_message_that_waits_at_one_relay_is_found_though_others_were_heard_since():
    bot, alice = keys.generate(), keys.generate()
    now = datetime.now(UTC)
    async with local_relay() as up, local_relay() as down_for_hours:
        async with running(messenger_of(alice, [down_for_hours])) as hers:
            # The app dates its wrap two days back, as NIP-59 has it, and wrote two hours ago.
            wrap = wrap_dated(now - 50 * HOUR, to(bot, "resume", at=now - 2 * HOUR), alice)
            assert await hers.publish(wrap, [down_for_hours])
        past = PastReading(now, {down_for_hours: now - 3 * HOUR})
        async with running(messenger_of(bot, [up, down_for_hours], past=past)) as ours:
            assert [message.text for message in await received(ours)] == ["resume"]


async def test_messenger_tells_how_far_it_has_heard_each_relay():
    bot = keys.generate()
    long_ago = datetime.now(UTC) - timedelta(days=9)
    async with local_relay() as url:
        ours = messenger_of(
            bot, [url, "ws://127.0.0.1:9"], past=PastReading(long_ago), clock=FastClock()
        )
        assert {(one.heard_at, one.worked_at) for one in ours.heard()} == {(long_ago, None)}
        async with running(ours, listening=1):
            await eventually(lambda: ours.heard()[0].worked_at is not None)
            up, down = ours.heard()
    assert up.heard_at > long_ago + timedelta(days=8)
    assert (up.url, down.heard_at, down.worked_at) == (url, long_ago, None)


def test_how_far_a_relay_was_heard_is_not_known_if_the_clock_was_ahead():
    clock, heard_at = HandClock(), HandClock.at
    relay = Relay("wss://r.example", keys.generate(), clock=clock, random=random, since=heard_at)
    assert relay.heard.heard_at == heard_at
    clock.at -= 20 * HOUR
    assert relay.heard.heard_at == clock.at - UNHEARD
    clock.at += 30 * HOUR
    assert relay.heard.heard_at == heard_at - 20 * HOUR - UNHEARD, "the wrong time is forgotten"

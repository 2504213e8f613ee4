"""The messages of all relays come in the order in which people wrote, within bounds."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from faulty_relays import NoEose, Sound
from nostr.test_messenger import FastClock, eventually, messenger_of, received, running, to

from dca_bot.core.ports import DmProtocol, IncomingMessage, PastReading
from dca_bot.demo.relay import local_relay
from dca_bot.nostr import arrivals, keys
from dca_bot.nostr.arrivals import PATIENCE_S, SETTLE_S, WAIT_S, Arrivals

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = "wss://one.example", "wss://two.example"
LIMIT_S = 15


class HandClock:
    """Stands still until the test moves it."""

    def __init__(self):
        self.at = NOW
        self.sleepers = []

    def now(self):
        return self.at

    async def sleep(self, delay_s):
        woken = asyncio.Event()
        sleeper = (self.at + timedelta(seconds=delay_s), woken)
        self.sleepers.append(sleeper)
        try:
            await woken.wait()
        finally:
            self.sleepers.remove(sleeper)

    async def pass_(self, seconds):
        self.at += timedelta(seconds=seconds)
        for due_at, woken in self.sleepers:
            if due_at <= self.at:
                woken.set()
        await settled()


async def settled():
    """Let all tasks go on until each of them waits."""
    for _ in range(20):
        await asyncio.sleep(0)


def message(text, *, seconds=0, stored=True):
    return IncomingMessage(
        id=text,
        sender="ana",
        text=text,
        sent_at=NOW + timedelta(seconds=seconds),
        protocol=DmProtocol.NIP17,
        relay=ONE,
        arrived_at=None if stored else NOW,
    )


class Gate:
    def __init__(self):
        self.clock = HandClock()
        self.out = []
        self.arrivals = Arrivals(self.clock, self.take)
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, one):
        await self.open.wait()
        self.out.append(one.text)

    async def add(self, *messages):
        for one in messages:
            await self.arrivals.add(one.id, one)
        await settled()


@pytest.fixture
async def gate():
    gate = Gate()
    task = asyncio.create_task(gate.arrivals.run())
    yield gate
    task.cancel()
    await asyncio.wait([task])


async def test_messages_wait_for_each_relay_that_was_asked_and_leave_by_their_own_times(gate):
    gate.arrivals.begin(ONE)
    gate.arrivals.begin(TWO)
    await gate.add(message("resume", seconds=2))
    gate.arrivals.complete(ONE)
    await gate.add(message("pause", seconds=1))
    assert gate.out == []
    gate.arrivals.complete(TWO)
    await settled()
    await gate.clock.pass_(1)
    assert gate.out == ["pause", "resume"]


async def test_stored_messages_of_one_second_keep_the_order_of_writing(gate):
    gate.arrivals.begin(ONE)
    # Relays give the newest first; a new message comes after them.
    await gate.add(message("second"), message("first"), message("new", stored=False))
    gate.arrivals.complete(ONE)
    await settled()
    assert gate.out == ["first", "second", "new"]


async def test_relay_that_never_gives_its_stored_messages_is_waited_for_once(gate):
    gate.arrivals.begin(ONE)
    gate.arrivals.begin(TWO)
    gate.arrivals.complete(ONE)
    await gate.add(message("balance", stored=False))
    await gate.clock.pass_(SETTLE_S)
    await gate.clock.pass_(WAIT_S - 1)
    assert gate.out == []
    await gate.clock.pass_(1)
    assert gate.out == ["balance"]
    await gate.add(message("again", stored=False))
    await gate.clock.pass_(SETTLE_S)
    assert gate.out == ["balance", "again"]
    gate.arrivals.lose(TWO)
    gate.arrivals.begin(TWO)
    await gate.add(message("and again", stored=False))
    await gate.clock.pass_(SETTLE_S)
    assert gate.out[2:] == ["and again"], "a reconnection of a slow relay delays nobody"


async def test_relay_that_once_gives_its_stored_messages_in_time_is_waited_for_again(gate):
    gate.arrivals.begin(ONE)
    await gate.add(message("one", stored=False))
    await gate.clock.pass_(WAIT_S + 1)
    for _ in range(2):
        gate.arrivals.begin(ONE)
        gate.arrivals.complete(ONE)
    gate.arrivals.begin(ONE)
    await gate.add(message("two", stored=False))
    assert gate.out == ["one"]
    gate.arrivals.complete(ONE)
    await settled()
    assert gate.out == ["one", "two"]


async def test_relay_that_is_connected_for_the_first_time_is_waited_for_too(gate):
    gate.arrivals.expect(ONE)
    gate.arrivals.expect(TWO)
    gate.arrivals.begin(ONE)
    await gate.add(message("resume", seconds=2))
    gate.arrivals.complete(ONE)
    await settled()
    assert gate.out == []
    gate.arrivals.lose(TWO)
    await settled()
    assert gate.out == ["resume"], "it can't be reached"


async def test_new_messages_of_one_moment_over_two_relays_leave_by_their_own_times(gate):
    for relay in (ONE, TWO):
        gate.arrivals.begin(relay)
        gate.arrivals.complete(relay)
    await gate.add(message("resume", seconds=2, stored=False))
    await gate.clock.pass_(0.05)
    await gate.add(message("pause", seconds=1, stored=False))
    await gate.clock.pass_(0.1)
    assert gate.out == ["pause", "resume"]


async def test_people_whose_stored_messages_a_slow_relay_gives_wait_for_all_of_them(gate):
    gate.arrivals.begin(ONE)
    ben = replace(message("of ben", stored=False), sender="ben")
    await gate.add(message("resume", seconds=2), ben)
    await gate.clock.pass_(WAIT_S)
    assert gate.out == ["of ben"]
    await gate.add(message("mode flow", seconds=3, stored=False), message("pause", seconds=1))
    assert gate.out == ["of ben"]
    gate.arrivals.complete(ONE)
    await settled()
    assert gate.out == ["of ben", "pause", "resume", "mode flow"]


async def test_new_message_that_came_as_a_stored_one_first_is_no_stored_one(gate):
    gate.arrivals.begin(ONE)
    await gate.add(message("balance"))
    await gate.clock.pass_(WAIT_S)
    assert gate.out == []
    gate.arrivals.note_new("balance")
    await settled()
    assert gate.out == ["balance"]


async def test_nobody_waits_for_ever_for_a_relay_that_goes_on_and_on(gate):
    gate.arrivals.begin(ONE)
    await gate.add(message("resume"))
    await gate.clock.pass_(WAIT_S)
    await gate.clock.pass_(PATIENCE_S - 1)
    assert gate.out == []
    await gate.clock.pass_(1)
    assert gate.out == ["resume"]


async def test_with_one_relay_nobody_waits_for_another(gate):
    gate.arrivals.begin(ONE)
    gate.arrivals.complete(ONE)
    await gate.add(message("balance", stored=False))
    assert gate.out == ["balance"]


@pytest.mark.parametrize("bound", ["_MESSAGES_MAX", "_CHARS_MAX"])
async def test_store_that_is_full_lets_its_messages_go_and_then_waits_for_room(
    gate, bound, monkeypatch
):
    monkeypatch.setattr(arrivals, bound, 3)
    gate.open.clear()
    gate.arrivals.begin(ONE)
    await gate.add(*(message(f"{n}", seconds=-n) for n in range(3)))
    await gate.add(*(message(f"{n}", seconds=-n) for n in range(3, 6)))
    adding = asyncio.create_task(gate.arrivals.add("6", message("6")))
    await settled()
    assert not adding.done()
    gate.open.set()
    await settled()
    assert adding.done()
    assert gate.out == ["2", "1", "0", "5", "4", "3"]


class Late(Sound):
    """Takes a while to answer each request."""

    def __init__(self, delay_s):
        super().__init__()
        self.delay_s = delay_s

    async def on_request(self, connection, name, *filters):
        await asyncio.sleep(self.delay_s)
        await super().on_request(connection, name, *filters)


class RealClock(FastClock):
    async def sleep(self, delay_s):
        await asyncio.sleep(delay_s)


@asynccontextmanager
async def holding(relay, sender, *messages):
    """Serve a relay that holds messages."""
    async with relay.serving() as url:
        async with running(messenger_of(sender, [url])) as hers:
            for one in messages:
                assert await hers.publish(hers.seal(one), [url])
        yield url


async def test_older_message_at_a_slower_relay_comes_first():
    bot, alice = keys.generate(), keys.generate()
    now = datetime.now(UTC)
    pause = to(bot, "pause", at=now - timedelta(minutes=9))
    resume = to(bot, "resume", at=now - timedelta(minutes=5))
    async with (
        holding(Sound(), alice, resume) as quick,
        holding(Late(0.5), alice, pause) as slow,
        running(messenger_of(bot, [quick, slow], clock=RealClock()), listening=1) as ours,
    ):
        assert [one.text for one in await received(ours, 2)] == ["pause", "resume"]


async def test_relay_that_keeps_silent_delays_other_relays_no_longer_than_the_bound():
    bot, alice = keys.generate(), keys.generate()
    async with (
        Sound().serving() as sound,
        NoEose().serving() as silent,
        running(messenger_of(alice, [sound])) as hers,
        running(messenger_of(bot, [sound, silent]), listening=1) as ours,
    ):
        for text in ("balance", "history"):
            # FastClock's seconds are twenty times shorter.
            async with asyncio.timeout(WAIT_S / 20 + 1):
                assert await hers.publish(hers.seal(to(bot, text)), [sound])
                (got,) = await received(ours)
            assert got.text == text


@pytest.mark.parametrize("protocol", DmProtocol)
async def test_message_says_whether_the_relay_had_stored_it_or_passed_it_on_as_new(protocol):
    bot, alice = keys.generate(), keys.generate()
    long_ago = datetime.now(UTC) - timedelta(hours=30)
    async with local_relay() as url, running(messenger_of(alice, [url])) as hers:
        stored = to(bot, "stored", protocol, long_ago)
        assert await hers.publish(hers.seal(stored), [url])
        async with running(messenger_of(bot, [url])) as ours:
            (got,) = await received(ours)
            assert (got.text, got.arrived_at) == ("stored", None)
            # A phone that is slow; its wraps are dated back from there.
            assert await hers.publish(hers.seal(to(bot, "new", protocol, long_ago)), [url])
            (got,) = await received(ours)
            assert got.text == "new"
            assert datetime.now(UTC) - got.arrived_at < timedelta(seconds=LIMIT_S)


async def test_stored_message_that_was_handled_before_keeps_no_new_message_waiting():
    bot, alice = keys.generate(), keys.generate()
    handled = []

    async def is_handled(one):
        handled.append(one.text)
        return one.text == "handled"

    past = PastReading(datetime.now(UTC), is_handled=is_handled)
    async with (
        holding(NoEose(), alice, to(bot, "handled")) as url,
        running(messenger_of(alice, [url]), listening=0) as hers,
        running(messenger_of(bot, [url], past=past), listening=0) as ours,
    ):
        await eventually(lambda: handled)
        assert await hers.publish(hers.seal(to(bot, "new")), [url])
        assert [one.text for one in await received(ours)] == ["new"]

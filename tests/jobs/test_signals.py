"""Bells that wake jobs, and what is noted of the outside parts."""

import asyncio
from datetime import UTC, datetime, timedelta

from dca_bot.core.reach import Part
from dca_bot.jobs.signals import Bell, Signals

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Sleeper:
    """A clock that tells how long it was asked to sleep; only `wake` ends that."""

    def __init__(self):
        self.asked = []
        self.asleep = 0
        self.wake = asyncio.Event()

    async def sleep(self, delay_s):
        self.asked.append(delay_s)
        self.asleep += 1
        try:
            await self.wake.wait()
        finally:
            self.asleep -= 1


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_ring_wakes_whoever_waits_and_ends_the_sleep():
    bell, clock = Bell(), Sleeper()
    waiting = asyncio.create_task(bell.wait(clock, 60))
    await turns()
    assert (waiting.done(), clock.asleep) == (False, 1)
    bell.ring()
    await turns()
    assert waiting.done()
    assert (clock.asked, clock.asleep) == ([60], 0)


async def test_wait_ends_with_the_time_too():
    bell, clock = Bell(), Sleeper()
    clock.wake.set()
    async with asyncio.timeout(5):
        await bell.wait(clock, 60)


async def test_rings_while_nobody_waits_wake_once():
    bell, clock = Bell(), Sleeper()
    bell.ring()
    bell.ring()
    await bell.wait(clock, 60)
    waiting = asyncio.create_task(bell.wait(clock, 60))
    await turns()
    assert not waiting.done()
    bell.ring()
    await waiting


async def test_cancelled_wait_leaves_nothing_behind():
    bell, clock = Bell(), Sleeper()
    waiting = asyncio.create_task(bell.wait(clock, 60))
    await turns()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await turns()
    assert waiting.cancelled()
    assert clock.asleep == 0
    assert len(asyncio.all_tasks()) == 1


def test_only_changes_of_reach_are_news():
    signals = Signals()
    steps = [(True, False), (True, False), (False, True), (False, False), (True, True)]
    for number, (reachable, is_news) in enumerate(steps):
        assert signals.note(Part.LNBITS, reachable=reachable, now=NOW + number * MINUTE) is is_news


def test_part_that_never_answered_is_news():
    assert Signals().note(Part.LNBITS, reachable=False, now=NOW)


def test_reach_keeps_when_it_began():
    signals = Signals()
    for number, reachable in enumerate([True, True, False, False, True, True]):
        signals.note(
            Part.LNBITS, reachable=reachable, now=NOW + number * MINUTE, detail=str(number)
        )
    part = signals.parts[Part.LNBITS]
    assert (part.since, part.detail) == (NOW + 4 * MINUTE, "5")


async def test_clock_that_was_set_wakes_whoever_waits_for_an_instant():
    signals, clock = Signals(), Sleeper()
    bells = (signals.fixed, signals.digests, signals.summary, signals.payouts, signals.outbox)
    waiting = [asyncio.create_task(bell.wait(clock, 300)) for bell in bells]
    await turns()
    signals.step_clock()
    await turns()
    assert all(task.done() for task in waiting)


async def test_part_that_is_lost_wakes_the_watch():
    signals, clock = Signals(), Sleeper()
    signals.note(Part.LNBITS, reachable=True, now=NOW)
    await signals.reach.wait(clock, 60)
    signals.note(Part.LNBITS, reachable=True, now=NOW)
    waiting = asyncio.create_task(signals.reach.wait(clock, 60))
    await turns()
    assert not waiting.done()
    signals.note(Part.LNBITS, reachable=False, now=NOW)
    await turns()
    assert waiting.done()

"""A loop that works for too long at a time is noticed, with the place; an idle loop costs nothing."""

import asyncio
import gc
import logging
import threading
import time

import pytest

from dca_bot.event_loop import EventLoop
from dca_bot.stalls import STALL_S, StallWatch, spare_what_is_loaded


def hold_up(stalls, seconds):
    """Work for so long, and until the watch has seen where; a busy computer lets the watch wait."""
    end = time.monotonic() + seconds
    while time.monotonic() < end or not stalls._place:
        pass


def watched(work, noted=None):
    """Run a coroutine function, given the watch, on a loop that is watched; return the longest stall."""
    stalls = StallWatch()

    async def note(stall):
        if noted is not None:
            noted.append(stall)

    async def with_watch():
        time.sleep(2 * STALL_S)  # noqa: ASYNC251 - before the watch runs, as at the start of a bot
        task = asyncio.create_task(stalls.run(note))
        await asyncio.sleep(0.01)
        await work(stalls)
        await asyncio.sleep(0.01)
        task.cancel()
        return stalls.longest

    with asyncio.Runner(loop_factory=lambda: EventLoop(stalls.selector)) as runner:
        return runner.run(with_watch())


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING, "dca_bot.stalls")
    return caplog


def test_stall_is_told_with_its_place_and_the_longest_is_noted(warnings, monkeypatch):
    monkeypatch.setattr("dca_bot.stalls._TOLD_EVERY_S", 0)
    noted = []

    async def work(stalls):
        for times in (4, 10, 6):
            hold_up(stalls, times * STALL_S)
            await asyncio.sleep(0.01)

    longest = watched(work, noted)
    assert longest.ms >= 10 * STALL_S * 1000
    assert longest.place.startswith("test_stalls:")
    assert longest.place.endswith(" hold_up")
    assert noted[-1] == longest
    told = [record.getMessage() for record in warnings.records]
    assert any(one.startswith(f"event loop stalled ms={longest.ms} ") for one in told)
    assert sum(one.endswith(" hold_up") for one in told) == 3


def test_waiting_is_no_stall():
    async def work(_stalls):
        await asyncio.sleep(4 * STALL_S)
        await asyncio.to_thread(time.sleep, 4 * STALL_S)

    longest = watched(work)
    assert longest is None or longest.cpu_ms < STALL_S * 1000, "a busy computer at most"


def test_loop_that_was_idle_for_long_is_still_watched(monkeypatch):
    monkeypatch.setattr("dca_bot.stalls._AWAKE_S", 0)

    async def work(stalls):
        while not stalls._is_asleep:  # noqa: ASYNC110 - the thread tells nobody
            await asyncio.sleep(6 * STALL_S)
        hold_up(stalls, STALL_S)

    assert watched(work).place.endswith(" hold_up")


def test_time_that_the_loop_waits_for_something_else_shows():
    async def work(_stalls):
        threading.Event().wait(6 * STALL_S)

    longest = watched(work)
    assert longest.cpu_ms < longest.ms / 2


def test_collector_does_not_look_through_what_is_loaded():
    try:
        spare_what_is_loaded()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1_000
    finally:
        gc.unfreeze()

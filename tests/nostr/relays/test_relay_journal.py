"""The journal names a relay's trouble from the first failure on, and isn't flooded."""

import asyncio
import logging
import random
from datetime import UTC, datetime

import pytest
from dead_hosts import REFUSING
from faulty_relays import HangsUp, Sound

from dca_bot.nostr import keys
from dca_bot.nostr.relays.relay import Relay


class Clock:
    """The real time, with delays that go fast; `naps` counts the delays between attempts and the like."""

    def __init__(self):
        self.naps = 0

    def now(self):
        return datetime.now(UTC)

    async def sleep(self, delay_s):
        self.naps += 1
        await asyncio.sleep(delay_s / 1000)


async def lines_of(caplog, url, enough):
    """Keep a relay connected until `enough` of its clock; return the log's lines about the relay."""
    caplog.set_level(logging.INFO, "dca_bot")
    clock = Clock()
    relay = Relay(url, keys.generate(), clock=clock, random=random.Random(1), since=clock.now())
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(20):
        while not enough(clock, relay):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return [record for record in caplog.records if url in record.getMessage()]


async def test_relay_that_never_worked_is_a_warning_once(caplog):
    url = f"ws://{REFUSING}:9"
    (line,) = await lines_of(caplog, url, lambda clock, _relay: clock.naps >= 4)
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith(f"relay_listening=False relay={url} detail=")


async def test_relay_that_works_is_an_info(caplog):
    async with Sound().serving() as url:
        (line,) = await lines_of(caplog, url, lambda _clock, relay: relay.state.listening)
    assert (line.levelno, "relay_listening=True" in line.getMessage()) == (logging.INFO, True)


@pytest.mark.parametrize("visits", [8])
async def test_relay_that_ends_each_connection_does_not_flood_the_journal(caplog, visits):
    relay = HangsUp(lifetime_s=0.1)
    async with relay.serving() as url:
        lines = await lines_of(caplog, url, lambda _clock, _relay: relay.visits >= visits)
    assert [record.levelno for record in lines][:2] == [logging.INFO, logging.WARNING]
    assert len(lines) <= 4

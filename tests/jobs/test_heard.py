"""How far each relay was heard is kept in the ledger, whatever becomes of the bot."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from here import open_here
from scaffold import open_ledger, programme

from dca_bot.core.ports import RelayHeard
from dca_bot.jobs.heard import Heard
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import relays
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.keys import npub

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = "wss://one.example", "wss://two.example"


class Clock:
    """Stands still until time is given to it."""

    def __init__(self):
        self.slept = asyncio.Event()

    def now(self):
        return NOW

    async def sleep(self, _delay_s):
        self.slept.set()
        await asyncio.Event().wait()


class Relays:
    def __init__(self):
        self.times = {ONE: NOW, TWO: NOW - timedelta(hours=3)}
        self.refused = []

    def take_refused(self, count):
        taken, self.refused = self.refused[:count], self.refused[count:]
        return taken

    def heard(self):
        return [RelayHeard(url, at, None) for url, at in self.times.items()]


@pytest.fixture
async def job(tmp_path):
    database = await open_ledger(tmp_path / "data", open_here)
    rules = programme(["0" * 64])
    notices = Notices(rules, load_texts(rules), npub)
    yield Heard(database, Relays(), notices, Clock(), Signals())
    await database.aclose()


async def past(job):
    def work(tx):
        return relays.past_reading(tx, NOW, message_age_max=timedelta(hours=6))

    return await job.database.read(work)


async def test_relays_are_recorded_at_once_and_again_when_the_bot_stops(job):
    task = asyncio.create_task(job.run())
    async with asyncio.timeout(15):
        await job.clock.slept.wait()
    assert (await past(job)).relays == {ONE: NOW, TWO: NOW - timedelta(hours=3)}
    job.messenger.times[TWO] = NOW - timedelta(minutes=1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (await past(job)).relays == {ONE: NOW, TWO: NOW - timedelta(minutes=1)}


async def test_refused_events_are_recorded_in_batches_and_known_at_the_next_start(job):
    digests = [number.to_bytes(32, "big") for number in range(2_500)]
    job.messenger.refused = digests.copy()
    await job.record()
    assert job.messenger.refused == []
    assert sorted((await past(job)).refused) == digests

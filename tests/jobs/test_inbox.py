"""The order of messages: copies, floods, slow people, and a clean end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.jobs.inbox import AT_ONCE, PEOPLE_MAX, QUEUE_MAX, answer_messages

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def message(sender, number, arrived_at=NOW):
    return IncomingMessage(
        str(number), sender, "balance", NOW, DmProtocol.NIP17, "wss://r", arrived_at=arrived_at
    )


class Relays:
    """Yields what is put in; `drained` waits until everything was taken."""

    def __init__(self):
        self.queue = asyncio.Queue()

    async def incoming(self):
        while True:
            item = await self.queue.get()
            self.queue.task_done()
            if item is None:
                return
            yield item

    def put(self, *messages):
        for item in messages:
            self.queue.put_nowait(item)


class Desk:
    """Records who is served; whoever is in `slow` waits for the gate."""

    def __init__(self):
        self.done = []
        self.started = []
        self.handled = set()
        self.serving = 0
        self.serving_max = 0
        self.slow = set()
        self.gate = asyncio.Event()
        self.cancelled = 0

    async def handle(self, message):
        if (message.sender, message.id) in self.handled:
            return
        self.started.append((message.sender, message.id))
        self.serving += 1
        self.serving_max = max(self.serving_max, self.serving)
        try:
            await asyncio.sleep(0)
            if message.sender in self.slow:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.serving -= 1
        self.handled.add((message.sender, message.id))
        self.done.append((message.sender, message.id))


@pytest.fixture
async def office():
    relays, desk = Relays(), Desk()
    task = asyncio.create_task(answer_messages(relays, desk))
    yield relays, desk, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settle(relays):
    """Let everything run that can run."""
    await relays.queue.join()
    for _ in range(500):
        await asyncio.sleep(0)


async def test_messages_of_one_person_are_answered_in_order(office):
    relays, desk, _ = office
    relays.put(*(message("maria", n) for n in range(10)))
    await settle(relays)
    assert desk.done == [("maria", str(n)) for n in range(10)]


async def test_of_the_messages_that_wait_the_one_written_first_is_next(office):
    relays, desk, _ = office
    desk.slow = {"maria"}
    late, early, same = (
        replace(message("maria", number), sent_at=NOW + timedelta(seconds=seconds))
        for number, seconds in ((2, 9), (3, 5), (4, 9))
    )
    relays.put(message("maria", 1), late, early, same)
    await settle(relays)
    desk.gate.set()
    await settle(relays)
    assert [number for _, number in desk.done] == ["1", "3", "2", "4"]


async def test_messages_of_one_person_never_overlap(office):
    relays, desk, _ = office
    desk.slow = {"maria"}
    relays.put(message("maria", 1), message("maria", 2))
    await settle(relays)
    assert desk.started == [("maria", "1")]
    desk.gate.set()
    await settle(relays)
    assert desk.done == [("maria", "1"), ("maria", "2")]


@pytest.mark.parametrize("slow", [True, False])
async def test_copies_from_three_relays_start_once(office, slow):
    relays, desk, _ = office
    desk.slow = {"maria"} if slow else set()
    relays.put(message("maria", 1), message("maria", 1), message("maria", 2), message("maria", 2))
    await settle(relays)
    desk.gate.set()
    await settle(relays)
    relays.put(message("maria", 1))
    await settle(relays)
    assert desk.started == [("maria", "1"), ("maria", "2")]


async def test_slow_person_holds_up_nobody_else(office):
    relays, desk, _ = office
    desk.slow = {"maria"}
    relays.put(message("maria", 1), message("juan", 1), message("lena", 1))
    await settle(relays)
    assert desk.done == [("juan", "1"), ("lena", "1")]


async def test_flood_of_one_person_fills_that_queue_only(office):
    relays, desk, _ = office
    desk.slow = {"flood"}
    relays.put(*(message("flood", n) for n in range(QUEUE_MAX * 10)), message("juan", 1))
    await settle(relays)
    assert desk.done == [("juan", "1")]
    desk.gate.set()
    await settle(relays)
    assert sum(sender == "flood" for sender, _ in desk.done) == QUEUE_MAX


async def test_what_one_person_wrote_during_an_outage_is_all_served(office):
    relays, desk, _ = office
    relays.put(*(message("ana", n, arrived_at=None) for n in range(QUEUE_MAX * 3)))
    await settle(relays)
    assert len(desk.done) == QUEUE_MAX * 3


async def test_dropped_message_can_come_again(office):
    relays, desk, _ = office
    desk.slow = {"flood"}
    relays.put(*(message("flood", n) for n in range(QUEUE_MAX + 2)))
    await settle(relays)
    desk.gate.set()
    await settle(relays)
    relays.put(message("flood", QUEUE_MAX + 1))
    await settle(relays)
    assert ("flood", str(QUEUE_MAX + 1)) in desk.done


async def test_only_so_many_people_are_served_at_once(office):
    relays, desk, _ = office
    desk.slow = {str(n) for n in range(AT_ONCE * 3)}
    relays.put(*(message(str(n), 1) for n in range(AT_ONCE * 3)))
    await settle(relays)
    assert desk.serving_max == AT_ONCE
    desk.gate.set()
    await settle(relays)
    assert len(desk.done) == AT_ONCE * 3


async def test_crowd_waits_at_the_relays_and_is_served_in_the_end(office):
    relays, desk, _ = office
    crowd = PEOPLE_MAX + 200
    desk.slow = {str(n) for n in range(crowd)}
    relays.put(*(message(str(n), 1) for n in range(crowd)))
    for _ in range(crowd * 3):
        await asyncio.sleep(0)
    assert relays.queue.qsize() == 199
    desk.gate.set()
    await settle(relays)
    assert len(desk.done) == crowd


async def test_cancelling_ends_what_is_in_flight(office):
    relays, desk, task = office
    desk.slow = {"maria", "juan"}
    relays.put(message("maria", 1), message("juan", 1))
    await settle(relays)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert (desk.cancelled, desk.done) == (2, [])


async def test_end_of_the_relays_lets_the_rest_be_answered():
    relays, desk = Relays(), Desk()
    relays.put(*(message("maria", n) for n in range(3)), None)
    async with asyncio.timeout(5):
        await answer_messages(relays, desk)
    assert len(desk.done) == 3


async def test_broken_ledger_ends_the_job():
    class Broken(Desk):
        async def handle(self, message):
            raise OSError(f"disk full at message {message.id}")

    relays = Relays()
    relays.put(message("maria", 1))
    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await answer_messages(relays, Broken())

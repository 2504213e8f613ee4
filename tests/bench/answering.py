"""Clients who ask for their balance over NIP-17, all at once, beside a bot that only answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from reach.bot import Bot
from reach.hoard import Hoard
from reach.hostile import Scene, started

from bench.spending import Sample, cpu_s_of
from dca_bot.core.ports import DmProtocol, OutgoingMessage
from dca_bot.nostr.dm import seal_message
from dca_bot.nostr.keys import SecretKey, generate, npub

_IN_FLIGHT = 32
_EACH = 5
"""So many questions of each client in a round: in seven rounds the bot takes 40 for no flood."""
_ROWS = ("balance", "balance-wait")
"""An answer's CPU time, and the time from one answer to the next."""
_LIMIT_S = 300
_ECHO = Path(__file__).with_name("echo.py")


@dataclass
class _Relay(Hoard):
    """A relay that lets further questions through once answers have come."""

    askers: frozenset[str] = frozenset()
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_FLIGHT))

    def store(self, text: str, receivers: Sequence[str]) -> None:
        super().store(text, receivers)
        if self.askers.intersection(receivers):
            self.free.release()


async def balances(folder: Path, count: int) -> AsyncIterator[dict[str, Sample]]:
    """Have the bot, and a bot that only answers, answer so many questions."""
    random, relay = Random(1), _Relay()
    key, people = generate(random), [generate(random) for _ in range(count // _EACH)]
    relay.askers = frozenset(one.public_key for one in people)
    with TemporaryDirectory(prefix="answering-", dir=folder) as name:
        async with relay.serving() as url:
            scene = Scene(Path(name), relay, url, key.nsec(), npub(generate().public_key), None)
            await _add_clients(scene, people)
            echo = generate(random)
            async with scene.bot() as own, started(_ECHO, url, echo.nsec()) as floor:
                while not all(relay.is_read_by(one.public_key) for one in (key, echo)):  # noqa: ASYNC110 - the relay sets no event
                    await asyncio.sleep(0.05)
                await _ask(
                    relay, people, key.public_key, own
                )  # the first answers make themselves ready
                while True:
                    own_s = await _ask(relay, people, key.public_key, own)
                    floor_s = await _ask(relay, people, echo.public_key, floor)
                    of_all = 1000 / (len(people) * _EACH)
                    yield {
                        row: Sample(figure * of_all, bare * of_all, *own_s)
                        for row, figure, bare in zip(_ROWS, own_s, floor_s, strict=True)
                    }


async def _ask(
    relay: _Relay, people: Sequence[SecretKey], bot: str, process: int
) -> tuple[float, float]:
    """Ask for every client's balance some times; return the CPU and wall time that the answers took."""
    random, now = Random(), datetime.now(UTC)
    questions = [
        # Of one person's messages of the same second and text only the first counts.
        seal_message(
            OutgoingMessage(bot, "balance", now - timedelta(seconds=place), DmProtocol.NIP17),
            person,
            now=now,
            random=random,
        ).to_json()
        for place in reversed(range(_EACH))
        for person in people
    ]
    busy_s, began = cpu_s_of(process), time.perf_counter()
    async with asyncio.timeout(_LIMIT_S):
        for text in questions:
            await relay.free.acquire()
            await relay.send(text, [bot])
        for _ in range(_IN_FLIGHT):
            await relay.free.acquire()
    took = cpu_s_of(process) - busy_s, time.perf_counter() - began
    for _ in range(_IN_FLIGHT):
        relay.free.release()
    await asyncio.sleep(_EACH)  # the next questions are of later seconds
    return took


async def _add_clients(scene: Scene, people: Sequence[SecretKey]) -> None:
    bot = Bot(
        generate(),
        scene.folder / "bot",
        relays=[scene.relay],
        discovery=[],
        operators=[scene.operator],
        find_endpoint=None,
    )
    await bot.prepare({f"c{place}": one.public_key for place, one in enumerate(people)}, {})

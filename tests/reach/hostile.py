"""Prints what 100,000 hostile messages do to the bot: `python tests/reach/hostile.py` (make hostile).

Nothing hostile may be carried out, a client's answers must stay quick, memory flat, and a restart over all of
that stored on the relay must answer soon.
"""

import argparse
import asyncio
import json
import logging
import sqlite3
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.spending import cpu_s_of, memory_mib

from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.nostr.keys import generate, npub
from reach.attack import Attacker, hostile_events
from reach.hoard import Hoard
from reach.people import SdkApp

COUNT = 100_000
PER_S = 400
"""The pace of the paced form: hostile events a second."""
KEYS = 500
ASK_EVERY_S = 2.5
"""A client is answered once in two seconds for as long as wanted."""
ANSWER_LIMIT_S = 60
STRANGERS_MAX = 20
"""How many strangers are answered in an hour."""


@dataclass
class Volume:
    """What the hostile messages did."""

    kinds: Counter[str] = field(default_factory=Counter)
    paced_s: list[float] = field(default_factory=list)
    unpaced_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    unpaced_per_s: float = 0.0
    restarts: list[tuple[float, float]] = field(default_factory=list)
    """How long the first answer took, and how much of that a CPU worked for the bot."""
    met_live: tuple[float, float] = (0.0, 0.0)
    """The same of a question that comes once the bot has asked for its messages."""
    executed: int = 0
    unanswered: int = 0
    strangers: int = 0

    def text(self) -> str:
        memory = " ".join(f"{mib:.0f}" for mib in self.rss_mib)
        return "\n".join(
            (
                f"hostile events            {self.kinds.total():,}: {_listed(self.kinds)}",
                f"carried out of them       {self.executed}",
                f"strangers answered        {self.strangers} (at most {STRANGERS_MAX} an hour)",
                f"a client's answer, paced  {_spread(self.paced_s)}",
                f"                 unpaced  {_spread(self.unpaced_s)} ({self.unpaced_per_s:,.0f} a second)",
                f"asked in vain             {self.unanswered}",
                f"memory in MB, start to end  {memory}",
                f"first answer after restarts over all of them  {_times(self.restarts[:-1])}",
                f"first answer of a ledger that knows none of them  {_times(self.restarts[-1:])}",
                f"first answer to who asks once the bot listens  {_times([self.met_live])}",
            )
        )


@asynccontextmanager
async def started(program: Path, *words: str) -> AsyncIterator[int]:
    """Have a program run that says `started`, and ends with its input; yield the process's id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"started\n"
        yield process.pid
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Scene:
    """A relay that keeps and sends everything, the bot in a process of its own, and a client's app."""

    folder: Path
    hoard: Hoard
    relay: str
    key: str
    operator: str
    client: SdkApp
    last_s: int = 0
    asked: int = 0

    @asynccontextmanager
    async def bot(self, folder: str = "bot") -> AsyncIterator[int]:
        """Have the bot run; yield the process's id."""
        place = self.folder / folder
        given = {
            "folder": str(place),
            "relay": self.relay,
            "key": self.key,
            "operator": self.operator,
            "client": "" if place.exists() else self.client.pubkey,
        }
        async with started(Path(__file__).with_name("alone.py"), json.dumps(given)) as process:
            yield process

    async def ask(self) -> float:
        """Have the client ask, and return how long the answer took."""
        self.last_s = max(int(time.time()), self.last_s + 1)
        self.asked += 1
        before, began = len(self.client.arrivals), time.monotonic()
        await self.client.write("balance", self.last_s)
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while len(self.client.arrivals) == before:  # noqa: ASYNC110 - nostr-sdk sets no event
                await asyncio.sleep(0.005)
        return time.monotonic() - began

    def rows(self, query: str, folder: str = "bot") -> list[tuple]:
        file = self.folder / folder / "data" / LEDGER_FILE
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as ledger:
            return ledger.execute(query).fetchall()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    hoard, key = Hoard(), generate()
    client = SdkApp(key.public_key, "here")
    with TemporaryDirectory(prefix="dca-bot-hostile-") as name:
        async with hoard.serving() as relay:
            made = Scene(Path(name), hoard, relay, key.nsec(), npub(generate().public_key), client)
            await client.join(writes_at=[relay], reads_at=[relay])
            try:
                yield made
            finally:
                await client.leave()


async def measure(*, count: int, per_s: int, seed: int) -> Volume:
    """Send hostile events paced, then the rest at once, and restart over all that is stored."""
    volume = Volume()
    async with scene() as here:
        async with here.bot() as pid:
            await here.ask()
            attacker = _attacker(here, Random(seed))
            paced = count * 9 // 10
            volume.rss_mib.append(memory_mib("VmRSS", pid))
            volume.paced_s = await _flood(here, volume, attacker, paced, per_s=per_s, pid=pid)
            began = time.monotonic()
            volume.unpaced_s = await _flood(here, volume, attacker, count - paced, pid=pid)
            await here.ask()  # the answer comes after everything that was sent before
            volume.unpaced_per_s = (count - paced) / (time.monotonic() - began)
            volume.rss_mib.append(memory_mib("VmRSS", pid))
        for _ in range(2):
            volume.restarts.append(await _first_answer(here, "bot"))
        volume.met_live = await _first_answer(here, "bot", is_live=True)
        volume.restarts.append(await _first_answer(here, "cold"))
        _look(here, volume)
    return volume


def _attacker(here: Scene, random: Random) -> Attacker:
    overheard = [text for *_, text in here.hoard.stored]
    keys = [generate(random) for _ in range(KEYS)]
    bot = here.client.bot
    return Attacker(random, bot, generate().public_key, here.client.pubkey, overheard, keys)


async def _flood(
    here: Scene, volume: Volume, attacker: Attacker, count: int, *, pid: int, per_s: int = 0
) -> list[float]:
    """Send hostile events while the client asks now and then; return how long the answers took."""
    events = []
    for event in hostile_events(attacker, count):
        events.append(event)
        await asyncio.sleep(0)  # the relay answers the bot's pings meanwhile
    volume.kinds.update(kind for kind, _ in events)
    took: list[float] = []
    asking = asyncio.create_task(_ask_on(here, volume, took))
    began = time.monotonic()
    for number, (_, text) in enumerate(events, start=1):
        here.hoard.store(text, [attacker.bot])
        await here.hoard.send(text, [attacker.bot])
        if per_s and number % 20 == 0:
            await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        if number % (count // 4 or 1) == 0:
            volume.rss_mib.append(memory_mib("VmRSS", pid))
    asking.cancel()
    await asyncio.wait([asking])
    if not asking.cancelled():
        asking.result()
    return took


async def _ask_on(here: Scene, volume: Volume, took: list[float]) -> None:
    while True:
        try:
            took.append(await here.ask())
        except TimeoutError:
            took.append(ANSWER_LIMIT_S)
            volume.unanswered += 1
        await asyncio.sleep(ASK_EVERY_S)


async def _first_answer(here: Scene, folder: str, *, is_live: bool = False) -> tuple[float, float]:
    """Start the bot and ask; return how long the first answer took, and the CPU's part of that.

    `is_live`: ask, and count, only from when the bot has asked the relay for its messages.
    """
    began = time.monotonic()
    async with here.bot(folder) as pid:
        while is_live and not here.hoard.is_read_by(here.client.bot):
            await asyncio.sleep(0.01)
            began = time.monotonic()
        await here.ask()
        return time.monotonic() - began, cpu_s_of(pid)


def _look(here: Scene, volume: Volume) -> None:
    """Read in the ledger what was carried out: nothing but the client's own questions."""
    inbox = here.rows("SELECT sender, command FROM inbox")
    volume.strangers = sum(command == "stranger" for _, command in inbox)
    own = sum(sender == here.client.pubkey for sender, _ in inbox)
    volume.executed = len(inbox) - volume.strangers - min(own, here.asked)
    volume.executed += len(here.rows("SELECT 1 FROM command_log"))


def _spread(took_s: Sequence[float]) -> str:
    if not took_s:
        return "-"
    median = statistics.median(took_s)
    return f"median {_ms(median)}, slowest {_ms(max(took_s))} of {len(took_s)}"


def _times(took: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"{wall_s:.1f} s ({cpu_s:.1f} s of CPU)" for wall_s, cpu_s in took)


def _ms(took_s: float) -> str:
    return f"{took_s * 1000:,.0f} ms"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counted.most_common())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if something hostile was carried out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--per-second", type=int, default=PER_S)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    volume = asyncio.run(measure(count=options.count, per_s=options.per_second, seed=options.seed))
    print(volume.text())  # noqa: T201 - a program that prints
    return int(bool(volume.executed) or volume.strangers > STRANGERS_MAX)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())

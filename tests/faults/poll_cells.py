"""The cells of polls: what became of a sale before which Lamassu could not be read as it should."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from faults.cells import Cell
from faults.polls import POLL, PollWorld

LOGIN, KEPT = "login", "kept connection"
POLLS_MAX = 5
CUTS = (0, 30, 400, 1500, 3000, 5000, 8000)
"""After how many bytes from the server a connection breaks: in the greeting, the login, a table."""
Play = Callable[[PollWorld], Awaitable[None]]
Enter = Callable[[Path], AbstractAsyncContextManager[PollWorld]]


@dataclass(frozen=True, slots=True)
class PollStrike:
    """A fault: `play` polls once while the way is faulty, and leaves a sound way."""

    kind: str
    fault: str
    play: Play


@dataclass(frozen=True, slots=True)
class PollSeries:
    """Faults that one bot meets one after the other, sound polls between; `enter` opens a world."""

    enter: Enter
    strikes: Sequence[PollStrike]
    waits: bool = False

    async def play(self, folder: Path) -> AsyncIterator[Cell]:
        """Yield each cell; after one that is wrong, the next begins in a new world."""
        left = list(self.strikes)
        for number in count():
            if not left:
                return
            async with self.enter(folder / str(number)) as world:
                world.sell()
                await world.poll()
                while left:
                    cell = await _play(world, left.pop(0))
                    yield cell
                    if not cell.is_right:
                        break


async def _play(world: PollWorld, strike: PollStrike) -> Cell:
    world.listening.codes.clear()
    before = len(await world.bench.letters())
    world.sell()
    await strike.play(world)
    codes, polls = list(world.listening.codes), 0
    while polls == 0 or (not world.is_reachable() and polls < POLLS_MAX):
        await world.poll()
        polls += 1
    wrongs = [f"unexpected {code}" for code in codes if code.startswith("!")] + await world.wrongs()
    told = len(await world.bench.letters()) - before
    after = polls * POLL if world.is_reachable() else None
    return Cell(f"Lamassu: {world.way}", strike.kind, strike.fault, codes, after, wrongs, told)


async def refuse(world: PollWorld) -> None:
    """Have nobody listen at the way to the server."""
    await world.wire.stop()
    await world.poll()
    await world.wire.start()


async def restart_ssh(world: PollWorld) -> None:
    await world.ssh.stop()
    await world.ssh.start()
    await world.poll()


async def cut_between(world: PollWorld) -> None:
    world.ssh.cut()
    await world.poll()


async def cut_new(world: PollWorld, *, after: int) -> None:
    """Break a new connection after so many bytes from the server."""
    await world.listening.aclose()
    world.wire.received, world.wire.cut_after = 0, after
    await world.poll()
    world.wire.cut_after = None


async def greet(world: PollWorld, *, greeting: bytes, waits_for: int = 0) -> None:
    """Have another program listen at the port, which speaks once so many bytes have come."""
    await world.listening.aclose()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(waits_for)
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as other:
        target, world.wire.target = world.wire.target, other.sockets[0].getsockname()[1]
        await world.poll()
    world.wire.target = target

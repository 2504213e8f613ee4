"""Measures works: CPU and wall time, the event loop's longest stall, the memory of a process."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Sample(NamedTuple):
    """One round of a row: the figure and the floor in the row's unit, and the time that the figure took."""

    figure: float
    floor: float
    cpu_s: float
    wall_s: float


@dataclass
class Spent:
    """What a work took; `cpu_s`: of all threads of this process."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    stall_ms: float = 0.0
    peak_mib: float = 0.0


def cpu_sample(own: Spent, floor: Spent, *, in_one_s: int = 1) -> Sample:
    """Return a round of a row of CPU time; `in_one_s`: how many of the row's units are a second."""
    return Sample(own.cpu_s * in_one_s, floor.cpu_s * in_one_s, own.cpu_s, own.wall_s)


@contextmanager
def spent() -> Iterator[Spent]:
    """Measure what is done inside."""
    one, began, busy = Spent(), time.perf_counter(), time.process_time()
    yield one
    one.cpu_s, one.wall_s = time.process_time() - busy, time.perf_counter() - began
    one.peak_mib = memory_mib("VmHWM")


@asynccontextmanager
async def spent_beside_loop() -> AsyncIterator[Spent]:
    """Measure what is done inside, and how long at most the event loop let a task wait."""
    longest = 0.0

    async def look() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    with spent() as one:
        yield one
        await asyncio.sleep(0)
    looking.cancel()
    one.stall_ms = longest * 1000


def memory_mib(name: str, process: int | str = "self") -> float:
    """Return the memory of a process now (VmRSS), or the most that it had (VmHWM)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def alone(function: Callable[..., T], *given: object) -> T:
    """Call a function in a new process; return the result, or raise the function's error."""
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), logging.disable, (logging.CRITICAL,)
    ) as pool:
        return pool.submit(function, *given).result()


def cpu_s_of(process: int) -> float:
    """Return the CPU time that a process has worked so far, to a hundredth of a second."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

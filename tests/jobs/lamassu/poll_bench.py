"""Prints what a poll costs in CPU time: `python tests/jobs/lamassu/poll_bench.py`.

The first poll distributes all rows, and the second finds all rows distributed. From the third on nothing
is new: an idle poll. The floor of the same run is `repr` of each row, because to know that a row is
unchanged takes a look at each value. Reading the source is not in the figures. Idle polls, polls that judge
each row, and the floor take turns, and the best round counts, because a busy machine only ever adds time.
Nothing fails here.
"""

import asyncio
import logging
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "payouts"))

from ingest_bench import DAY, HOUR, MINUTE, NEVER_PAID, NOW, START_AT, Bench, Server, cash_out

from dca_bot.core.cash_out import Action
from dca_bot.jobs.lamassu.settled_rows import SettledRows

ROUNDS = 5
CONSOLE = Console(highlight=False, soft_wrap=True)


async def main() -> None:
    """Print the figures of a small and of a large window, and the memory that a settled row takes."""
    CONSOLE.print(f"{'':22}{'CPU ms':>10}{'of the floor':>15}")
    for count in (140, 7_700):
        with tempfile.TemporaryDirectory(prefix="dca-bot-polls-") as folder:
            await bench_polls(Path(folder), count)
    bench_memory(100_000)


async def bench_polls(folder: Path, count: int) -> None:
    """Poll a window of so many rows."""
    bench = Bench(folder, Server())
    await bench.open()
    await bench.client("ana", minor=10**12)
    bench.server.put(*(row(number, count) for number in range(count)))
    rounds = {"first poll": [await spent(bench.poll())], "idle poll": [], "all rows judged": []}
    await bench.poll()
    floor = []
    for _ in range(ROUNDS):
        bench.clock.ahead += MINUTE
        rounds["idle poll"].append(await spent(bench.poll()))
        bench.ingest._settled.forget()
        rounds["all rows judged"].append(await spent(bench.poll()))
        floor.append(await spent(look_through(bench.server.rows)))
    for name, times in rounds.items():
        ms, ratio = min(times) * 1000, min(times) / min(floor)
        CONSOLE.print(f"{count:>6,} {name:15}{ms:>10,.1f}{ratio:>15,.1f}")
    await bench.database.aclose()


def bench_memory(count: int) -> None:
    """Settle so many rows."""
    settled = SettledRows()
    rows = (row(number, count) for number in range(count))
    tracemalloc.start()
    settled.settle(rows, since=START_AT)
    size, _ = tracemalloc.get_traced_memory()
    CONSOLE.print(f"memory of {count:,} settled rows: {size / count:,.0f} bytes a row")


def row(number: int, count: int):
    """One of `count` rows of the last 13 days: every twentieth is never paid, and ignored."""
    at = NOW - 3 * HOUR - (count - number) * (13 * DAY / count)
    how = NEVER_PAID if number % 20 == 0 else {"actions": (Action(1, "dispense", at, ((100, 8),)),)}
    return cash_out(f"{number:032x}", at, **how)


async def look_through(rows) -> None:
    for one in rows.values():
        repr(one)


async def spent(work) -> float:
    """Await something; return the CPU time of the process in seconds."""
    begun = time.process_time()
    await work
    return time.process_time() - begun


if __name__ == "__main__":
    logging.disable(logging.INFO)
    asyncio.run(main())

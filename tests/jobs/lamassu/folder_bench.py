"""Prints what polls of a folder cost: `python tests/jobs/lamassu/folder_bench.py --rows 10000`.

The floor of the same run is csv.reader on the same files. The longest turn is that of the event loop, in CPU
time of the loop's thread: meanwhile nobody is answered or paid. Nothing fails here.
"""

import argparse
import asyncio
import csv
import logging
import resource
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "payouts"))

from big_export import write_export
from ingest_bench import Bench
from scaffold import open_in_thread

from dca_bot.lamassu import directory
from dca_bot.lamassu.directory import DirectorySource

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def main() -> None:
    """Poll a new folder, the same folder with one file written again, and the folder as it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    directory._YOUNG_NS = 0
    table = Table("poll", "CPU s", "of csv.reader", "longest turn, ms", "memory, MiB", box=None)
    with tempfile.TemporaryDirectory(prefix="dca-bot-folder-") as name:
        export = Path(name) / "export"
        step = timedelta(days=1) * 13 / given.rows
        write_export(export, given.rows, until=datetime.now(UTC), step=step)
        bench = Bench(Path(name) / "bot", DirectorySource(export))
        await bench.open(open_in_thread)
        bench.clock.ahead = datetime.now(UTC) - bench.clock.now()
        bench.ingest.start_at = _EPOCH
        floor_s = _reading_alone(export)
        for what in ("first", "again", "unchanged"):
            if what == "again":
                export.joinpath("cash_out_txs.csv").touch()
            cpu_s, turn_s = await _watched(bench)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            ratio = f"{cpu_s / floor_s:.1f}"
            table.add_row(what, f"{cpu_s:.2f}", ratio, f"{turn_s * 1000:.0f}", f"{memory:.0f}")
        await bench.database.aclose()
    console = Console(highlight=False)
    console.print(f"{given.rows:,} rows of cash_out_txs, csv.reader {floor_s:.2f} s of CPU")
    console.print(table)


def _reading_alone(export: Path) -> float:
    """Return the CPU time of reading the files with csv.reader, the best of three."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        for path in export.iterdir():
            with path.open(newline="") as file:
                for _row in csv.reader(file):
                    pass
        times.append(time.process_time() - begun)
    return min(times)


async def _watched(bench: Bench) -> tuple[float, float]:
    """Poll; return the CPU seconds of the process, and of the event loop's longest turn."""
    longest = 0.0

    async def look() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - begun)

    looking, begun = asyncio.ensure_future(look()), time.process_time()
    await bench.poll()
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    return time.process_time() - begun, longest


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main())

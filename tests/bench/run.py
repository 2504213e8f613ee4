"""Prints one table of what works cost, beside the floor of the same run: `make bench`.

Each work has a process of its own, and takes turns with its floor, what bare parts need for the same. The
least figure counts, because a busy machine only ever adds time. Nothing fails here: a goal that isn't kept is
said so.
"""

import argparse
import asyncio
import importlib
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path[:0] = [
        str(Path(__file__).parents[1] / room)
        for room in (".", "jobs/lamassu", "jobs/payouts", "e2e")
    ]

from bench.results import Result, table, write_json
from bench.rows import ROWS, Row
from bench.spending import Sample, alone

ROUNDS = 5
_SPAN_S = 600
"""A work whose rounds have taken so long has no further round."""
_SIZES = ("small", "middle", "full")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows that are wanted, and print them, even if a work fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="names with commas; else all")
    parser.add_argument("--size", choices=_SIZES, default="full")
    parser.add_argument("--growth", action="store_true", help="all three sizes")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows = picked(given.rows)
    results: list[Result] = []
    try:
        with tempfile.TemporaryDirectory(prefix="dca-bot-bench-") as folder:
            for work, size, of in works(rows, _SIZES if given.growth else [given.size]):
                found = alone(take, work, size, Path(folder), given.rounds)
                results += [Result(row.name, size, found[row.name]) for row in of]
                if given.json:
                    write_json(given.json, results, ROWS)
                sys.stderr.write(f"{', '.join(row.name for row in of)}: {size:,} {of[0].of}\n")
    finally:
        if results:
            sys.stdout.write(table(results, ROWS) + "\n")


def picked(names: str) -> list[Row]:
    """Return the rows of these names, or all; exit if there is no such row."""
    wanted = [name for name in names.split(",") if name]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        sys.exit(f"no row {', '.join(sorted(unknown))}; rows: {','.join(row.name for row in ROWS)}")
    return [row for row in ROWS if row.name in wanted or not wanted]


def works(rows: Sequence[Row], sizes: Iterable[str]) -> list[tuple[str, int, list[Row]]]:
    """Return each work with a size and the rows that it measures: one work can measure several."""
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        for size in (row.sizes[_SIZES.index(one)] for one in sizes):
            found.setdefault((row.measure, size), []).append(row)
    return [(work, size, of) for (work, size), of in found.items()]


def take(work: str, size: int, folder: Path, rounds: int) -> dict[str, tuple[Sample, ...]]:
    """Return the samples of a work's rows; fewer than `rounds` if a work ends, or takes many minutes."""
    module, _, name = work.partition(":")
    measure = getattr(importlib.import_module(module), name)

    async def rounds_of() -> dict[str, list[Sample]]:
        taken: dict[str, list[Sample]] = {}
        began = time.monotonic()
        measured = measure(folder, size)
        async for samples in measured:
            for row, sample in samples.items():
                taken.setdefault(row, []).append(sample)
            done = len(next(iter(taken.values())))
            if done == rounds or time.monotonic() - began > _SPAN_S:
                break
        await measured.aclose()
        return taken

    return {row: tuple(samples) for row, samples in asyncio.run(rounds_of()).items()}


if __name__ == "__main__":
    main()

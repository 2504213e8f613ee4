"""Prints what works on a whole ledger cost: `python tests/ledger/ledger_bench.py --shares 100000`.

Each figure stands beside a floor of the same run, what SQLite or a bare csv.writer needs for the same rows,
and beside the goal that it should keep. CPU seconds; the best of some rounds counts. Nothing fails here.
"""

import argparse
import asyncio
import csv
import json
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from dca_bot.ledger.audit.audit import audit_beside
from dca_bot.ledger.reports.export import Form, export_ledger
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.database import connect_to_read
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.nostr.keys import npub
from ledger.big_ledger import fill

_EXPORTED = ("client", "deposit", "cash_out", "distribution", "share", "payout", "entry", "posting")
_FORM = Form("GTQ", ZoneInfo("America/Guatemala"), npub)


@dataclass(frozen=True)
class Figure:
    """A work on the ledger, its CPU seconds, those of the floor, and the highest ratio that is wanted."""

    work: str
    cpu_s: float
    floor: str
    floor_cpu_s: float
    goal: float


def main() -> None:
    """Make a ledger and measure what reads all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--shares", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dca-bot-ledger-") as name:
        folder = Path(name)
        data = folder / "data"
        step = timedelta(hours=1)
        asyncio.run(fill(data, people=given.people, shares=given.shares, step=step))
        figures = [measure(data, folder / "out", given.rounds) for measure in (copy, prove, write)]
    if given.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures]) + "\n")
    else:
        _print(figures, f"{given.shares:,} shares of {given.people:,} clients")


def copy(data: Path, out: Path, rounds: int) -> Figure:
    """Measure the daily copy against SQLite's own."""

    def bare() -> None:
        with (
            closing(connect_to_read(data / LEDGER_FILE)) as ledger,
            closing(sqlite3.connect(out / "bare")) as target,
        ):
            ledger.backup(target)

    own_s, floor_s = _best(out, rounds, lambda: copy_ledger(data, out / "copy"), bare)
    return Figure("backup", own_s, "SQLite's backup", floor_s, 2.4)


def prove(data: Path, out: Path, rounds: int) -> Figure:
    """Measure an audit of the ledger against one look at each row."""

    def bare() -> None:
        with closing(connect_to_read(data / LEDGER_FILE)) as ledger:
            for table in _EXPORTED:
                ledger.execute(f"SELECT count(*), total(length(id)) FROM {table}").fetchone()

    def own() -> None:
        found = audit_beside(data, threading.Event()).findings
        assert not found, found

    own_s, floor_s = _best(out, rounds, own, bare)
    return Figure("audit", own_s, "each row once", floor_s, 10)


def write(data: Path, out: Path, rounds: int) -> Figure:
    """Measure the export against csv.writer on the tables."""

    def bare() -> None:
        with closing(connect_to_read(data / LEDGER_FILE)) as ledger:
            for table in _EXPORTED:
                with (out / table).open("w", newline="") as file:
                    csv.writer(file).writerows(ledger.execute(f"SELECT * FROM {table}"))

    own_s, floor_s = _best(out, rounds, lambda: export_ledger(data, out / "export", _FORM), bare)
    return Figure("export", own_s, "csv.writer", floor_s, 1.5)


def _best(out: Path, rounds: int, *works: Callable[[], object]) -> list[float]:
    """Return the least CPU seconds of each work; the works take turns, each in an empty folder."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(mode=0o700)
            began = time.process_time()
            work()
            best[number] = min(best[number], time.process_time() - began)
    return best


def _print(figures: list[Figure], size: str) -> None:
    table = Table("work", "CPU s", "floor", "CPU s", "ratio", "goal", title=size)
    for one in figures:
        ratio = one.cpu_s / one.floor_cpu_s
        numbers = (f"{value:.2f}" for value in (one.cpu_s, one.floor_cpu_s, ratio, one.goal))
        own, floor, times, goal = numbers
        table.add_row(one.work, own, one.floor, floor, times, goal)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()

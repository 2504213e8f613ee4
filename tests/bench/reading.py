"""Works on exported files: the first read, reads of what is known, and polls that find nothing new."""

import asyncio
import csv
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from big_export import write_export
from ingest_bench import DAY, MINUTE, Bench
from scaffold import open_in_thread

from bench.spending import Sample, Spent, alone, cpu_sample, spent, spent_beside_loop
from dca_bot.core.ports import CashOutSource, Export, KnownRows
from dca_bot.lamassu.directory import DirectorySource
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.row_models import ACTIONS, CASH_OUTS
from dca_bot.stalls import spare_what_is_loaded

WINDOW_ROWS = 7_700
"""The cash-outs of two weeks, which each poll reads: 550 a day."""
_YOUNG_S = 2.1
"""After so long a file's times tell that the file hasn't changed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def first_read(folder: Path, rows: int) -> AsyncIterator[dict[str, Sample]]:
    """Poll an export with an empty ledger, beside csv.reader with one bulk insert."""
    export = _export(folder, rows)
    while True:
        own, floor = alone(_first_poll, export), alone(_bulk_insert, export)
        times = own.cpu_s, own.wall_s
        yield {
            "first-read": cpu_sample(own, floor),
            "read-stall": Sample(own.stall_ms, floor.stall_ms, *times),
            "read-memory": Sample(own.peak_mib, floor.peak_mib, *times),
        }


async def known_rows(folder: Path, rows: int) -> AsyncIterator[dict[str, Sample]]:
    """Poll an export of known rows and one more sale, beside csv.reader on the same files."""
    export = _export(folder, rows)
    async with _poller(folder, DirectorySource(export)) as bench:
        await bench.poll(2)
        while True:
            bench.clock.ahead += DAY  # each day's first poll reads everything
            full = await _poll_of_changed(bench, export)
            window = await _poll_of_changed(bench, export)
            await asyncio.sleep(_YOUNG_S)
            await bench.poll()
            idle = await _poll(bench)
            with spent() as floor:
                _read_bare(export)
            yield {
                name: cpu_sample(own, floor)
                for name, own in (
                    ("reread", full),
                    ("reread-window", window),
                    ("idle-folder", idle),
                )
            }


async def idle_window(folder: Path, rows: int) -> AsyncIterator[dict[str, Sample]]:
    """Poll tables that are downloaded each time and haven't changed, beside csv.reader on the same."""
    export = _export(folder, rows)
    async with _poller(folder, _Downloads(export)) as bench:
        await bench.poll(3)
        while True:
            bench.clock.ahead += MINUTE
            idle = await _poll(bench)
            with spent() as floor:
                _read_bare(export)
            yield {"idle-window": cpu_sample(idle, floor)}


class _Downloads:
    """An export that each poll has whole, as over SSH."""

    def __init__(self, export: Path) -> None:
        self._export = export
        self._kept = KeptReading()

    async def fetch(self, since: datetime, known: KnownRows) -> Export:
        with ExitStack() as files:
            cash_outs, actions = (
                files.enter_context((self._export / f"{table.name}.csv").open("rb"))
                for table in (CASH_OUTS, ACTIONS)
            )
            devices = files.enter_context(BytesIO(b"device_id,name\n"))
            tables = cash_outs, actions, devices
            return await asyncio.to_thread(
                self._kept.read, *tables, cash_ins=None, since=since, known=known
            )


def _export(folder: Path, rows: int) -> Path:
    """Return an export of so many cash-outs up to now; a run of the benchmarks makes each once."""
    export = folder / f"export-{rows}"
    if not export.exists():
        step = 14 * DAY / WINDOW_ROWS
        write_export(export, rows, until=datetime.now(UTC), step=step)
    return export


@asynccontextmanager
async def _poller(folder: Path, source: CashOutSource) -> AsyncIterator[Bench]:
    """Have a new ledger and a poller, for which every cash-out counts."""
    with TemporaryDirectory(prefix="poller-", dir=folder) as name:
        bench = Bench(Path(name), source)
        await bench.open(open_in_thread)
        bench.clock.ahead = datetime.now(UTC) - bench.clock.now()
        bench.ingest.start_at = _EPOCH
        try:
            yield bench
        finally:
            await bench.database.aclose()


def _first_poll(export: Path) -> Spent:
    async def poll() -> Spent:
        async with _poller(export.parent, DirectorySource(export)) as bench:
            spare_what_is_loaded()  # as a bot does at its start
            async with spent_beside_loop() as took:
                await bench.poll()
        return took

    return asyncio.run(poll())


def _bulk_insert(export: Path) -> Spent:
    async def insert() -> Spent:
        with TemporaryDirectory(prefix="bulk-", dir=export.parent) as name:
            async with spent_beside_loop() as took:
                await asyncio.to_thread(_insert_bare, export, Path(name) / "bare")
        return took

    return asyncio.run(insert())


def _insert_bare(export: Path, target: Path) -> None:
    with closing(sqlite3.connect(target)) as bare, bare:
        for path in export.iterdir():
            with path.open(newline="") as file:
                rows = csv.reader(file)
                header = next(rows)
                columns = ", ".join(f'"{name}"' for name in header[1:])
                bare.execute(f"CREATE TABLE {path.stem} ({header[0]} PRIMARY KEY, {columns})")
                marks = ", ".join("?" * len(header))
                bare.executemany(f"INSERT INTO {path.stem} VALUES ({marks})", rows)


def _read_bare(export: Path) -> None:
    for path in export.iterdir():
        with path.open(newline="") as file:
            for _row in csv.reader(file):
                pass


async def _poll(bench: Bench) -> Spent:
    with spent() as took:
        await bench.poll()
    return took


async def _poll_of_changed(bench: Bench, export: Path) -> Spent:
    """Poll after one more sale: a file's last row under another id."""
    with export.joinpath("cash_out_txs.csv").open("r+", newline="") as file:
        header, *_, last = csv.reader(file)
        last[header.index("id")] = str(uuid.uuid4())
        csv.writer(file, lineterminator="\n").writerow(last)
    return await _poll(bench)

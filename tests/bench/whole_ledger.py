"""Works that go through a whole ledger: audit, backup, export, and the room that a share takes."""

import csv
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from ledger.big_ledger import BEGIN, fill

from bench.spending import Sample, Spent, alone, cpu_sample, spent
from dca_bot.ledger.audit.audit import audit_beside
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.payouts import invoices
from dca_bot.ledger.reports.export import Form, export_ledger
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.database import Tx, connect_to_read, open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.nostr.keys import npub

_EXPORTED = ("client", "deposit", "cash_out", "distribution", "share", "payout", "entry", "posting")
_FORM = Form("GTQ", ZoneInfo("America/Guatemala"), npub)
_Work = Callable[[Path, Path], None]


async def filled(folder: Path, shares: int) -> Path:
    """Return a data folder with so many shares; each run of the benchmarks makes it once."""
    data = folder / f"shares-{shares}"
    if not data.exists():
        people = min(1000, shares // 10)
        await fill(data, people=people, shares=shares, step=timedelta(hours=1))
    return data


async def backup(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Copy the ledger as each day, beside SQLite's own backup."""
    data = await filled(folder, shares)
    while True:
        own, floor = (_spent_on(work, data, folder / "out") for work in (_copy, _copy_bare))
        yield {"backup": cpu_sample(own, floor)}


async def export(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Export the ledger, beside csv.writer on the tables."""
    data = await filled(folder, shares)
    while True:
        own, floor = (_spent_on(work, data, folder / "out") for work in (_export, _export_bare))
        yield {"export": cpu_sample(own, floor)}


async def audit(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Audit the ledger as the chat's command does, beside one look at each row."""
    data = await filled(folder, shares)
    while True:
        own, floor = (alone(_spent_on, work, data, folder / "out") for work in (_audit, _look))
        yield {
            "audit": cpu_sample(own, floor),
            "audit-memory": Sample(own.peak_mib, floor.peak_mib, own.cpu_s, own.wall_s),
        }


async def room(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Divide the ledger's size by the shares, beside the same rows in tables without an index.

    Then again once the bot has forgotten invoices and messages.
    """
    data = await filled(folder, shares)
    with TemporaryDirectory(prefix="room-", dir=folder) as name:
        later = shutil.copytree(data, Path(name) / "later")
        sizes = {"bytes": _sizes(data, Path(name) / "bare")}
        await _forget_old(later, shares)
        sizes["bytes-later"] = _sizes(later, Path(name) / "bare-later")
    yield {
        row: Sample(own / shares, bare / shares, took.cpu_s, took.wall_s)
        for row, (own, bare, took) in sizes.items()
    }


async def _forget_old(data: Path, shares: int) -> None:
    """Have the bot forget what 91 days have made old, and give the room back."""
    now = BEGIN + timedelta(hours=shares, days=91)

    def forget(tx: Tx) -> int:
        recipients = tx.execute("SELECT DISTINCT recipient FROM outbox").fetchall()
        messages = sum(outbox.forget(tx, row["recipient"], now=now) for row in recipients)
        return messages + invoices.forget(tx, now=now, limit=shares)

    database = await open_database(data)
    while await database.transact(forget):
        pass
    await database.aclose()
    with closing(sqlite3.connect(data / LEDGER_FILE, isolation_level=None)) as ledger:
        ledger.execute("VACUUM")


def _spent_on(work: _Work, data: Path, out: Path) -> Spent:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(mode=0o700)
    with spent() as took:
        work(data, out)
    return took


def _copy(data: Path, out: Path) -> None:
    copy_ledger(data, out / "copy")


def _copy_bare(data: Path, out: Path) -> None:
    with (
        closing(connect_to_read(data / LEDGER_FILE)) as ledger,
        closing(sqlite3.connect(out / "bare")) as target,
    ):
        ledger.backup(target)


def _export(data: Path, out: Path) -> None:
    export_ledger(data, out / "export", _FORM)


def _export_bare(data: Path, out: Path) -> None:
    with closing(connect_to_read(data / LEDGER_FILE)) as ledger:
        for table in _EXPORTED:
            with (out / table).open("w", newline="") as file:
                csv.writer(file).writerows(ledger.execute(f"SELECT * FROM {table}"))


def _audit(data: Path, _out: Path) -> None:
    found = audit_beside(data, threading.Event()).findings
    assert not found, found


def _look(data: Path, _out: Path) -> None:
    with closing(connect_to_read(data / LEDGER_FILE)) as ledger:
        for table in _EXPORTED:
            ledger.execute(f"SELECT count(*), total(length(id)) FROM {table}").fetchone()


def _sizes(data: Path, bare: Path) -> tuple[int, int, Spent]:
    """Return the bytes of the ledger, those of its bare rows, and what it takes to write the latter."""
    with spent() as took:
        bare_size = _bare_size(data, bare)
    return (data / LEDGER_FILE).stat().st_size, bare_size, took


def _bare_size(data: Path, target: Path) -> int:
    """Return the bytes of the ledger's rows in tables that have no index, constraint or trigger."""
    with closing(connect_to_read(data / LEDGER_FILE)) as ledger:
        ledger.execute("ATTACH ? AS bare", (str(target),))
        names = ledger.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table'"
        ).fetchall()
        for (name,) in names:
            if not name.startswith("sqlite_"):
                ledger.execute(f"CREATE TABLE bare.{name} AS SELECT * FROM main.{name}")
    return target.stat().st_size

"""A cash-out shared out among many clients, beside the same rows written bare."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from here import Here
from scaffold import FLOW, cash_out_row, open_ledger

from bench.spending import Sample, Spent, cpu_sample, spent
from bench.whole_ledger import filled
from dca_bot.core.cash_out import Amounts, Decision, Reason, Verdict
from dca_bot.ledger.distributions import cash_outs, flow_mode
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import Database, Tx, open_database

_NOW = datetime(2027, 3, 1, tzinfo=UTC)
_CHANGES = ("INSERT", "UPDATE", "DELETE")
_Statement = tuple[str, tuple[object, ...]]


async def distribution(folder: Path, count: int) -> AsyncIterator[dict[str, Sample]]:
    """Share cash-outs out among so many clients with one deposit each."""
    with TemporaryDirectory(prefix="sharing-", dir=folder) as name:
        data = Path(name) / "data"
        database = await open_ledger(data)
        await database.transact(lambda tx: _add_clients(tx, count))
        await database.aclose()
        async with aclosing(_shared_out(data, count)) as rounds:
            async for decided, recorded in rounds:
                yield {"decide": decided, "record": recorded}


async def with_history(folder: Path, shares: int) -> AsyncIterator[dict[str, Sample]]:
    """Share cash-outs out among all clients of a ledger that has so many shares."""
    filled_data = await filled(folder, shares)
    with TemporaryDirectory(prefix="history-", dir=folder) as name:
        data = shutil.copytree(filled_data, Path(name) / "data")
        async with aclosing(_shared_out(data, min(1000, shares // 10))) as rounds:
            async for _, recorded in rounds:
                yield {"record-history": recorded}


async def _shared_out(data: Path, count: int) -> AsyncIterator[tuple[Sample, Sample]]:
    """Share cash-outs out in one ledger, and have the same rows written in a copy."""
    shutil.copytree(data, data.with_name("bare"))
    own = await open_database(data, connect=_open_noting)
    bare = await open_database(data.with_name("bare"), connect=_open_noting)
    amounts = Amounts(count * 500, count * 300, count * 25)
    try:
        while True:
            id_ = await _next_cash_out(own, amounts)
            assert await _next_cash_out(bare, amounts) == id_

            def distribute(tx: Tx, id_: str = id_) -> None:
                given = flow_mode.distribute(tx, id_, amounts, at=_NOW, now=_NOW, rules=FLOW)
                assert len(given.shares) == count

            statements = await _rehearse(bare, distribute)
            yield (
                cpu_sample(await _read(own, amounts), await _read_bare(own), in_one_s=1000),
                cpu_sample(
                    await _transacted(own, distribute),
                    await _transacted(bare, lambda tx, done=statements: _write_bare(tx, done)),
                    in_one_s=1000,
                ),
            )
    finally:
        await own.aclose()
        await bare.aclose()


async def _next_cash_out(database: Database, amounts: Amounts) -> str:
    """Record a cash-out that waits to be shared out; return the id."""
    decision = Decision(Verdict.DISTRIBUTE, Reason.NONE, _NOW, amounts)

    def work(tx: Tx) -> str:
        (count,) = tx.execute("SELECT count(*) FROM cash_out").fetchone()
        row = cash_out_row(f"{count:08x}-cash-out", _NOW, device_id="m1")
        cash_outs.record(tx, row, decision, state="waiting", reason="", now=_NOW)
        return row.id

    return await database.transact(work)


async def _read(database: Database, amounts: Amounts) -> Spent:
    with spent() as took:
        await database.read(lambda tx: flow_mode.work_out(tx, amounts, at=_NOW, rules=FLOW))
    return took


async def _read_bare(database: Database) -> Spent:
    """Read the clients' balances and do nothing with them."""
    query = "SELECT id, balance_minor FROM participant WHERE mode = 'flow'"
    with spent() as took:
        await database.read(lambda tx: tx.execute(query).fetchall())
    return took


async def _transacted(database: Database, work: Callable[[Tx], None]) -> Spent:
    with spent() as took:
        await database.transact(work)
    return took


class _Noting(sqlite3.Connection):
    """A connection that can note the statements which change something."""

    noted: list[_Statement] | None = None

    def execute(self, sql, values=()):
        if self.noted is not None and sql.startswith(_CHANGES):
            self.noted.append((sql, values))
        return super().execute(sql, values)

    def executemany(self, sql, rows):
        rows = list(rows)
        if self.noted is not None:
            self.noted.extend((sql, values) for values in rows)
        return super().executemany(sql, rows)


async def _open_noting(uri: str) -> Here:
    return Here(uri, _Noting)


class _Undone(Exception):
    """Undoes a rehearsal."""


async def _rehearse(database: Database, work: Callable[[Tx], None]) -> dict[str, list[tuple]]:
    """Return the rows of each changing statement of a work, and leave nothing of it in the ledger."""
    rows: dict[str, list[tuple]] = {}

    def rehearse(tx: Tx) -> None:
        tx.noted = []
        try:
            work(tx)
        finally:
            noted, tx.noted = tx.noted, None
        for sql, values in noted:
            rows.setdefault(sql, []).append(values)
        raise _Undone

    try:
        await database.transact(rehearse)
    except _Undone:
        return rows
    raise AssertionError("the rehearsal was not undone")


def _write_bare(tx: Tx, statements: dict[str, list[tuple]]) -> None:
    for sql, rows in statements.items():
        tx.executemany(sql, rows)


def _add_clients(tx: Tx, count: int) -> None:
    earlier = _NOW - timedelta(days=1)
    for number in range(count):
        client = clients.add(
            tx, name=f"c{number}", pubkey=f"{number:064x}", language="en", now=earlier
        )
        clients.set_destination(tx, client.id, Destination(INVOICE_KEY, f"key{number}"))
        deposit = deposits.add(tx, client.id, amount_minor=10**8, note="", now=earlier)
        deposits.confirm(tx, deposit, machine=None, now=earlier)

"""Reads Lamassu from the PostgreSQL database, directly or through an SSH tunnel.

The invariant: the bot changes nothing in the database and sees a single state. All tables come from
one READ ONLY, REPEATABLE READ transaction, as the same CSV that `psql` would export, and go to the
same reader.
"""

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any

import asyncpg

from dca_bot.core.freshness import STANDBY
from dca_bot.core.ports import NOTHING_KNOWN, Copy, Export, KnownRows, LeftOut
from dca_bot.errors import SourceUnavailable, TableBroken
from dca_bot.faults import SourceFault
from dca_bot.lamassu.csv import Table
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.postgres_login import (
    PostgresLimits,
    PostgresServer,
    TableUnreadable,
    log_in,
)
from dca_bot.lamassu.postgres_refusals import refusal
from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS, DEVICES
from dca_bot.lamassu.rows import lacks_cash_ins
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.lamassu.tunnel import open_tunnel

_log = logging.getLogger(__name__)

_MEMORY_BYTES = 2**23
# PostgreSQL's errors and asyncpg's own; a time limit raises an OSError.
_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# $1 is `since`. An action is created after the cash-out, so the same time bounds both.
_CONDITIONS = {
    CASH_OUTS: "created >= $1::timestamptz",
    ACTIONS: "created >= $1::timestamptz AND action::text IN ('dispense', 'dispenseError')"
    " AND tx_id IN (SELECT id FROM cash_out_txs WHERE created >= $1::timestamptz)",
    DEVICES: "$1::timestamptz IS NOT NULL",
    CASH_INS: "created >= $1::timestamptz",
}
# All columns, even those without permission: a forbidden column must give an error, not pass for missing.
_COLUMNS = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""
_RIGHTS = """
SELECT current_setting('server_version') AS version,
       pg_is_in_recovery() AS standby,
       array_agg(name) FILTER (WHERE has_any_column_privilege(oid, 'SELECT')) AS readable,
       array_agg(name) FILTER (WHERE has_table_privilege(oid, 'INSERT, UPDATE, DELETE')) AS writable
FROM (SELECT name, to_regclass(name)::oid AS oid FROM unnest($1::text[]) AS name) AS asked
"""


# NULL on a standby that has replayed nothing since the start: the age is unknown then.
_REPLAYED = "SELECT pg_is_in_recovery() AS standby, pg_last_xact_replay_timestamp() AS replayed_at"


@dataclass(frozen=True, slots=True)
class Rights:
    """A login's rights on the tables that are read, and the server's version.

    `is_standby`: the server replays another server's changes, and may lag behind.
    """

    version: str
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    is_standby: bool


class PostgresSource:
    """A Lamassu database; the connection and the tunnel, if any, are kept between polls."""

    def __init__(
        self,
        server: PostgresServer,
        tunnel: SshServer | None = None,
        limits: PostgresLimits | None = None,
    ) -> None:
        self._server = server
        self._tunnel = tunnel
        self._limits = limits or PostgresLimits()
        self._connection: Any = None
        self._exits = AsyncExitStack()
        self._turn = asyncio.Lock()
        self._kept = KeptReading()

    async def fetch(self, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
        """Read every cash-out created at `since` or later with the actions, and every cash-in.

        Raise SourceUnavailable if the server can't be read, ExportBroken if a table lacks columns.
        """
        async with self._turn:
            with ExitStack() as files:
                (cash_outs, actions, devices), cash_ins, failure, copies = await self._try_read(
                    files, since
                )
                export = await asyncio.to_thread(
                    self._kept.read,
                    cash_outs,
                    actions,
                    devices,
                    cash_ins=cash_ins,
                    since=since,
                    known=known,
                )
        left_out = (failure, *export.left_out) if failure else export.left_out
        return replace(export, left_out=left_out, copies=copies)

    async def rights(self) -> Rights:
        """Look up the role's rights; raise SourceUnavailable."""
        names = [table.name for table in _CONDITIONS]
        async with self._turn:
            try:
                with self._explained():
                    row = await (await self._connect()).fetchrow(_RIGHTS, names)
            except BaseException:
                await self.aclose()
                raise
        readable, writable = tuple(row["readable"] or ()), tuple(row["writable"] or ())
        return Rights(row["version"], readable, writable, row["standby"])

    async def aclose(self) -> None:
        """Close the connection and the tunnel."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not close(): a graceful end would wait for a server that hangs.
            connection.terminate()
        await self._exits.aclose()

    async def _try_read(
        self, files: ExitStack, since: datetime
    ) -> tuple[list[IO[bytes]], IO[bytes] | None, LeftOut | None, tuple[Copy, ...]]:
        """Read all tables; an error closes the connection, whose state is unknown then."""
        try:
            with self._explained():
                transaction = await self._begin()
                # Before the tables: changes replayed meanwhile make the tables newer, never older.
                copies = await self._standby()
                tables = [
                    await self._download(files, table, since)
                    for table in (CASH_OUTS, ACTIONS, DEVICES)
                ]
                cash_ins, failure = await self._try_cash_ins(files, since)
                await transaction.rollback()
        except BaseException:
            await self.aclose()
            raise
        return tables, cash_ins, failure, copies

    async def _standby(self) -> tuple[Copy, ...]:
        """Return up to when a standby has replayed; empty for a server that is no standby.

        A server that only looks like PostgreSQL may not know the function; the reading goes on.
        """
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            row = await self._connection.fetchrow(_REPLAYED)
            await savepoint.commit()
        except asyncpg.PostgresError as error:
            _log.debug("standby not asked error=%s", type(error).__name__)
            await savepoint.rollback()
            return ()
        is_known = row["standby"] and row["replayed_at"] is not None
        return (Copy(STANDBY, row["replayed_at"]),) if is_known else ()

    async def _try_cash_ins(
        self, files: ExitStack, since: datetime
    ) -> tuple[IO[bytes] | None, LeftOut | None]:
        """Read the cash-ins, or say why not; a savepoint keeps the transaction alive."""
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            return await self._download(files, CASH_INS, since), None
        except (TableUnreadable, TableBroken) as error:
            await savepoint.rollback()
            return None, lacks_cash_ins(str(error))

    async def _begin(self) -> Any:
        """Begin a transaction on the kept connection, or on a new connection if the old one is dead."""
        if self._connection is not None:
            try:
                async with asyncio.timeout(self._limits.connect_s):
                    return await _start(self._connection)
            except _FAULTS as error:
                _log.warning("postgres connection replaced error=%s", type(error).__name__)
                await self.aclose()
        return await _start(await self._connect())

    async def _connect(self) -> Any:
        """Log in, through the tunnel if configured; an open connection and tunnel are closed first."""
        await self.aclose()
        server, limit_s = self._server, self._limits.connect_s
        host = server.host
        if self._tunnel is not None:
            way = open_tunnel(self._tunnel, server.host, server.port, limit_s=limit_s)
            host = await self._exits.enter_async_context(way)
        self._connection = await log_in(server, host, self._limits)
        return self._connection

    async def _download(self, files: ExitStack, table: Table, since: datetime) -> IO[bytes]:
        """Copy the needed rows of a table into a file, in memory up to 8 MiB, then on disk."""
        query = await self._query(table)
        spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 (is on the stack)
        file = files.enter_context(spool)

        async def write(chunk: bytes) -> None:
            file.write(chunk)
            if file.tell() > self._limits.table_bytes:
                raise SourceUnavailable(
                    f"{table.name} goes beyond {self._limits.table_bytes:,} bytes; shorten"
                    " lookback_days or set a later start_at.",
                    fault=SourceFault.TOO_LARGE,
                    table=table.name,
                )

        with self._explained(table.name):
            done = await self._connection.copy_from_query(
                query, since, output=write, format="csv", header=True
            )
        _log.debug("table read table=%s %s", table.name, done)
        file.seek(0)
        return file

    async def _query(self, table: Table) -> str:
        """Select the columns that the bot knows; raise TableUnreadable or TableBroken if one is missing."""
        rows = await self._connection.fetch(_COLUMNS, table.name)
        present = {row["attname"] for row in rows}
        server = self._server
        if not present:
            grant = f"GRANT USAGE ON SCHEMA public TO {server.user};"
            raise TableUnreadable(
                f"There is no table {table.name} in {server.database} for {server.user}; check"
                f" [lamassu.postgres] database, and run there: {grant}",
                fault=SourceFault.NO_TABLE,
                table=table.name,
                database=server.database,
                user=server.user,
                grant=grant,
            )
        missing = sorted(table.required - present)
        if missing:
            raise TableBroken(
                f"{table.name} in {server.database} lacks {', '.join(missing)}; is it Lamassu's"
                " database? If Lamassu was updated, update the bot.",
                fault=SourceFault.COLUMNS_MISSING,
                table=table.name,
                columns=", ".join(missing),
            )
        columns = ", ".join(sorted(present & (table.required | table.optional)))
        return f"SELECT {columns} FROM {table.name} WHERE {_CONDITIONS[table]}"

    @contextmanager
    def _explained(self, table: str = "") -> Iterator[None]:
        """Turn errors of PostgreSQL and of the network into sentences (`refusal`)."""
        try:
            yield
        except _FAULTS as error:
            raise refusal(error, self._server, self._limits, table) from error


async def _start(connection: Any) -> Any:
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    await transaction.start()
    return transaction

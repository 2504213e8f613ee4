"""Reads Lamassu from its PostgreSQL database, directly or through an SSH tunnel.

The invariant: the bot can't change anything there, and reads one state of it. All tables come from one
READ ONLY, REPEATABLE READ transaction, as the same CSV that `psql` would export, to the same reader.
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
from dca_bot.core.ports import Copy, Export
from dca_bot.errors import SourceUnavailable, TableBroken
from dca_bot.lamassu.csv import Table
from dca_bot.lamassu.postgres_login import (
    PostgresLimits,
    PostgresServer,
    TableUnreadable,
    log_in,
    refusal,
)
from dca_bot.lamassu.rows import (
    ACTIONS,
    CASH_INS,
    CASH_OUTS,
    DEVICES,
    lacks_cash_ins,
    read_export,
)
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.lamassu.tunnel import open_tunnel

_log = logging.getLogger(__name__)

_MEMORY_BYTES = 2**23
# What asyncpg raises beside the errors of PostgreSQL; a time limit is an OSError.
_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# $1 is `since`. Actions are created after their cash-out, so the same time bounds them.
_CONDITIONS = {
    CASH_OUTS: "created >= $1::timestamptz",
    ACTIONS: "created >= $1::timestamptz AND action::text IN ('dispense', 'dispenseError')"
    " AND tx_id IN (SELECT id FROM cash_out_txs WHERE created >= $1::timestamptz)",
    DEVICES: "$1::timestamptz IS NOT NULL",
    CASH_INS: "created >= $1::timestamptz",
}
# Of all that exist, not of those that may be read: a column that may not be read is told, not missed.
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


# A standby that has replayed nothing since its start tells no time; then nothing is known of its age.
_REPLAYED = "SELECT pg_is_in_recovery() AS standby, pg_last_xact_replay_timestamp() AS replayed_at"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a login may do with the tables that are read, and the server's version.

    `is_standby`: the server replays what another one does, and may lag behind it.
    """

    version: str
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    is_standby: bool


class PostgresSource:
    """A Lamassu database; the connection, and the tunnel to it, are kept between polls."""

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

    async def fetch(self, since: datetime) -> Export:
        """Read every cash-out created at `since` or later, with its actions, and every cash-in."""
        async with self._turn:
            with ExitStack() as files:
                (cash_outs, actions, devices), cash_ins, failure, copies = await self._try_read(
                    files, since
                )
                export = await asyncio.to_thread(
                    read_export, cash_outs, actions, devices, cash_ins=cash_ins, since=since
                )
        unreadable = (failure, *export.unreadable) if failure else export.unreadable
        return replace(export, unreadable=unreadable, copies=copies)

    async def rights(self) -> Rights:
        """Look up what the role may do; raise SourceUnavailable."""
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
            connection.terminate()
        await self._exits.aclose()

    async def _try_read(
        self, files: ExitStack, since: datetime
    ) -> tuple[list[IO[bytes]], IO[bytes] | None, str, tuple[Copy, ...]]:
        """Read all tables; whatever goes wrong leaves no connection in doubt behind."""
        try:
            with self._explained():
                transaction = await self._begin()
                # Before the tables: what is replayed meanwhile makes them newer, never older.
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
        """Tell up to when a standby has replayed; nothing for a server that others replay.

        A service that only looks like PostgreSQL may not tell; the reading goes on.
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
    ) -> tuple[IO[bytes] | None, str]:
        """Read the cash-ins, or tell why they can't be read; the transaction lives on."""
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            return await self._download(files, CASH_INS, since), ""
        except (TableUnreadable, TableBroken) as error:
            await savepoint.rollback()
            return None, lacks_cash_ins(str(error))

    async def _begin(self) -> Any:
        """Begin a transaction on the kept connection, or on a new one if that is dead."""
        if self._connection is not None:
            try:
                async with asyncio.timeout(self._limits.connect_s):
                    return await _start(self._connection)
            except _FAULTS as error:
                _log.warning("postgres connection replaced error=%s", type(error).__name__)
                await self.aclose()
        return await _start(await self._connect())

    async def _connect(self) -> Any:
        """Log in, through the tunnel if there is one; what is open already is closed before."""
        await self.aclose()
        server, limit_s = self._server, self._limits.connect_s
        host = server.host
        if self._tunnel is not None:
            way = open_tunnel(self._tunnel, server.host, server.port, limit_s=limit_s)
            host = await self._exits.enter_async_context(way)
        self._connection = await log_in(server, host, self._limits)
        return self._connection

    async def _download(self, files: ExitStack, table: Table, since: datetime) -> IO[bytes]:
        """Copy what is needed of one table into a file, on disk if it is much."""
        query = await self._query(table)
        spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 (is on the stack)
        file = files.enter_context(spool)

        async def write(chunk: bytes) -> None:
            file.write(chunk)
            if file.tell() > self._limits.table_bytes:
                raise SourceUnavailable(
                    f"{table.name} goes beyond {self._limits.table_bytes:,} bytes; shorten"
                    " lookback_days or set a later start_at."
                )

        with self._explained(table.name):
            done = await self._connection.copy_from_query(
                query, since, output=write, format="csv", header=True
            )
        _log.debug("table read table=%s %s", table.name, done)
        file.seek(0)
        return file

    async def _query(self, table: Table) -> str:
        """Select the columns that the bot knows; raise if it doesn't find those that it needs."""
        rows = await self._connection.fetch(_COLUMNS, table.name)
        present = {row["attname"] for row in rows}
        server = self._server
        if not present:
            raise TableUnreadable(
                f"There is no table {table.name} in {server.database} for {server.user}; check"
                f" [lamassu.postgres] database, and run there: GRANT USAGE ON SCHEMA public TO"
                f" {server.user};"
            )
        missing = sorted(table.required - present)
        if missing:
            raise TableBroken(
                f"{table.name} in {server.database} lacks {', '.join(missing)}; is it Lamassu's"
                " database? If Lamassu was updated, update the bot."
            )
        columns = ", ".join(sorted(present & (table.required | table.optional)))
        return f"SELECT {columns} FROM {table.name} WHERE {_CONDITIONS[table]}"

    @contextmanager
    def _explained(self, table: str = "") -> Iterator[None]:
        """Make sentences of errors."""
        try:
            yield
        except _FAULTS as error:
            raise refusal(error, self._server, self._limits, table) from error


async def _start(connection: Any) -> Any:
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    await transaction.start()
    return transaction

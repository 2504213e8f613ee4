"""Reads Lamassu over SSH: a command per table prints the table as CSV.

The invariant: all or nothing. A table counts only if the command ended with exit status 0 and the
last row is whole. The server's key is always checked, and only the configured key logs in.
"""

import asyncio
import logging
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO

import asyncssh

from dca_bot.core.ports import NOTHING_KNOWN, Export, KnownRows
from dca_bot.errors import SourceUnavailable, in_words, one_line
from dca_bot.faults import SourceFault
from dca_bot.lamassu.export_command import Ending, fill_command, what_to_do
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS, DEVICES
from dca_bot.lamassu.rows import lacks_cash_ins
from dca_bot.lamassu.ssh_login import SshServer, connect

_log = logging.getLogger(__name__)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_BYTES = 2**18
_MEMORY_BYTES = 2**23
_COMPLAINT_BYTES = 2**12


class _CommandFailed(SourceUnavailable):
    """The command failed or took too long; tables that were read before stay valid."""


@dataclass(frozen=True, slots=True)
class SshLimits:
    """Bounds on time and size.

    `command_s` is for one table; `cash_ins_s` is shorter, as the cash-outs wait for the cash-ins.
    """

    connect_s: float = 20
    command_s: float = 600
    cash_ins_s: float = 120
    table_bytes: int = 2**32


class SshCsvSource:
    """A Lamassu server with a command that exports tables; the connection is kept between polls.

    `command`: the command line, with `{table}` and `{since}` in it.
    """

    def __init__(self, server: SshServer, command: str, limits: SshLimits | None = None) -> None:
        """Take the command with `{table}` and `{since}` in it."""
        self._server = server
        self._command = command
        self._limits = limits or SshLimits()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._turn = asyncio.Lock()
        self._kept = KeptReading()

    async def fetch(self, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
        """Read every cash-out created at `since` or later with the actions, and every cash-in.

        An action is created after the cash-out, so the same time bounds both. If only the command
        for the cash-ins fails, the cash-outs count all the same. Raise SourceUnavailable, or
        ExportBroken for an incomplete table.
        """
        async with self._turn:
            with ExitStack() as files:
                # Cash-outs first, so that no action is older than the cash-out's state.
                tables = [(CASH_OUTS, since), (ACTIONS, since), (DEVICES, _BEGINNING)]
                cash_outs, actions, devices = [
                    files.enter_context(await self._download(table.name, table_since))
                    for table, table_since in tables
                ]
                try:
                    cash_ins = files.enter_context(await self._download(CASH_INS.name, since))
                    failure = None
                except _CommandFailed as error:
                    cash_ins, failure = None, lacks_cash_ins(str(error))
                export = await asyncio.to_thread(
                    self._kept.read,
                    cash_outs,
                    actions,
                    devices,
                    cash_ins=cash_ins,
                    since=since,
                    known=known,
                )
        return replace(export, left_out=(failure, *export.left_out)) if failure else export

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _download(self, table: str, since: datetime) -> IO[bytes]:
        """Run the command for a table and keep the output, in memory up to 8 MiB, then on disk."""
        command, limits = fill_command(self._command, table, since), self._limits
        limit_s = limits.cash_ins_s if table == CASH_INS.name else limits.command_s
        file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 (is returned)
        try:
            async with asyncio.timeout(limits.connect_s + limit_s):
                await self._receive(await self._start(command), file, table)
        except _CommandFailed:
            file.close()
            raise
        except TimeoutError:
            await self._give_up(file)
            raise _CommandFailed(
                f"Reading {table} took longer than {limit_s:g} seconds; check the connection and"
                " the load of the Lamassu server.",
                fault=SourceFault.SLOW,
                table=table,
            ) from None
        except (asyncssh.Error, OSError) as error:
            await self._give_up(file)
            raise SourceUnavailable(
                f"The connection to {self._server.host} broke while {table} was read"
                f" ({in_words(error)}); the next poll tries again.",
                fault=SourceFault.CONNECTION_LOST,
                address=self._server.host,
            ) from error
        except BaseException:
            await self._give_up(file)
            raise
        file.seek(0)
        return file

    async def _start(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        """Run a command over the kept connection, or over a new connection if the old one is dead."""
        if self._connection is not None:
            try:
                return await _run(self._connection, command)
            except (asyncssh.Error, OSError) as error:
                _log.warning("ssh connection replaced", extra={"error": type(error).__name__})
                await self.aclose()
        self._connection = await connect(self._server, limit_s=self._limits.connect_s)
        return await _run(self._connection, command)

    async def _receive(
        self, process: asyncssh.SSHClientProcess[bytes], file: IO[bytes], table: str
    ) -> None:
        """Copy the output into the file; raise SourceUnavailable unless the command ended well."""
        size_bytes, complaint = await asyncio.gather(
            self._copy(process.stdout, file, table), _first_bytes(process.stderr)
        )
        await process.wait_closed()
        if process.exit_status == 0 and (size_bytes or not complaint.strip()):
            return
        if not complaint.strip() and size_bytes <= _COMPLAINT_BYTES:
            # Some refuse on stdout, like the shell nologin.
            file.seek(0)
            complaint = file.read()
        signal = process.exit_signal[0] if process.exit_signal else None
        said = one_line(complaint.decode(errors="replace"))
        ending = Ending(process.exit_status, signal, said)
        remedy = what_to_do(ending, self._command, self._server.username)
        raise (_CommandFailed if ending.is_its_own else SourceUnavailable)(
            f"The export command for {table} {'printed no table' if ending.status == 0 else 'failed'} on"
            f" {self._server.host} ({ending}): {remedy}.",
            fault=SourceFault.COMMAND_FAILED,
            table=table,
            host=self._server.host,
            user=self._server.username,
            said=said,
        )

    async def _copy(self, stream: asyncssh.SSHReader[bytes], file: IO[bytes], table: str) -> int:
        """Copy a stream into the file and return its size; raise SourceUnavailable beyond the limit."""
        size_bytes = 0
        while chunk := await stream.read(_CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > self._limits.table_bytes:
                raise SourceUnavailable(
                    f"The export of {table} goes beyond {self._limits.table_bytes:,} bytes; check"
                    " [lamassu.csv] command, and shorten lookback_days or set a later start_at.",
                    fault=SourceFault.TOO_LARGE,
                    table=table,
                )
            file.write(chunk)
        return size_bytes

    async def _give_up(self, file: IO[bytes]) -> None:
        """Close the file and the connection, whose state is unknown."""
        file.close()
        await self.aclose()


async def _run(
    connection: asyncssh.SSHClientConnection, command: str
) -> asyncssh.SSHClientProcess[bytes]:
    return await connection.create_process(command, stdin=asyncssh.DEVNULL, encoding=None)


async def _first_bytes(stream: asyncssh.SSHReader[bytes]) -> bytes:
    """Read the stream to the end, lest the server block, and return the beginning."""
    kept = b""
    while chunk := await stream.read(_COMPLAINT_BYTES):
        kept += chunk[: _COMPLAINT_BYTES - len(kept)]
    return kept

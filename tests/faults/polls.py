"""Polls over a faulty way: the bot's own readers, poller and ledger, and real servers behind.

Lamassu is read over SSH, from PostgreSQL, and from PostgreSQL through SSH. Before each poll a machine has
sold once more.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from faulty_ssh import FaultySsh
from ingest_bench import DAY
from ingest_bench import Bench as IngestBench
from lamassu_server import LamassuServer, login
from machine import GrowingExport
from payout_bench import HandClock
from postgres_process import EMPTY, PostgresProcess
from wire import Wire

from dca_bot.core.ports import Export, KnownRows
from dca_bot.core.reach import Part
from dca_bot.errors import OutsideError
from dca_bot.lamassu.postgres import PostgresSource
from dca_bot.lamassu.postgres_login import PostgresLimits
from dca_bot.lamassu.ssh import SshCsvSource, SshLimits
from dca_bot.ledger.audit.audit import audit_ledger

TABLES = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
FIAT = 200
CONNECT_S, READ_S = 10, 5
POLL = timedelta(minutes=1)
"""How much of the bot's time lies between two polls."""


@dataclass
class Listening:
    """Passes readings on, and notes the codes of what went wrong or was left out."""

    source: Any
    codes: list[str] = field(default_factory=list)

    async def fetch(self, since: Any, known: KnownRows) -> Export:
        try:
            export = await self.source.fetch(since, known)
        except OutsideError as error:
            self.codes.append(str(error.fault))
            raise
        except Exception as error:
            self.codes.append(f"!{type(error).__name__}")
            raise
        self.codes += [f"left out:{one.why}" for one in export.left_out]
        return export

    async def aclose(self) -> None:
        await self.source.aclose()


class PollBench(IngestBench):
    """The poller by the real time, as the rows of the machine are."""

    def __init__(self, folder: Path, source: Listening) -> None:
        super().__init__(folder, source)
        self.clock = HandClock()

    def poller(self):
        ingest = super().poller()
        ingest.start_at = self.clock.now() - DAY
        return ingest


@dataclass
class PollWorld:
    """A Lamassu and a bot that polls it. `way` names how; `wire` lies between.

    `refresh` brings the machine's rows to where the bot reads them. `sold` has the principal of each sale.
    """

    way: str
    bench: PollBench
    export: GrowingExport
    listening: Listening
    wire: Wire
    ssh: FaultySsh | LamassuServer
    refresh: Callable[[], None] = lambda: None
    sold: dict[str, int] = field(default_factory=dict)

    @property
    def server(self) -> LamassuServer:
        assert isinstance(self.ssh, LamassuServer)
        return self.ssh

    @property
    def faulty_ssh(self) -> FaultySsh:
        assert isinstance(self.ssh, FaultySsh)
        return self.ssh

    def sell(self) -> None:
        cash_out_id, principal_sat = self.export.sell(FIAT)
        self.sold[cash_out_id] = principal_sat
        self.refresh()

    async def poll(self) -> None:
        """Poll as the job does, and let the time of a poll pass."""
        await self.bench.ingest._try_poll()
        self.bench.clock.ahead += POLL

    def is_reachable(self) -> bool:
        lamassu = self.bench.signals.parts.get(Part.LAMASSU)
        return lamassu is not None and lamassu.reachable

    async def wrongs(self) -> list[str]:
        """Return what is lost, doubled, or told more than once."""
        bench = self.bench
        found = [f"audit: {one}" for one in (await bench.database.read(audit_ledger)).findings]
        given = await bench.rows("SELECT id, principal_sat, principal_minor FROM distribution")
        if {id_: sat for id_, sat, _ in given} != self.sold:
            found.append(f"{len(given)} shared out of {len(self.sold)}, or other sats")
        if any(minor != FIAT * 100 for *_, minor in given):
            found.append("another fiat amount than was sold")
        (shares,) = await bench.rows("SELECT count(*), sum(sat) FROM share")
        if shares != (len(self.sold), sum(self.sold.values())):
            found.append(f"shares {shares}")
        told = Counter(await bench.letters())
        found += [f"told {times} times: {text[:60]}" for text, times in told.items() if times > 1]
        found += [f"hold {hold}" for hold in await bench.holds()]
        return found


@asynccontextmanager
async def over_ssh(folder: Path) -> AsyncIterator[PollWorld]:
    """Have Lamassu export its tables over SSH."""
    export = GrowingExport(made(folder) / "export")
    ssh = FaultySsh(export.folder, folder)
    await ssh.start()
    wire = Wire(ssh.port)
    await wire.start()
    ssh.be_known(wire.port)
    limits = SshLimits(connect_s=CONNECT_S, command_s=READ_S, cash_ins_s=READ_S)
    source = SshCsvSource(ssh.login(wire.port), "export {table} '{since}'", limits)
    async with _bot(folder, source) as (bench, listening):
        try:
            yield PollWorld("ssh-csv", bench, export, listening, wire, ssh)
        finally:
            await wire.stop()
            await ssh.stop()


@asynccontextmanager
async def in_postgres(
    folder: Path, postgres: PostgresProcess, *, tunnel: bool
) -> AsyncIterator[PollWorld]:
    """Have Lamassu's tables in PostgreSQL, read directly or through SSH."""
    export = GrowingExport(made(folder) / "export")
    server = LamassuServer(postgres, postgres.create_database(EMPTY), folder)
    wire = Wire(postgres.port)
    await wire.start()
    server.options = f'restrict,port-forwarding,permitopen="127.0.0.1:{wire.port}"'
    await server.start()
    limits = PostgresLimits(connect_s=CONNECT_S, statement_s=READ_S)
    way_in = server.ssh() if tunnel else None
    source = PostgresSource(login(server, port=wire.port), way_in, limits)
    name = "postgres, tunnel" if tunnel else "postgres"
    async with _bot(folder, source) as (bench, listening):
        try:
            yield PollWorld(
                name, bench, export, listening, wire, server, lambda: _load(server, export)
            )
        finally:
            await listening.aclose()
            await wire.stop()
            await server.stop()


@asynccontextmanager
async def _bot(folder: Path, source: Any) -> AsyncIterator[tuple[PollBench, Listening]]:
    """Have an open bot with a client who takes part in every sale."""
    listening = Listening(source)
    bench = PollBench(folder, listening)
    await bench.open()
    await bench.client("ana", minor=10**9)
    try:
        yield bench, listening
    finally:
        await listening.aclose()
        await bench.database.aclose()


def made(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir(parents=True)
    return folder


def _load(server: LamassuServer, export: GrowingExport) -> None:
    """Put the machine's rows into the database, in place of those that were there."""
    script = []
    for table in TABLES:
        path = export.folder / f"{table}.csv"
        with path.open(encoding="utf-8") as file:
            columns = file.readline().strip()
        script.append(f"TRUNCATE {table};")
        script.append(rf"\copy {table} ({columns}) FROM '{path}' CSV HEADER")
    server.sql("\n".join(script))

"""The poller on a real ledger, with a Lamassu server whose rows a test changes and a clock in hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from here import open_here
from known_rows import without_known
from payout_bench import OPERATOR, HandClock, programme
from scaffold import cash_out_row, open_ledger

from dca_bot.core.ports import NOTHING_KNOWN, Export, LeftOut, RowFault
from dca_bot.jobs.lamassu.ingest import Ingest
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START_AT = NOW - timedelta(days=30)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def cash_out(cash_out_id, created_at, **changes):
    """A clean success: 100,000 sats of principal for Q800, and 25,000 of commission."""
    values = {
        "device_id": "machine",
        "crypto_atoms": Decimal(125_000),
        "fiat": Decimal("800.00000"),
        "commission": Decimal("0.20000"),
        "ticker": Decimal("800000.00000"),
    }
    return cash_out_row(cash_out_id, created_at, **values | changes)


UNCONFIRMED = {"dispense_confirmed": False}
NEVER_PAID = {"status": "notSeen", "dispense": False, "dispense_confirmed": False}


class Server:
    """A Lamassu server whose rows a test changes; `asked` has every `since`."""

    def __init__(self):
        self.rows = {}
        self.cash_ins = {}
        self.machines = {"machine": "Market"}
        self.unreadable = ()
        self.unreadable_ids = frozenset()
        self.fault = None
        self.asked = []

    def put(self, *rows):
        self.rows.update({row.id: row for row in rows})

    def put_in(self, *rows):
        self.cash_ins.update({row.id: row for row in rows})

    async def fetch(self, since, known=NOTHING_KNOWN):
        self.asked.append(since)
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        rows = tuple(row for row in self.rows.values() if row.created_at >= since)
        cash_ins = tuple(row for row in self.cash_ins.values() if row.created_at >= since)
        left_out = tuple(LeftOut(RowFault.VALUE, text, {}) for text in self.unreadable)
        export = Export(rows, self.machines, left_out, cash_ins, self.unreadable_ids)
        return without_known(export, since, known)

    async def aclose(self):
        """Nothing is open."""


class ScriptedClock(HandClock):
    """A clock whose sleepers are woken by a bell alone."""

    async def sleep(self, _delay_s):
        await asyncio.Event().wait()


class Bench:
    """A ledger and the poller on it."""

    def __init__(self, folder, source, **changes):
        self.folder = folder
        self.server = source
        self.programme = programme(**changes)
        self.clock = ScriptedClock(NOW)
        self.signals = Signals()

    async def open(self, connect=open_here):
        self.database = await open_ledger(self.folder / "data", connect)
        self.ingest = self.poller()

    async def reopen(self):
        await self.database.aclose()
        await self.open()

    def poller(self):
        return Ingest(
            database=self.database,
            source=self.server,
            notices=Notices(self.programme, load_texts(self.programme)),
            programme=self.programme,
            clock=self.clock,
            signals=self.signals,
            start_at=START_AT,
            lookback=14 * DAY,
            poll_s=60,
        )

    async def poll(self, times=1):
        for _ in range(times):
            await self.ingest.poll_once()

    async def client(self, name, *, minor, since=START_AT - DAY):
        def work(tx):
            pubkey = f"{len(clients.everyone(tx)) + 10:064x}"
            client = clients.add(tx, name=name, pubkey=pubkey, language="en", now=since)
            clients.set_destination(tx, client.id, Destination(INVOICE_KEY, name))
            deposit = deposits.add(tx, client.id, amount_minor=minor, note="", now=since)
            deposits.confirm(tx, deposit, machine=None, now=since)

        await self.database.transact(work)

    async def rows(self, query, *values):
        return await self.database.read(
            lambda tx: [tuple(row) for row in tx.execute(query, values)]
        )

    async def given(self):
        """(cash-out, client, minor, sat) in the order in which it was shared out."""
        return await self.rows(
            "SELECT distribution_id, name, minor, sat FROM share"
            " JOIN client ON client.id = client_id ORDER BY share.id"
        )

    async def distributed(self):
        return [row[0] for row in await self.rows("SELECT id FROM distribution ORDER BY rowid")]

    async def state(self, cash_out_id):
        ((state, reason),) = await self.rows(
            "SELECT state, reason FROM cash_out WHERE id = ?", cash_out_id
        )
        return state, reason

    async def holds(self):
        return await self.rows("SELECT kind, ref, reason, outcome FROM hold ORDER BY id")

    async def letters(self, pubkey=OPERATOR):
        found = await self.rows("SELECT text FROM outbox WHERE recipient = ? ORDER BY id", pubkey)
        return [text for (text,) in found]

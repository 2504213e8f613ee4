"""One growing database, polled at the same points over every way to it: each ledger comes out the same."""

import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial

import asyncpg
import pytest
from lamassu_server import LamassuServer
from postgres_process import EMPTY, PASSWORD

from dca_bot.config import Config
from dca_bot.core.ports import CashOutSource, Uptime
from dca_bot.files.secret_files import POSTGRES_PASSWORD_VARIABLE
from dca_bot.jobs.lamassu.ingest import Ingest
from dca_bot.jobs.signals import Signals
from dca_bot.lamassu_source import build_source
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.programme import clients, deposits
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import Database, open_database
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts
from dca_bot.nostr.keys import generate
from dca_bot.outside import programme_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
WAYS = {
    "ssh-csv": {"source": "ssh-csv"},
    "direct": {"source": "postgres", "postgres": {"tunnel": False}},
    "tunnel": {"source": "postgres", "postgres": {"tunnel": True}},
}
# All that the ledgers hold of it, but for what is drawn by lot.
LEDGER = (
    "SELECT * FROM cash_out ORDER BY id",
    "SELECT * FROM distribution ORDER BY id",
    "SELECT id, distribution_id, client_id, minor, sat FROM share ORDER BY id",
    "SELECT client_id, amount_sat, state, due_at FROM payout ORDER BY rowid",
    "SELECT * FROM hold ORDER BY id",
    "SELECT * FROM account ORDER BY id",
    "SELECT * FROM entry ORDER BY id",
    "SELECT * FROM client ORDER BY id",
    "SELECT * FROM machine ORDER BY device_id",
    "SELECT recipient, text FROM outbox ORDER BY rowid",
)


@dataclass
class Clock:
    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def uptime(self) -> Uptime:
        return Uptime("boot", self.time - START)


@dataclass
class Machine:
    """People at the machines: each cash-out is a row whose fate unfolds in the hours after."""

    database: asyncpg.Connection
    chance: random.Random
    due: list[tuple[datetime, int, Callable[[], Awaitable[object]]]] = field(default_factory=list)
    fates: list[str] = field(default_factory=list)

    async def live(self, until: datetime) -> None:
        """Let everything happen that is due by then."""
        self.due.sort(key=lambda event: event[:2])
        while self.due and self.due[0][0] <= until:
            await self.due.pop(0)[2]()

    def later(self, at: datetime, query: str, *values: object) -> None:
        self.due.append((at, len(self.due), partial(self.database.execute, query, *values)))

    def sell(self, at: datetime) -> None:
        """Begin a cash-out; by lot it goes well, late, wrong, or well and wrong afterwards."""
        if not self.fates:
            self.fates = self.chance.sample(sorted(FATES), len(FATES))
        fate = self.fates.pop()
        tx_id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        row = self._row(tx_id, at)
        seen = FATES[fate](self, tx_id, row, at) or at + SECOND
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        insert = f"INSERT INTO cash_out_txs ({', '.join(row)}) VALUES ({places})"
        self.later(seen, insert, *row.values())

    def buy(self, at: datetime) -> None:
        """Put cash in: a cash-in that is confirmed a moment later."""
        tx_id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        self.later(
            at,
            "INSERT INTO cash_in_txs (id, device_id, to_address, crypto_atoms, crypto_code, fiat,"
            " fiat_code, created, cash_in_fee, minimum_tx, tx_version)"
            " VALUES ($1, 'north', 'bc1q', 1, 'BTC', 100, 'GTQ', $2, 0, 0, 1)",
            *(tx_id, at),
        )
        done = "UPDATE cash_in_txs SET send_confirmed = true WHERE id = $1"
        self.later(at + MINUTE, done, tx_id)

    def set(self, at: datetime, tx_id: str, **columns: object) -> None:
        places = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        query = f"UPDATE cash_out_txs SET {places} WHERE id = $1"
        self.later(at, query, tx_id, *columns.values())

    def act(self, at: datetime, tx_id: str, action: str, notes: int) -> None:
        self.later(
            at,
            "INSERT INTO cash_out_actions (tx_id, action, dispensed_1, denomination_1, created)"
            " VALUES ($1, $2, $3, 100, $4)",
            *(tx_id, action, notes, at),
        )

    def _row(self, tx_id: str, at: datetime) -> dict[str, object]:
        fiat, ticker = (
            Decimal(self.chance.randint(1, 30) * 100),
            Decimal(self.chance.randint(6, 9) * 10**5),
        )
        commission, discount = Decimal("0.055"), self.chance.choice([None, 0, 10, 50])
        rate = commission * (100 - (discount or 0)) / 100
        principal = fiat * 10**8 / ticker
        # Machines from before version 8 take their commission otherwise.
        sold = principal / (1 - rate) if self.chance.random() < 0.7 else principal * (1 + rate)
        return {
            "id": tx_id,
            "device_id": self.chance.choice(["north", "south"]),
            "to_address": "bc1q",
            "crypto_atoms": (sold / 100).to_integral_value(ROUND_HALF_UP) * 100,
            "crypto_code": self.chance.choice(["BTC", "LN"]),
            "fiat": fiat,
            "fiat_code": "GTQ",
            "created": at,
            "tx_version": 1,
            "commission_percentage": commission,
            "raw_ticker_price": ticker,
            "discount": discount,
            "error": None,
        }


def well(
    machine: Machine, tx_id: str, row: dict, at: datetime, *, left: timedelta = 2 * MINUTE
) -> None:
    """Confirmed, dispensed and reported."""
    machine.set(at + MINUTE, tx_id, status="confirmed", confirmed_at=at + MINUTE)
    machine.set(at + left, tx_id, dispense=True)
    report(machine, tx_id, row, at + left + MINUTE)


def report(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    machine.act(at, tx_id, "dispense", int(row["fiat"]) // 100)
    machine.set(at, tx_id, dispense_confirmed=True)


def redeemed_later(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    well(machine, tx_id, row, at, left=machine.chance.randint(60, 23 * 60) * MINUTE)


def reported_late(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    machine.set(at + MINUTE, tx_id, status="confirmed", confirmed_at=at + MINUTE, dispense=True)
    report(machine, tx_id, row, at + machine.chance.randint(5, 90) * HOUR)


def seen_late(machine: Machine, tx_id: str, row: dict, at: datetime) -> datetime:
    """The row is there only long after its `created`, whole."""
    seen = at + machine.chance.randint(1, 600) * MINUTE
    row |= {"status": "confirmed", "confirmed_at": at + MINUTE, "dispense": True}
    row |= {"dispense_confirmed": True}
    machine.act(seen, tx_id, "dispense", int(row["fiat"]) // 100)
    return seen


def zero_conf(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    machine.set(at + MINUTE, tx_id, status="authorized", dispense=True)
    report(machine, tx_id, row, at + 2 * MINUTE)
    confirmed_at = at + machine.chance.randint(10, 300) * MINUTE
    machine.set(confirmed_at, tx_id, status="confirmed", confirmed_at=confirmed_at)


def spent_twice(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    machine.set(at + MINUTE, tx_id, status="authorized", dispense=True)
    report(machine, tx_id, row, at + 2 * MINUTE)
    machine.set(at + 3 * HOUR, tx_id, status="insufficientFunds")


def changed_afterwards(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    well(machine, tx_id, row, at)
    changed_at = at + machine.chance.randint(5, 100) * HOUR
    machine.set(changed_at, tx_id, error="operator cancel", error_code="operatorCancel")


def jammed(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    """Some notes left; sometimes the rest is dispensed in the end."""
    machine.set(at + MINUTE, tx_id, status="confirmed", confirmed_at=at + MINUTE, dispense=True)
    machine.set(at + 2 * MINUTE, tx_id, error='Jam at "exit",\n2 notes left', error_code="jam")
    machine.act(at + 2 * MINUTE, tx_id, "dispenseError", int(row["fiat"]) // 200)
    if machine.chance.random() < 0.5:
        mended_at = at + machine.chance.randint(2, 80) * HOUR
        machine.set(mended_at, tx_id, error=None, error_code=None)
        report(machine, tx_id, row, mended_at)


def cancelled(machine: Machine, tx_id: str, _row: dict, at: datetime) -> None:
    machine.set(
        at + HOUR, tx_id, error="operator cancel", error_code="operatorCancel", dispense=True
    )


def never_paid(_machine: Machine, _tx_id: str, _row: dict, _at: datetime) -> None:
    """Nothing happens to it any more."""


def foreign(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    row |= {"crypto_code": "ETH", "crypto_atoms": Decimal(10) ** 17}
    well(machine, tx_id, row, at)


def unfit(machine: Machine, tx_id: str, row: dict, at: datetime) -> None:
    row["crypto_atoms"] += 10**6
    well(machine, tx_id, row, at)


FATES = {
    work.__name__: work
    for work in (
        *(well, redeemed_later, reported_late, seen_late, zero_conf, spent_twice),
        *(changed_afterwards, jammed, cancelled, never_paid, foreign, unfit),
    )
}


@dataclass
class Bot:
    """One ledger with its own way to the database."""

    database: Database
    source: CashOutSource
    ingest: Ingest

    async def join(self, number: int, now: datetime) -> None:
        def work(tx):
            client = clients.add(
                tx, name=f"client{number}", pubkey=f"{number + 10:064x}", language="en", now=now
            )
            clients.set_destination(tx, client.id, Destination(INVOICE_KEY, f"wallet {number}"))

        await self.database.transact(work)

    async def put_in(self, number: int, minor: int, now: datetime) -> None:
        def work(tx):
            client = clients.by_name(tx, f"client{number}")
            deposit = deposits.add(tx, client.id, amount_minor=minor, note="", now=now)
            deposits.confirm(tx, deposit, machine=None, now=now)

        await self.database.transact(work)

    async def ledger(self) -> list[list[tuple]]:
        return await self.database.read(
            lambda tx: [[tuple(row) for row in tx.execute(query)] for query in LEDGER]
        )


@pytest.fixture
async def server(postgres, tmp_path):
    server = LamassuServer(postgres, postgres.create_database(EMPTY), tmp_path)
    server.sql("INSERT INTO devices (device_id, name) VALUES ('north', 'Zona 10')")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def database(server):
    connection = await server.enter()
    yield connection
    await connection.close()


@pytest.fixture
async def bots(server, tmp_path):
    """A bot for each way, as its configuration builds it."""
    clock, made = Clock(), {}
    operator = generate().npub
    for way, lamassu in WAYS.items():
        config = _config(server, operator, lamassu).model_copy(update={"base": tmp_path})
        programme = programme_of(config)
        database = await open_database(tmp_path / way)
        source = build_source(config, {POSTGRES_PASSWORD_VARIABLE: PASSWORD})
        ingest = Ingest(
            database=database,
            source=source,
            notices=Notices(programme, load_texts(programme)),
            programme=programme,
            clock=clock,
            signals=Signals(),
            start_at=START,
            lookback=timedelta(days=config.lamassu.lookback_days),
            poll_s=60,
        )
        made[way] = Bot(database, source, ingest)
    yield made
    for bot in made.values():
        assert (await bot.database.read(audit_ledger)).findings == ()
        await bot.source.aclose()
        await bot.database.aclose()


def _config(server: LamassuServer, operator: str, lamassu: dict) -> Config:
    ssh = server.ssh()
    postgres = {"port": server.postgres.port, "database": server.database}
    return Config.model_validate(
        {
            "nostr": {"relays": ["wss://relay.example.com"], "operators": [operator]},
            "lamassu": {
                **lamassu,
                "lookback_days": 3,
                "postgres": postgres | lamassu.get("postgres", {}),
                "ssh": {
                    "host": ssh.host,
                    "port": ssh.port,
                    "username": ssh.username,
                    "private_key_file": ssh.private_key_file,
                    "known_hosts_file": ssh.known_hosts_file,
                },
            },
            "lnbits": {"url": "https://lnbits.example.com"},
        }
    )


@pytest.mark.parametrize("seed", range(2))
async def test_each_way_to_one_growing_database_gives_the_same_ledger(server, database, bots, seed):
    chance = random.Random(seed)
    machine = Machine(database, chance)
    clock = bots["direct"].ingest.clock
    for point in range(45):
        if point < 30:
            for _ in range(chance.randint(0, 4)):
                machine.sell(clock.now() + chance.randint(0, 3600) * SECOND)
            machine.buy(clock.now() + SECOND)
        clock.time += chance.randint(5, 10 * 60) * MINUTE + chance.randint(0, 59) * SECOND
        await machine.live(clock.now())
        await _bring_cash(bots, chance, point, clock.now())
        match chance.randint(0, 7):
            case 0:
                server.end_sessions()
            case 1:
                server.cut()
        for bot in bots.values():
            await bot.ingest.poll_once()
        await _assert_same(bots)
    cash_outs, given, shares, _, holds, *_ = await bots["direct"].ledger()
    assert {row[2] for row in cash_outs} == {"distributed", "held", "ignored"}
    assert len(given) > 20
    assert len({row[2] for row in shares}) >= 3
    assert {"cash-out", "changed"} == {row[1] for row in holds}


async def _bring_cash(bots: dict[str, Bot], chance: random.Random, point: int, now) -> None:
    """Let a client join now and then, and one of them bring more."""
    joined = point // 9 + 1
    number, minor = chance.randint(1, joined), chance.randint(1, 5000) * 100
    brings = chance.random() < 0.4
    for bot in bots.values():
        if point % 9 == 0:
            await bot.join(joined, now)
        if brings:
            await bot.put_in(number, minor, now)


async def _assert_same(bots: dict[str, Bot]) -> None:
    found = {way: await bot.ledger() for way, bot in bots.items()}
    for query, *tables in zip(LEDGER, *found.values(), strict=True):
        assert tables[0] == tables[1] == tables[2], query

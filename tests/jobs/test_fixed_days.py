"""Days of fixed mode on a real LNbits: each run is paid once, and the wallets have what the ledger says."""

import re
import shutil
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from lnbits_servers import lnbits_with
from payout_bench import HandClock, programme
from test_fixed_mode_job import with_fixed
from test_worker import assert_clean

from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.rate import Ticker
from dca_bot.demo.lnbits_process import fake_funding
from dca_bot.demo.price_stub import PriceStub
from dca_bot.jobs.fixed_mode import FixedMode
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.programme import clients, tickers
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

BERLIN = ZoneInfo("Europe/Berlin")
PRICE = "826091.28"
LIMITS = {"ana": 10_001, "ben": 5_000}


@pytest.fixture(scope="module")
def price_stub():
    """A price service of this module's own, as its price changes."""
    stub = PriceStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def lnbits(price_stub, tmp_path_factory):
    """An LNbits that asks for the price each time."""
    settings = fake_funding() | {"LNBITS_EXCHANGE_RATE_CACHE_SECONDS": "0"}
    with lnbits_with(settings, tmp_path_factory.mktemp("lnbits"), price=price_stub) as lnbits:
        yield lnbits


class Calendar:
    """The bot on a calendar of its own; payouts live in LNbits' real time, which lies after it."""

    def __init__(self, bench):
        self.bench = bench
        self.clock = HandClock()
        self.at = None
        self.restart()

    def restart(self):
        bench = self.bench
        notices = Notices(bench.programme, load_texts(bench.programme))
        self.schedule = FixedMode(
            bench.database, bench.wallet, notices, bench.programme, self.clock, Signals()
        )

    async def walk(self, until):
        """Look every half hour up to a local time, and pay what is to be paid."""
        until = datetime.fromisoformat(until).replace(tzinfo=BERLIN).astimezone(UTC)
        while self.at is None or self.at < until:
            self.at = until if self.at is None else min(self.at + timedelta(minutes=30), until)
            await self._run_and_pay()

    async def _run_and_pay(self):
        """Have the runs of the calendar's time made, and their payouts paid in LNbits' time."""
        self.clock.start = self.at
        shown = self.at.isoformat()
        await self.bench.database.transact(lambda tx: bot_state.put(tx, bot_state.CLOCK_AT, shown))
        await self.schedule.look_once()
        await self.bench.settle()

    async def sleep(self, until):
        """Have the bot down up to a local time."""
        await self.bench.reopen()
        self.restart()
        self.at = datetime.fromisoformat(until).replace(tzinfo=BERLIN).astimezone(UTC)
        await self.walk(until)
        await self._run_and_pay()

    async def runs(self):
        """Return what became of each run, and when it happened by the local clock."""
        rows = await self.bench.database.read(
            lambda tx: tx.execute("SELECT * FROM fixed_run ORDER BY due_at").fetchall()
        )
        return [f"{row['id'][6:]} {row['state']} {_local(row['changed_at'])}" for row in rows]


def _take_over(tx):
    """Have an operator say `resume all` with its code."""
    assert leases.open_dispute(tx) is not None
    leases.accept(tx, now=datetime.now(UTC))
    bot_state.drop(tx, bot_state.PAUSED)


def _local(at_us):
    return f"{datetime.fromtimestamp(at_us / 10**6, BERLIN):%d %H:%M}"


@pytest.fixture
async def calendar(make_bench, wallets, lnbits):
    """Two clients in fixed mode, ana with an invoice key and ben with a Lightning address."""
    terms = with_fixed(programme().fixed, times=(time(2, 30), time(18)))
    bench = await make_bench(timezone=BERLIN, fixed=terms)
    bench.people = {name: wallets(name) for name in LIMITS}
    address = lnbits.lightning_address(bench.people["ben"], f"ben{bench.people['ben'].id[:6]}")
    places = {
        "ana": Destination(INVOICE_KEY, bench.people["ana"].invoice_key),
        "ben": Destination(ADDRESS, address),
    }
    for name, limit in LIMITS.items():
        id_ = await bench.client(name, places[name], minor=100_000)

        def work(tx, id_=id_, limit=limit):
            clients.set_mode(tx, id_, "fixed")
            clients.set_fixed_limit(tx, id_, limit)

        await bench.database.transact(work)
    return Calendar(bench)


def sats(name, *, price=PRICE, portions=(1, 2)):
    """What the runs of a day buy for a client."""
    parts = {1: LIMITS[name] // 2, 2: LIMITS[name] - LIMITS[name] // 2}
    coin = coin_minor(Decimal(price), "GTQ")
    return sum(bought_sat(parts[number], coin) for number in portions)


@pytest.mark.long
@pytest.mark.slow(60)
async def test_days_of_runs_with_outages_and_a_change_of_clocks_are_paid_to_the_sat(
    calendar, price_stub, balance_sat
):
    bench = calendar.bench
    # 28 March: as planned.
    await calendar.walk("2025-03-28T00:00")
    await calendar.walk("2025-03-29T00:30")
    # 29 March: LNbits tells no price until ten; the bot is down from five to eight in the evening.
    price_stub.median = "0.0"
    await calendar.walk("2025-03-29T10:00")
    price_stub.median = PRICE
    await calendar.walk("2025-03-29T17:00")
    await calendar.sleep("2025-03-29T20:00")
    # 30 March: 02:30 is leapt over; a fresh ticker contradicts the price in the evening.
    await calendar.walk("2025-03-30T17:30")
    ticker = Ticker(Decimal(1_000_000), calendar.at)
    await bench.database.transact(lambda tx: tickers.note(tx, ticker, now=ticker.at))
    await calendar.walk("2025-03-30T23:30")
    # 31 March: the bot is down all day.
    await calendar.sleep("2025-04-01T01:00")
    await calendar.walk("2025-04-01T12:00")
    assert await calendar.runs() == [
        "2025-03-28T02:30 done 28 02:30",
        "2025-03-28T18:00 done 28 18:00",
        "2025-03-29T02:30 done 29 10:30",
        "2025-03-29T18:00 done 29 20:00",
        "2025-03-30T02:30 done 30 03:30",
        "2025-03-30T18:00 done 30 19:00",
        "2025-03-31T02:30 lapsed 01 01:00",
        "2025-03-31T18:00 lapsed 01 01:00",
        "2025-04-01T02:30 done 01 02:30",
    ]
    letters = await bench.letters()
    told = [re.search(r"The fixed run of (.*) (waits|was done late):", text) for text in letters]
    assert [match.groups() for match in told if match] == [
        ("29 Mar 02:30", "waits"),
        ("29 Mar 02:30", "was done late"),
        ("29 Mar 18:00", "was done late"),
        ("30 Mar 18:00", "waits"),
        ("30 Mar 18:00", "was done late"),
    ]
    assert letters[-1].startswith("2 fixed runs did not happen")
    assert set(await bench.states()) == {"DONE"}
    assert len(await bench.states()) == 14
    for name, wallet in bench.people.items():
        assert await balance_sat(wallet) == 3 * sats(name) + sats(name, portions=[1])
        left = await bench.database.read(lambda tx, name=name: clients.by_name(tx, name))
        assert left.balance_minor == 100_000 - 3 * LIMITS[name] - LIMITS[name] // 2
    paid = sum([await balance_sat(wallet) for wallet in bench.people.values()])
    assert await balance_sat(bench.source) == 1_000_000 - paid
    await assert_clean(bench)


async def test_copy_from_before_a_run_pays_it_no_second_time(calendar, balance_sat):
    bench = calendar.bench
    await calendar.walk("2025-03-28T00:00")
    await bench.database.aclose()
    shutil.copytree(bench.folder / "data", bench.folder / "copy")
    await bench.open()
    calendar.restart()
    await calendar.walk("2025-03-28T03:00")
    await bench.database.aclose()
    (bench.folder / "data").rename(bench.folder / "lost")
    (bench.folder / "copy").rename(bench.folder / "data")
    await bench.open()
    await bench.worker.catch_up()
    calendar.restart()
    await calendar.walk("2025-03-29T03:00")
    # A bot that has paid since the copy was made isn't known to have ended: the operators take over.
    await bench.database.transact(_take_over)
    await bench.settle(2)
    assert [line[:22] for line in await calendar.runs()] == [
        "2025-03-28T02:30 held ",
        "2025-03-28T18:00 lapse",
        "2025-03-29T02:30 done ",
    ]
    for name, wallet in bench.people.items():
        assert await balance_sat(wallet) == 2 * sats(name, portions=[1])


async def test_run_is_paid_once_when_its_payouts_wait_for_funds(calendar, lnbits, balance_sat):
    bench = calendar.bench
    have = await balance_sat(bench.source)
    lnbits.credit(bench.source.id, 100 - have)
    await calendar.walk("2025-03-28T00:00")
    await calendar.walk("2025-03-28T19:00")
    assert set(await bench.states()) == {"PLANNED"}
    assert any("lacks" in letter for letter in await bench.letters())
    lnbits.credit(bench.source.id, have)
    await bench.settle(2)
    assert set(await bench.states()) == {"DONE"}
    for name, wallet in bench.people.items():
        assert await balance_sat(wallet) == sats(name)
    await assert_clean(bench)

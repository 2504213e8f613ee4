"""The whole program on a scripted world: it ends when asked, and doesn't limp on when a job fails."""

import asyncio
import json
import logging
import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from scaffold import FLOW, open_ledger

from dca_bot.app import run_jobs
from dca_bot.config import Config
from dca_bot.core.cash_out import Amounts
from dca_bot.core.clients import Notify
from dca_bot.core.delivery import RelayAnswer
from dca_bot.core.ports import (
    DmProtocol,
    Export,
    IncomingMessage,
    Invoice,
    ListMark,
    Payment,
    PaymentStatus,
    RelayHeard,
    Uptime,
)
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.errors import ConfigError, LnbitsUnavailable, SourceUnavailable
from dca_bot.faults import LnbitsFault, SourceFault
from dca_bot.ledger.correspondence import health, outbox, payout_notices
from dca_bot.ledger.distributions import flow_mode, manual_cash_outs
from dca_bot.ledger.payouts import (
    booking,
    payouts,
    queue,
    transitions,
)
from dca_bot.ledger.programme import clients, deposits, start
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copies
from dca_bot.nostr.keys import generate
from dca_bot.outside import Outside, programme_of

OPERATOR = generate()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A fixed time; a sleep lets the others work and takes a moment of it."""

    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time

    def uptime(self):
        return Uptime("boot", self.time - NOW)

    async def sleep(self, delay_s):
        await asyncio.sleep(0.01)
        self.time += timedelta(seconds=delay_s)


class Lamassu:
    """A server without cash-outs; `fault` is raised instead."""

    def __init__(self):
        self.reads = 0
        self.fault = None

    async def fetch(self, _since, _known):
        self.reads += 1
        if self.fault:
            raise self.fault
        return Export((), {})


class Lnbits:
    """A source wallet without payments; `fault` is raised instead."""

    def __init__(self):
        self.fault = None

    async def wallet_id(self):
        return "source"

    async def balance_msat(self):
        if self.fault:
            raise self.fault
        return 10**12

    async def price(self, _currency):
        if self.fault:
            raise self.fault
        return Decimal(810_000)

    async def list_mark(self):
        return ListMark(0, frozenset())

    async def tagged_payments(self, _since=None):
        if self.fault:
            raise self.fault
        for payment in ():
            yield payment


class Relays:
    """Brings what is put into `inbox`, written at the `clock`'s time, and keeps what is sent."""

    def __init__(self):
        self.clock = None
        self.inbox = asyncio.Queue()
        self.sent = []
        self.ended = False
        self.fault = None
        self.online = True

    async def run(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True

    async def incoming(self):
        while True:
            message = await self.inbox.get()
            if self.fault:
                raise self.fault
            yield message

    async def look_up(self, people, found):
        """Find the operator's list, as an app publishes one."""
        relays = ("wss://relay.example.com",)
        event = json.dumps({"tags": [["relay", *relays]]})
        for person in people:
            await found(RelayList(person.pubkey, RelayListKind.INBOX, 1, relays, event))

    def seal(self, message):
        return message.text

    async def deliver(self, event, waves, _counting, *, bulk=False):  # noqa: ARG002
        self.sent += [event] * self.online
        return [RelayAnswer(url, self.online) for wave in waves for url in wave]

    def connected(self):
        return int(self.online)

    def relay_states(self):
        return ()

    def take_refused(self, _count):
        return []

    def heard(self):
        return (RelayHeard("wss://r", NOW, None),)

    def put(self, text):
        self.inbox.put_nowait(
            IncomingMessage(
                text, OPERATOR.public_key, text, self.clock.now(), DmProtocol.NIP17, "wss://r"
            )
        )


def config(**lamassu):
    return Config.model_validate(
        {
            "nostr": {"relays": ["wss://relay.example.com"], "operators": [OPERATOR.npub]},
            "lamassu": {"source": "directory", "poll_seconds": 1, **lamassu},
            "lnbits": {"url": "https://lnbits.example.com"},
        }
    )


@pytest.fixture
async def bot(tmp_path):
    """A bot that can be started; `task` is its run."""
    database = await open_ledger(tmp_path / "data")
    bot = SimpleNamespace(
        database=database,
        lamassu=Lamassu(),
        lnbits=Lnbits(),
        relays=Relays(),
        clock=Clock(),
        stop=asyncio.Event(),
    )

    def start(**lamassu):
        bot.relays.clock = bot.clock
        outside = Outside(
            source=bot.lamassu,
            wallet=bot.lnbits,
            addresses=None,
            messenger=bot.relays,
            clock=bot.clock,
            random=random.Random(1),
        )
        values = config(**lamassu).model_copy(update={"base": tmp_path})
        bot.task = asyncio.create_task(
            run_jobs(values, programme_of(values), database, outside, bot.stop)
        )

    bot.start = start
    yield bot
    if not bot.task.done():
        bot.task.cancel()
        await asyncio.gather(bot.task, return_exceptions=True)
    await database.aclose()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the jobs set no event
            await asyncio.sleep(0.005)


async def until_recorded(bot):
    """Wait until the ledger has it too that everything is sent: relays know a moment earlier."""
    async with asyncio.timeout(20):
        while await bot.database.read(outbox.unsent):  # noqa: ASYNC110 - nothing tells the test
            await asyncio.sleep(0.005)


async def until_judged(bot):
    async with asyncio.timeout(20):
        while await bot.database.read(health.read) is None:  # noqa: ASYNC110 - nothing tells the test
            await asyncio.sleep(0.005)


async def ended(bot):
    async with asyncio.timeout(10):
        await bot.task


async def test_stop_ends_all_jobs_and_leaves_nothing_running(bot):
    before = asyncio.all_tasks()
    bot.start()
    bot.relays.put("status")
    await until(lambda: bot.relays.sent and bot.lamassu.reads > 2)
    await until_recorded(bot)
    await until_judged(bot)
    bot.stop.set()
    await ended(bot)
    assert await bot.database.read(health.read) is None, "no bot runs"
    assert bot.relays.ended
    assert asyncio.all_tasks() == before


async def test_stop_before_anything_answered_ends_it_too(bot):
    bot.lamassu.fault = SourceUnavailable("Lamassu does not answer.", fault=SourceFault.NO_ANSWER)
    bot.lnbits.fault = LnbitsUnavailable("LNbits does not answer.", fault=LnbitsFault.UNREACHABLE)
    bot.stop.set()
    bot.start()
    await ended(bot)


async def test_parts_out_of_reach_do_not_end_it(bot):
    bot.lnbits.fault = LnbitsUnavailable("LNbits does not answer.", fault=LnbitsFault.UNREACHABLE)
    bot.start()
    bot.relays.put("status")
    await until(lambda: bot.relays.sent)
    assert bot.lamassu.reads == 0, "nothing is read before the ledger was held against LNbits"
    bot.lnbits.fault = None
    bot.lamassu.fault = SourceUnavailable("Lamassu does not answer.", fault=SourceFault.NO_ANSWER)
    await until(lambda: bot.lamassu.reads > 2)
    assert not bot.task.done()


class SteppedClock(Clock):
    """Who sleeps wakes when the test has let so much time pass."""

    def __init__(self):
        super().__init__()
        self._sleepers = []

    async def sleep(self, delay_s):
        waking = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.time + timedelta(seconds=delay_s), waking))
        await waking

    async def hours_pass(self, hours, *, step_s=15):
        """Let time pass in steps; whoever woke gets a second of the real one to sleep again."""
        over = self.time + timedelta(hours=hours)
        while self.time < over:
            asleep = self._asleep()
            self.time += timedelta(seconds=step_s)
            for at, waking in self._sleepers:
                if at <= self.time and not waking.done():
                    waking.set_result(None)
            for _ in range(100):
                await asyncio.sleep(0.01)
                if self._asleep() >= asleep:
                    break

    def _asleep(self):
        self._sleepers = [(at, waking) for at, waking in self._sleepers if not waking.done()]
        return len(self._sleepers)


GONE = {
    "lamassu": (
        "Lamassu",
        SourceUnavailable("Lamassu does not answer.", fault=SourceFault.NO_ANSWER),
    ),
    "lnbits": (
        "LNbits",
        LnbitsUnavailable("LNbits does not answer.", fault=LnbitsFault.UNREACHABLE),
    ),
    "relays": ("All relays", None),
}


def kinds_told(texts, name):
    """Return what was told of a part: the beginning of an outage, its end, or both as one."""
    kinds = ("out of reach since", "in reach again", "out of reach from")
    about = [text for text in texts if text.startswith(name)]
    return [kind for text in about for kind in kinds if f": {kind}" in text]


@pytest.mark.parametrize("parts", [["lnbits"], ["lamassu", "lnbits", "relays"]])
async def test_outage_of_hours_is_told_once_and_leaves_few_lines_in_the_log(bot, parts, caplog):
    bot.clock = SteppedClock()
    bot.start()
    await bot.clock.hours_pass(0.1)
    caplog.set_level(logging.INFO)
    reads = bot.lamassu.reads
    for part in parts:
        getattr(bot, part).fault = GONE[part][1]
    bot.relays.online = "relays" not in parts
    await bot.clock.hours_pass(1.5)
    assert bot.lamassu.reads > reads + 100
    assert len(caplog.records) < 15, "none for each of hundreds of tries"
    for part in parts:
        getattr(bot, part).fault = None
    bot.relays.online = True
    await bot.clock.hours_pass(0.5)
    for part in parts:
        told = kinds_told(bot.relays.sent, GONE[part][0])
        assert told in (["out of reach since", "in reach again"], ["out of reach from"])
    assert not any("has not been read" in text for text in bot.relays.sent), "it is told already"
    await until_recorded(bot)


JOBS = {
    "copy_rehearsals",
    "verify",
    "messenger",
    "inbox",
    "ingest",
    "fixed_mode",
    "payouts",
    "outbox",
    "files",
    "health",
    "heard",
    "relay_lists",
    "alarms",
    "backups",
    "digests",
    "daily_summary",
}


def bring_payout(tx):
    """Have a payout of ana's arrive, who wants one message a day."""
    client = clients.add(tx, name="ana", pubkey="a" * 64, language="en", now=NOW)
    clients.set_destination(tx, client.id, Destination(INVOICE_KEY, "key"))
    deposit = deposits.add(tx, client.id, amount_minor=90_000, note="", now=NOW)
    deposits.confirm(tx, deposit, machine=None, now=NOW)
    manual_cash_outs.record(
        tx, "1", device_id="m", fiat_minor=10_000, currency="GTQ", note="", now=NOW
    )
    amounts = Amounts(12_000, 10_000, 0)
    flow_mode.distribute(tx, "1", amounts, at=NOW, now=NOW, rules=FLOW)
    invoice = Invoice("lnbc1", "a" * 64, 12_000_000, NOW + timedelta(hours=1))
    paid = Payment(invoice.payment_hash, -12_000_000, 0, PaymentStatus.SUCCESS, None)
    for step, about in (
        (transitions.record_invoice, [invoice]),
        (transitions.submit, []),
        (booking.debit, [paid]),
        (transitions.finish, []),
    ):
        step(tx, queue.open_payouts(tx)[0], *about, now=NOW)
    payout_notices.set_wish(tx, client, Notify.DAILY)
    (row,) = tx.execute("SELECT id FROM payout").fetchall()
    payout_notices.arrive(tx, payouts.by_id(tx, row["id"]), clients.by_id(tx, client.id))


async def test_day_brings_one_summary_and_one_digest_and_ends_no_job(bot):
    await bot.database.transact(bring_payout)
    bot.clock = SteppedClock()  # at six in the morning of Guatemala
    bot.start()
    await bot.clock.hours_pass(24, step_s=300)
    (summary,) = [text for text in bot.relays.sent if text.startswith("Summary since 1 Mar")]
    polls = int(re.search(r"Lamassu: read (\d+) times since the last summary", summary)[1])
    assert 10 < polls < bot.lamassu.reads, "one for each of two hours' steps"
    (digest,) = [text for text in bot.relays.sent if "has arrived in your wallet" in text]
    assert "Bought: 12,000 sats for Q100.00" in digest
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert {name for name in names if not name.startswith("Task-")} == JOBS


@pytest.mark.parametrize(
    ("part", "told"), [("lamassu", "Reading Lamassu"), ("lnbits", "The look at what is to be paid")]
)
async def test_fault_of_one_part_is_told_once_and_stops_nothing_else(bot, part, told):
    getattr(bot, part).fault = RuntimeError("a fault in the program")
    bot.start()
    await until(lambda: any(told in text for text in bot.relays.sent))
    bot.relays.put("clients")
    await until(lambda: "There is nothing to show yet." in bot.relays.sent)
    getattr(bot, part).fault = None
    reads = bot.lamassu.reads
    await until(lambda: bot.lamassu.reads > reads)
    assert sum(told in text for text in bot.relays.sent) == 1
    assert not bot.task.done()


async def test_bot_that_hears_nobody_any_more_ends(bot):
    bot.relays.fault = RuntimeError("a fault in the program")
    bot.start()
    bot.relays.put("status")
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError), flatten_subgroups=True):
        await ended(bot)
    assert bot.relays.ended


async def test_copies_of_the_ledger_are_made_while_it_runs(bot, tmp_path):
    bot.start()
    folder = tmp_path / "data" / "backups"
    await until(lambda: folder.is_dir() and copies(folder))
    assert copies(folder)[0].made_at >= NOW
    assert not bot.task.done()


@pytest.mark.parametrize("configured", [None, datetime(2026, 1, 1, tzinfo=UTC)])
async def test_first_start_is_kept_for_good(bot, configured):
    bot.start(start_at=configured)
    await until(lambda: bot.lamassu.reads)
    first = await bot.database.read(lambda tx: bot_state.get(tx, bot_state.START_AT))
    assert first == NOW.isoformat()
    bot.stop.set()
    await ended(bot)
    bot.stop.clear()
    bot.clock.time = NOW + timedelta(days=1)
    reads = bot.lamassu.reads
    bot.start(start_at=configured)
    await until(lambda: bot.lamassu.reads > reads)
    assert await bot.database.read(lambda tx: bot_state.get(tx, bot_state.START_AT)) == first


@pytest.mark.parametrize("days", [None, -30, 30])
async def test_start_at_that_lies_ahead_is_said_in_the_journal(bot, caplog, days):
    caplog.set_level(logging.WARNING)
    bot.start(start_at=None if days is None else NOW + timedelta(days=days))
    await until(lambda: bot.lamassu.reads)
    assert ("nothing is shared out yet start_at=2026-03-31" in caplog.text) is (days == 30)


async def test_start_at_moved_back_reads_nothing_before_the_operators_word(bot):
    bot.start()
    await until(lambda: bot.lamassu.reads)
    bot.stop.set()
    await ended(bot)
    bot.stop.clear()
    reads = bot.lamassu.reads
    bot.start(start_at=NOW - timedelta(days=300))
    await until(lambda: any("was moved back" in text for text in bot.relays.sent))
    for _ in range(20):
        await bot.clock.sleep(60)
    assert bot.lamassu.reads == reads
    await bot.database.transact(start.accept)
    await until(lambda: bot.lamassu.reads > reads)


def test_operator_whose_key_is_none_is_refused_by_name():
    values = config().model_dump()
    values["nostr"]["operators"] = ("npub1nonsense",)
    with pytest.raises(ConfigError, match=r"nostr\.operators: "):
        programme_of(Config.model_validate(values))

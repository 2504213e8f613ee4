"""Runs happen on their day at a rate that is trusted, are made up or lapse, and are told once."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from here import open_here
from payout_bench import OPERATOR, HandClock, programme
from scaffold import open_ledger

from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.rate import Ticker
from dca_bot.errors import LnbitsUnavailable
from dca_bot.faults import LnbitsFault
from dca_bot.jobs.fixed_mode import FixedMode
from dca_bot.jobs.signals import SLEEP_MAX_S, Signals
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import fixed_runs
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import clients, deposits, tickers
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state, clock
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

MIDNIGHT = datetime(2026, 11, 24, 6, tzinfo=UTC)  # in Guatemala
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MORNING, EVENING = "fixed:2026-11-24T09:00", "fixed:2026-11-24T18:00"
FAR = Decimal(700_000)


class PriceOnly:
    """An LNbits that tells a price, `None` in an outage; `asked` counts how often."""

    def __init__(self):
        self.coin = Decimal(800_000)
        self.fault = None
        self.asked = 0
        self.while_asked = lambda: None

    async def price(self, currency):
        assert currency == "GTQ"
        self.asked += 1
        self.while_asked()
        if self.fault:
            raise self.fault
        return self.coin


class Bench:
    """A ledger and its schedule, with a clock in hand."""

    def __init__(self, folder, **changes):
        self.folder = folder
        self.programme = programme(**changes)
        self.clock = HandClock(MIDNIGHT)
        self.wallet = PriceOnly()
        self.signals = Signals()

    async def open(self):
        self.database = await open_ledger(self.folder / "data", open_here)
        notices = Notices(self.programme, load_texts(self.programme))
        self.schedule = FixedMode(
            self.database, self.wallet, notices, self.programme, self.clock, self.signals
        )

    async def reopen(self, **fixed):
        """Restart the bot, perhaps with other terms."""
        await self.database.aclose()
        self.programme = programme(fixed=with_fixed(self.programme.fixed, **fixed))
        await self.open()

    async def at(self, hours, *, day=0):
        """Let the clock show a local time and look."""
        self.clock.start = MIDNIGHT + day * DAY + timedelta(hours=hours)
        self.clock.ahead = timedelta()
        await self.schedule.look_once()

    async def fixed_client(self, name, *, limit=10_000, minor=1_000_000):
        now = self.clock.now()

        def work(tx):
            pubkey = f"{len(clients.everyone(tx)) + 10:064x}"
            client = clients.add(tx, name=name, pubkey=pubkey, language="en", now=now)
            clients.set_destination(tx, client.id, Destination(INVOICE_KEY, name))
            clients.set_mode(tx, client.id, "fixed")
            clients.set_fixed_limit(tx, client.id, limit)
            deposit = deposits.add(tx, client.id, amount_minor=minor, note="", now=now)
            deposits.confirm(tx, deposit, machine=None, now=now)
            return client.id

        return await self.database.transact(work)

    async def rows(self, query, *values):
        return await self.database.read(
            lambda tx: [tuple(row) for row in tx.execute(query, values)]
        )

    async def do(self, work, *args, **named):
        return await self.database.transact(lambda tx: work(tx, *args, **named))

    async def sql(self, statement):
        await self.do(lambda tx: tx.execute(statement))

    async def given(self):
        return await self.rows("SELECT distribution_id, minor, sat FROM share ORDER BY id")

    async def runs(self):
        return dict(await self.rows("SELECT id, state FROM fixed_run ORDER BY due_at, id"))

    async def reason(self, run_id):
        return (await self.rows("SELECT reason FROM fixed_run WHERE id = ?", run_id))[0][0]

    async def letters(self, pubkey=OPERATOR):
        found = await self.rows(
            "SELECT text FROM outbox WHERE recipient = ? AND dropped_at IS NULL ORDER BY id", pubkey
        )
        return [text for (text,) in found]

    async def letters_of(self, client_id):
        return await self.letters(f"{client_id + 9:064x}")

    async def ticker(self, price, *, age=timedelta()):
        now = self.clock.now()
        await self.do(tickers.note, Ticker(Decimal(price), now - age), now=now)


def with_fixed(terms, **changes):
    values = {name: getattr(terms, name) for name in type(terms).__slots__}
    return type(terms)(**values | changes)


@pytest.fixture
async def make_bench(tmp_path):
    benches = []

    async def make(*, fixed=None, **changes):
        if fixed:
            changes["fixed"] = with_fixed(programme().fixed, **fixed)
        bench = Bench(tmp_path, **changes)
        await bench.open()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        assert (await bench.database.read(audit_ledger)).findings == ()
        await bench.database.aclose()


async def test_runs_of_a_day_happen_at_their_times_and_once(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana", limit=10_001)
    for hours in (8, 8.99, 9, 9.01, 12, 17.99, 18, 18.01, 23.99):
        await bench.at(hours)
    assert await bench.given() == [(MORNING, 5_000, 6_250), (EVENING, 5_001, 6_251)]
    assert await bench.letters() == []
    await bench.reopen()
    await bench.at(23.995)
    assert len(await bench.given()) == 2
    assert bench.wallet.asked == 2


async def test_run_whose_day_ends_while_the_price_is_asked_lapses(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")

    def pass_midnight():
        bench.clock.start = MIDNIGHT + DAY

    bench.wallet.while_asked = pass_midnight
    await bench.at(23.99)
    await bench.at(0.01, day=1)
    assert await bench.given() == []
    assert await bench.runs() == {MORNING: "lapsed", EVENING: "lapsed"}


async def test_two_looks_at_once_carry_a_run_out_once(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.clock.start = MIDNIGHT + 9 * HOUR
    await asyncio.gather(*(bench.schedule.look_once() for _ in range(5)))
    assert len(await bench.given()) == 1
    assert await bench.letters() == []


async def test_day_starts_anew_at_local_midnight(make_bench):
    bench = await make_bench(fixed={"times": (programme().fixed.times[0],)})
    await bench.fixed_client("ana", limit=10_000)
    for day in range(3):
        await bench.at(9, day=day)
    days = await bench.rows("SELECT distribution_id, minor, day FROM share ORDER BY id")
    assert days == [
        (MORNING, 10_000, "2026-11-24"),
        ("fixed:2026-11-25T09:00", 10_000, "2026-11-25"),
        ("fixed:2026-11-26T09:00", 10_000, "2026-11-26"),
    ]


async def test_run_wakes_whoever_pays_and_only_if_it_gave_something(make_bench):
    bench = await make_bench()
    await bench.at(9)
    assert not bench.signals.payouts._rung.is_set()
    await bench.fixed_client("ana")
    await bench.at(18)
    assert bench.signals.payouts._rung.is_set()


@pytest.mark.parametrize(
    ("hours", "pause_s"),
    [(3, SLEEP_MAX_S), (9 - 10 / 3600, 10), (9, SLEEP_MAX_S), (24 - 1 / 60, 60)],
)
async def test_sleep_ends_when_the_next_run_is_due(make_bench, hours, pause_s):
    bench = await make_bench()
    await bench.at(hours)
    assert await bench.schedule._pause_s() == pytest.approx(pause_s)


async def test_run_missed_while_down_is_made_up_on_its_day_and_told(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(8)
    await bench.reopen()
    await bench.at(17)
    assert await bench.given() == [(MORNING, 5_000, 6_250)]
    (told,) = await bench.letters()
    assert "24 Nov 09:00 was done late: one client, Q50.00, 6,250 sats" in told


@pytest.mark.parametrize(("late_s", "is_told"), [(300, False), (301, True)])
async def test_run_counts_as_late_after_five_minutes(make_bench, late_s, is_told):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9 + late_s / 3600)
    assert await bench.given() == [(MORNING, 5_000, 6_250)]
    assert ["was done late" in told for told in await bench.letters()] == [True] * is_told


async def test_all_runs_missed_on_a_day_are_made_up_in_order(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(8)
    await bench.at(23)
    assert [row[0] for row in await bench.given()] == [MORNING, EVENING]


async def test_days_missed_while_down_lapse_and_are_told_in_one_message(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9)
    await bench.reopen()
    await bench.at(12, day=3)
    states = list((await bench.runs()).items())
    assert states[:2] == [(MORNING, "done"), (EVENING, "lapsed")]
    assert [state for _, state in states] == ["done", *["lapsed"] * 5, "done"]
    assert await bench.reason(EVENING) == fixed_runs.RunReason.MISSED
    told, made_up = await bench.letters()
    assert told.startswith("5 fixed runs did not happen")
    assert "24 Nov 18:00: the bot was not at work" in told
    assert "27 Nov 09:00 was done late" in made_up
    assert len(await bench.given()) == 2


async def test_months_of_absence_are_recorded_and_told_within_bounds(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9)
    await bench.at(8, day=400)
    assert len(await bench.runs()) == 1 + 31 * 2
    (told,) = await bench.letters()
    assert told.startswith("62 fixed runs")
    assert told.endswith("and 52 more")
    assert told.count("\n") == 11


async def test_past_that_cannot_be_closed_keeps_no_run_of_today_back_and_is_told_once(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9)
    trigger = "BEFORE INSERT ON fact WHEN NEW.name = 'fixed_day'"
    await bench.sql(f"CREATE TRIGGER broken {trigger} BEGIN SELECT RAISE(ABORT, 'broken'); END")
    await bench.at(9, day=1)
    await bench.at(10, day=1)
    assert [row[0] for row in await bench.given()] == [MORNING, "fixed:2026-11-25T09:00"]
    (told,) = await bench.letters()
    assert told.startswith("What became of the fixed runs of earlier days could not be done")
    await bench.sql("DROP TRIGGER broken")
    await bench.at(11, day=1)
    assert (await bench.runs())[EVENING] == "lapsed"


async def test_ledger_that_cannot_be_written_ends_the_look_on_purpose(make_bench):
    bench = await make_bench()
    await bench.sql("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        await bench.at(9)


async def test_lapsed_runs_matter_to_nobody_where_nobody_saves(make_bench):
    bench = await make_bench()
    await bench.at(8)
    await bench.at(8, day=2)
    assert set((await bench.runs()).values()) == {"lapsed"}
    assert await bench.letters() == []


async def test_lapse_of_a_run_that_was_told_of_is_told_though_nobody_saves_any_more(make_bench):
    bench = await make_bench()
    ana = await bench.fixed_client("ana")
    bench.wallet.coin = None
    await bench.at(9)
    await bench.do(clients.set_mode, ana, "flow")
    await bench.at(0, day=1)
    waits, lapsed = await bench.letters()
    assert "24 Nov 09:00 waits" in waits
    assert "24 Nov 09:00: LNbits tells no price" in lapsed


async def test_first_start_lapses_nothing(make_bench):
    bench = await make_bench()
    await bench.at(20)
    assert await bench.runs() == {MORNING: "done", EVENING: "done"}
    assert await bench.letters() == []


async def test_run_without_fixed_clients_needs_no_rate(make_bench):
    bench = await make_bench()
    bench.wallet.coin = None
    await bench.at(9)
    assert await bench.runs() == {MORNING: "done"}
    assert await bench.letters() == []


async def test_client_who_joins_after_a_run_waits_for_the_next(make_bench):
    bench = await make_bench()
    await bench.at(9)
    await bench.fixed_client("ana")
    await bench.at(10)
    assert await bench.given() == []
    await bench.at(18)
    assert await bench.given() == [(EVENING, 5_000, 6_250)]


# The rate


@pytest.mark.parametrize(
    "outage",
    [None, LnbitsUnavailable("LNbits did not answer.", fault=LnbitsFault.UNREACHABLE)],
    ids=["0.0", "unreachable"],
)
async def test_run_waits_through_an_outage_of_the_rate_and_is_made_up(make_bench, outage):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.wallet.fault, bench.wallet.coin = outage, None
    for hours in (9, 9.02, 10, 11):
        await bench.at(hours)
        assert await bench.schedule._pause_s() == 30
    assert await bench.runs() == {MORNING: "waiting"}
    (told,) = await bench.letters()
    assert "24 Nov 09:00 waits: LNbits tells no price" in told
    bench.wallet.fault, bench.wallet.coin = None, Decimal(1_000_000)
    await bench.at(11.01)
    assert await bench.given() == [(MORNING, 5_000, 5_000)]
    assert "24 Nov 09:00 was done late" in (await bench.letters())[1]
    assert len(await bench.letters()) == 2


async def test_run_that_waits_for_a_rate_is_told_once_though_it_was_paused_before(
    make_bench, caplog
):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.wallet.coin = None
    await bench.do(bot_state.put, bot_state.PAUSED, "now")
    await bench.at(9)
    await bench.do(bot_state.drop, bot_state.PAUSED)
    for hours in (10, 11, 12):
        await bench.at(hours)
    (told,) = await bench.letters()
    assert "24 Nov 09:00 waits: LNbits tells no price" in told
    logged = [record.message for record in caplog.records if "waits" in record.message]
    assert logged == [f"fixed run waits id={MORNING} reason=no_price"]


async def test_run_that_waits_until_midnight_lapses_with_its_reason(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.wallet.coin = None
    await bench.at(9)
    await bench.at(23.999)
    await bench.at(0, day=1)
    bench.wallet.coin = Decimal(800_000)
    await bench.at(0.01, day=1)
    assert await bench.given() == []
    assert await bench.runs() == {MORNING: "lapsed", EVENING: "lapsed"}
    first, second, lapsed = await bench.letters()
    assert (first.count("09:00"), second.count("18:00")) == (1, 1)
    assert lapsed.startswith("2 fixed runs did not happen")
    assert "24 Nov 09:00: LNbits tells no price" in lapsed


async def test_rate_that_a_fresh_ticker_contradicts_is_not_used_until_they_agree(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.clock.start = MIDNIGHT + 9 * HOUR
    await bench.ticker(800_000)
    bench.wallet.coin = FAR
    await bench.at(9)
    (told,) = await bench.letters()
    assert "waits: the prices of LNbits and Lamassu are too far apart" in told
    await bench.at(9.9)
    assert await bench.given() == []
    await bench.at(10.02)
    assert await bench.given() == [(MORNING, 5_000, 7_142)]


async def test_rate_of_lamassu_is_used_while_it_is_fresh(make_bench):
    bench = await make_bench(fixed={"rate_source": "lamassu"})
    await bench.fixed_client("ana")
    bench.wallet.fault = LnbitsUnavailable("LNbits did not answer.", fault=LnbitsFault.UNREACHABLE)
    await bench.at(9)
    assert await bench.reason(MORNING) == "no_lamassu_price"
    await bench.ticker(800_000, age=2 * HOUR)
    await bench.at(9.1)
    assert await bench.reason(MORNING) == "lamassu_price_too_old"
    await bench.ticker(1_000_000)
    await bench.at(9.2)
    assert await bench.given() == [(MORNING, 5_000, 5_000)]
    noted = await bench.rows("SELECT price, price_source, clients FROM fixed_run")
    assert noted == [("1000000", "lamassu", 1)]
    assert len(await bench.letters()) == 2


# Brakes


async def test_pause_all_stops_runs_and_resume_makes_them_up_the_same_day(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.do(bot_state.put, bot_state.PAUSED, "now")
    await bench.at(9)
    await bench.at(12)
    assert await bench.runs() == {MORNING: "waiting"}
    assert (await bench.given(), await bench.letters()) == ([], [])
    await bench.do(bot_state.drop, bot_state.PAUSED)
    await bench.at(12.01)
    assert await bench.given() == [(MORNING, 5_000, 6_250)]


async def test_run_that_was_paused_all_day_lapses(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.do(bot_state.put, bot_state.PAUSED, "now")
    await bench.at(9)
    await bench.do(bot_state.drop, bot_state.PAUSED)
    await bench.at(1, day=1)
    assert (await bench.runs())[MORNING] == "lapsed"
    (told,) = await bench.letters()
    assert "24 Nov 09:00: everything was paused" in told


async def test_nothing_runs_before_the_ledger_was_held_against_lnbits(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.clock.start = MIDNIGHT + 9 * HOUR
    job = asyncio.create_task(bench.schedule.run())
    for _ in range(50):
        await asyncio.sleep(0)
    assert (await bench.runs(), bench.wallet.asked) == ({}, 0)
    bench.signals.reconciled.set()
    async with asyncio.timeout(20):
        while len(await bench.given()) < 4:  # noqa: ASYNC110 - the job sets no event
            await asyncio.sleep(0)
    job.cancel()
    assert [row[0] for row in await bench.given()][:2] == [MORNING, EVENING]


async def test_fixed_mode_that_is_off_runs_nothing_and_lapses_nothing_afterwards(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9)
    await bench.reopen(enabled=False)
    await bench.schedule.run()
    await bench.reopen(enabled=True)
    await bench.at(8, day=9)
    assert await bench.runs() == {MORNING: "done"}
    assert await bench.letters() == []


async def test_times_that_change_during_a_day_never_lift_its_limit(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana", limit=10_000)
    await bench.at(9)
    nine, six = programme().fixed.times
    await bench.reopen(times=(nine.replace(minute=30), six))
    await bench.at(10)
    await bench.at(18)
    await bench.reopen(times=(nine.replace(minute=45),))
    await bench.at(20)
    assert [row[1] for row in await bench.given()] == [5_000, 5_000]


# An old copy of the ledger


def paid(distribution_id):
    return Payment(
        payment_hash="ab" * 32,
        amount_msat=-6_250_000,
        fee_msat=0,
        status=PaymentStatus.SUCCESS,
        seen_at=None,
        external_id="lost",
        extra={"distributions": [distribution_id], "client": "ana", "fiat_minor": 5_000},
    )


async def test_run_that_lnbits_has_paid_is_held_and_the_days_other_runs_wait(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.do(unknown_payments.remember, paid(MORNING), now=MIDNIGHT)
    await bench.at(9)
    await bench.at(18)
    assert await bench.runs() == {MORNING: "held", EVENING: "waiting"}
    held, waits = await bench.letters()
    assert "24 Nov 09:00 is held" in held
    assert "18:00 waits: LNbits has paid fixed runs of this day" in waits
    await bench.at(1, day=1)
    assert (await bench.runs())[MORNING] == "held"
    assert await bench.given() == []


async def test_days_other_runs_go_on_once_the_operator_has_settled_it(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    by_hand = "fixed:2026-11-24T08:15:00-06:00"
    await bench.do(unknown_payments.remember, paid(by_hand), now=MIDNIGHT)
    await bench.at(9)
    assert await bench.runs() == {MORNING: "waiting"}
    await bench.do(unknown_payments.settle_distribution, by_hand, now=MIDNIGHT)
    await bench.at(9.5)
    assert await bench.given() == [(MORNING, 5_000, 6_250)]


async def test_missed_run_that_lnbits_has_paid_is_held_and_not_lapsed(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(1)
    await bench.do(unknown_payments.remember, paid(MORNING), now=MIDNIGHT)
    await bench.at(1, day=1)
    assert await bench.runs() == {MORNING: "held", EVENING: "lapsed"}
    assert len(await bench.letters()) == 1


async def test_run_that_waited_while_lnbits_has_paid_it_is_held_and_not_lapsed(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    bench.wallet.coin = None
    await bench.at(9)
    await bench.do(unknown_payments.remember, paid(MORNING), now=MIDNIGHT)
    await bench.at(1, day=1)
    assert await bench.runs() == {MORNING: "held", EVENING: "lapsed"}
    assert "24 Nov 09:00: LNbits has paid" in (await bench.letters())[-1]


# People are told


async def test_client_whose_balance_gets_low_in_a_run_is_asked_for_more(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana", limit=10_000, minor=5_000)
    await bench.at(9)
    (told,) = await bench.letters(f"{10:064x}")
    assert "The last of your cash has bought bitcoin" in told
    assert "6,250 sats have yet to arrive" in told


async def test_fault_of_the_program_is_told_once_and_the_bot_goes_on(make_bench):
    bench = await make_bench(fixed={"daily_limit_max_minor": 10**15})
    await bench.fixed_client("ana", limit=10**14, minor=10**15)
    bench.wallet.coin = Decimal("0.01")  # more sats than SQLite can hold
    await bench.at(9)
    await bench.at(9.1)
    (told,) = await bench.letters()
    assert "because of an error in the program" in told
    assert await bench.runs() == {}
    bench.wallet.coin = Decimal(10**9)
    await bench.at(9.2)
    assert len(await bench.given()) == 1


# The clock


async def test_clock_that_jumps_back_repeats_no_run_and_ahead_skips_none_of_today(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(9)
    await bench.at(8)
    await bench.at(9)
    await bench.at(22)
    await bench.at(12)
    assert [row[0] for row in await bench.given()] == [MORNING, EVENING]


async def test_clock_that_was_a_day_ahead_by_mistake_gives_no_day_twice(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(8)
    await bench.at(8, day=1)
    await bench.at(9)
    await bench.at(9, day=1)
    await bench.at(18, day=1)
    days = await bench.rows("SELECT day, sum(minor) FROM share GROUP BY day ORDER BY day")
    assert days == [("2026-11-24", 5_000), ("2026-11-25", 10_000)]


@pytest.mark.parametrize(
    ("zone", "midnight", "hours", "expected"),
    [
        # 2026-03-08, New York: 02:30 is leapt over, so it is due at 03:30 there.
        ("America/New_York", "2026-03-08T05:00", 2.4, []),
        ("America/New_York", "2026-03-08T05:00", 2.5, ["fixed:2026-03-08T02:30"]),
        # 2026-11-01, New York: 01:30 comes twice, an hour apart.
        ("America/New_York", "2026-11-01T04:00", 1.5, ["fixed:2026-11-01T01:30"]),
        ("America/New_York", "2026-11-01T04:00", 2.5, ["fixed:2026-11-01T01:30"]),
    ],
)
async def test_local_time_that_is_missing_or_comes_twice_is_one_run(
    make_bench, zone, midnight, hours, expected
):
    night = programme().fixed.times[0].replace(hour=2 if "03-08" in midnight else 1, minute=30)
    bench = await make_bench(timezone=ZoneInfo(zone), fixed={"times": (night,)})
    bench.clock.start = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    await bench.fixed_client("ana")
    for step in range(int(hours * 10) + 1):
        bench.clock.ahead = step * 6 * MINUTE
        await bench.schedule.look_once()
    assert [row[0] for row in await bench.given()] == expected


async def test_clock_that_was_ahead_for_a_while_costs_no_run(make_bench):
    bench = await make_bench()
    await bench.at(8)
    await bench.fixed_client("ana")
    await bench.at(8, day=20)
    await bench.at(8)
    assert "The computer's clock shows 24 Nov" in (await bench.letters())[-1]
    await bench.at(10)
    assert await bench.given() == []
    await bench.do(clock.accept, bench.clock.now())
    await bench.at(11)
    await bench.at(19)
    await bench.at(10, day=1)
    expected = [MORNING, EVENING, "fixed:2026-11-25T09:00"]
    assert [given[0] for given in await bench.given()] == expected


async def test_clock_that_goes_back_buys_no_day_twice(make_bench):
    bench = await make_bench()
    await bench.fixed_client("ana")
    await bench.at(10)
    await bench.at(19)
    await bench.at(19, day=-400)
    await bench.at(20)
    assert [given[0] for given in await bench.given()] == [MORNING, EVENING]
    told = [letter for letter in await bench.letters() if "clock" in letter]
    assert told == [], "it was behind for a moment, and the warning was taken back"
    await bench.at(10, day=1)
    assert len(await bench.given()) == 3


# Whom a run passes by


async def test_run_that_passes_a_client_without_a_limit_by_says_so_once_a_day(make_bench):
    """Such clients are in ledgers of versions in which `mode fixed` alone stopped all buying."""
    bench = await make_bench()
    await bench.fixed_client("ana")
    ben = await bench.fixed_client("ben", limit=0)
    eva = await bench.fixed_client("eva")
    await bench.do(clients.set_fixed_limit, eva, 0)
    await bench.do(clients.set_state, await bench.do(clients.by_id, eva), "paused")
    for hour in (9, 18):
        await bench.at(hour + 0.01)
    (told,) = await bench.letters_of(ben)
    assert told == (
        "A fixed time has come and gone, and nothing was bought for you. Your balance of Q10,000.00 stays.\n"
        "No amount is set yet, so nothing is bought. Send: limit AMOUNT (at most Q2,000.00 a day)"
    )
    await bench.at(9.01, day=1)
    assert len(await bench.letters_of(ben)) == 2
    assert await bench.letters_of(eva) == [], "she has paused herself"

"""Each payout is told once, by itself or in a digest, or never: as its client wishes."""

import asyncio
import re
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaffold import open_ledger
from talk import Talk, make_programme

from dca_bot.jobs.digests import Digests
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.payouts import payouts, queue, transitions

SUM = re.compile(r"^(?:Bought: )?([\d,]+) sats? (?:for|have arrived)", re.MULTILINE)


def digests(talk, database=None):
    return Digests(database or talk.database, talk.notices, talk.programme, talk.clock, Signals())


async def at(talk, moment):
    """Let the job look at a moment, given in the programme's own time."""
    talk.clock.at = datetime.fromisoformat(moment).replace(tzinfo=talk.programme.timezone)
    await digests(talk).look_once()


async def arrive(talk, sat, *, fiat_minor=10_000):
    """Bring a new payout of maria into her wallet now."""
    await talk.distribute(f"cash-out {talk.sent} {sat}", sat=sat, fiat_minor=fiat_minor)

    def find(tx):
        (payout,) = queue.open_payouts(tx)
        return payout.id

    payout_id = await talk.database.read(find)
    await talk.bring_to(payout_id, "invoice", "submit", "debit")
    await finish(talk, payout_id)


async def finish(talk, payout_id):
    def work(tx):
        payout = payouts.by_id(tx, payout_id)
        transitions.finish(tx, payout, now=talk.clock.now())
        talk.notices.clients.payout_arrived(tx, payout, talk.clock.now())

    await talk.database.transact(work)


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="900,000")
    return talk


async def news(talk):
    """Return what maria was told since the last time."""
    letters = await talk.letters_to("maria")
    seen, talk.seen = getattr(talk, "seen", 0), len(letters)
    return letters[seen:]


async def leaving(talk, name):
    """Return somebody's letters in the order in which they leave, one at a time."""
    pubkey, now = (await talk.client(name)).pubkey, talk.clock.now()

    def work(tx):
        left = []
        while due := [
            letter
            for urgency in Urgency
            for letter in outbox.due(tx, now, urgency=urgency)
            if letter.recipient == pubkey
        ]:
            left.append(due[0].text)
            outbox.mark_sent(tx, due[0], now=now)
        return left

    return await talk.database.transact(work)


async def test_each_payout_is_told_at_once_with_each(maria):
    await news(maria)
    await arrive(maria, 12_000)
    (text,) = await news(maria)
    assert text.startswith("12,000 sats have arrived in your wallet, for Q100.00")
    await at(maria, "2026-03-02 19:00")
    assert await news(maria) == []


async def test_daily_digest_comes_at_its_hour_with_all_that_has_arrived(maria):
    assert "one a day, at 19:00" in await maria.tell("maria", "notify daily")
    await news(maria)
    await arrive(maria, 12_000)
    await arrive(maria, 13_000, fiat_minor=15_000)
    await at(maria, "2026-03-01 18:59")
    assert await news(maria) == []
    await at(maria, "2026-03-01 19:00")
    (text,) = await news(maria)
    assert text == (
        "2 payments have arrived in your wallet.\n"
        "Bought: 25,000 sats for Q250.00 (1 BTC = Q1,000,000 on average)\n"
        "Balance left: Q899,750.00"
    )
    for hour in ("2026-03-01 19:01", "2026-03-02 19:00", "2026-03-08 19:00"):
        await at(maria, hour)
    assert await news(maria) == [], "nothing has arrived since"


async def test_digest_names_what_was_bought_and_the_part_of_the_commission(maria):
    await maria.do("op", "commission set maria 50")
    await maria.tell("maria", "notify daily")
    await news(maria)
    await maria.distribute("1", sat=12_000, fiat_minor=10_000)
    for payout in await maria.database.read(queue.open_payouts):
        await maria.bring_to(payout.id, "invoice", "submit", "debit")
        await finish(maria, payout.id)
    await at(maria, "2026-03-01 19:00")
    (text,) = await news(maria)
    assert text == (
        "2 payments have arrived in your wallet.\n"
        "Bought: 12,000 sats for Q100.00 (1 BTC = Q833,333 on average)\n"
        "Your part of the commission: 500 sats\n"
        "Balance left: Q899,900.00"
    )


async def test_weekly_digest_comes_on_sundays(maria):
    maria.clock.at += timedelta(days=1)  # it starts on a Sunday
    assert "on Sundays at 19:00" in await maria.tell("maria", "notify weekly")
    await news(maria)
    for day in range(2, 8):
        await arrive(maria, 1000 + day)
        await at(maria, f"2026-03-0{day} 19:00")
    assert await news(maria) == []
    await at(maria, "2026-03-08 18:59")
    assert await news(maria) == []
    await at(maria, "2026-03-08 19:00")
    (text,) = await news(maria)
    assert text.startswith("6 payments have arrived")


async def test_digest_that_a_stopped_bot_missed_comes_at_the_next_look_once(maria):
    await maria.tell("maria", "notify daily")
    await news(maria)
    await arrive(maria, 12_000)
    await at(maria, "2026-03-05 03:10")
    (text,) = await news(maria)
    assert text.startswith("One payment has arrived in your wallet.")
    await at(maria, "2026-03-05 19:00")
    assert await news(maria) == []


async def test_off_tells_no_payout_and_all_the_rest(maria):
    await maria.tell("maria", "notify off")
    await arrive(maria, 12_000)
    await at(maria, "2026-03-08 19:00")
    await news(maria)
    told = await maria.do("op", "deposit maria 500")
    await maria.do("op", f"deposit confirm {told.split()[1]}")
    await maria.do("op", "withdraw maria 900,250")
    assert [text.split(".")[0] for text in await news(maria)] == [
        "Your deposit of Q500",
        "Your deposit of Q500",
        "You got Q900,250",
        "Your balance is down to Q150",
    ]
    assert "12,000 sats" in await maria.tell("maria", "history")


async def test_digest_that_fails_keeps_no_other_back_and_is_told_once(maria):
    await maria.add_client("juan", balance="900,000")
    for name in ("maria", "juan"):
        await maria.tell(name, "notify daily")
    await maria.distribute("both", sat=24_000, fiat_minor=20_000)
    for payout in await maria.database.read(queue.open_payouts):
        await maria.bring_to(payout.id, "invoice", "submit", "debit")
        await finish(maria, payout.id)
    pubkey = (await maria.client("maria")).pubkey
    await maria.sql(
        f"CREATE TRIGGER broken BEFORE INSERT ON outbox WHEN NEW.recipient = '{pubkey}'"
        " BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    maria.clock.at = datetime(2026, 3, 1, 19, tzinfo=maria.programme.timezone)
    job = digests(maria)
    for _ in range(2):
        await job.look_once()
    assert "has arrived in your wallet" in (await maria.letters_to("juan"))[-1]
    told = [text for text in await maria.letters_to("op") if "error in the program" in text]
    assert [text.split(" could")[0] for text in told] == ["A client's digest of payouts"]
    await maria.sql("DROP TRIGGER broken")
    await job.look_once()
    assert "has arrived in your wallet" in (await maria.letters_to("maria"))[-1]


async def test_change_tells_at_once_what_waited(maria):
    await maria.tell("maria", "notify daily")
    await arrive(maria, 12_000)
    for how in ("weekly", "each"):
        answer = await maria.tell("maria", f"notify {how}")
        assert ("What you have not been told yet:\nOne payment has arrived" in answer) is (
            how == "weekly"
        )
    await at(maria, "2026-03-08 19:00")
    assert sum("12,000" in text for text in await maria.letters_to("maria")) == 1


async def test_closing_tells_what_waited(maria):
    await maria.tell("maria", "notify weekly")
    await arrive(maria, 12_000)
    await maria.do("op", "withdraw maria 899,900")
    await news(maria)
    assert "is closed" in await maria.tell("op", "client close maria")
    arrived, closed = await news(maria)
    assert "12,000 sats for Q100.00" in arrived
    assert closed.startswith("Your account here is closed")
    assert (await leaving(maria, "maria"))[-2:] == [arrived, closed]
    await at(maria, "2026-03-08 19:00")
    assert await news(maria) == []


async def test_settings_show_how_payouts_are_told(maria):
    assert "Messages about payments: one for each\n" in await maria.tell("maria", "settings")
    await maria.tell("maria", "NOTIFY Weekly")
    assert "one a week, on Sundays at 19:00" in await maria.tell("maria", "settings")
    assert "set like that already" in await maria.tell("maria", "notify weekly")


async def test_notify_alone_tells_how_it_is(maria):
    await maria.tell("maria", "notify weekly")
    told = await maria.tell("maria", "notify")
    assert told.startswith("Messages about payments: one a week, on Sundays at 19:00.\n")
    assert "notify each, daily, weekly or off" in told


@pytest.mark.parametrize("text", ["notify hourly", "notify daily weekly"])
async def test_unclear_wish_changes_nothing_and_is_explained(maria, text):
    told = await maria.tell("maria", text)
    assert "notify [each|daily|weekly|off]" in told or told.startswith("Did you mean: notify ")
    assert (await maria.client("maria")).notify == "each"


# Whatever happens in whatever order

HOURS = 19 + 6  # 19:00 in Guatemala is 01:00 of the next day in UTC


def hour_has_come(notify, since, now):
    """Say it day by day: is there a due instant after `since` and up to `now`?"""
    day = datetime(2026, 2, 1, tzinfo=UTC)
    while day <= now:
        at_ = day + timedelta(hours=HOURS)
        if since < at_ <= now and (notify == "daily" or day.weekday() == 6):
            return True
        day += timedelta(days=1)
    return False


class Breaking:
    """A ledger whose transactions all break off at the very end."""

    def __init__(self, database):
        self.read = database.read
        self._database = database

    async def transact(self, work):
        def breaks_off(tx):
            work(tx)
            raise sqlite3.OperationalError

        return await self._database.transact(breaks_off)


STEPS = st.one_of(
    st.sampled_from(["arrive", "arrive", "look", "look", "crash"]),
    st.sampled_from(["each", "daily", "weekly", "off"]),
    st.integers(1, 60),
)


class Model:
    """What maria must have been told; payouts are powers of two, so each sum names its payouts."""

    def __init__(self, talk):
        self.talk = talk
        self.notify = "each"
        self.waits = {}
        self.told = []
        self.count = 0

    async def do(self, step):
        if isinstance(step, int):
            self.talk.clock.at += timedelta(hours=step)
        elif step == "arrive":
            await self.arrive()
        elif step == "look":
            await self.look()
        elif step == "crash":
            await self.crash()
        else:
            await self.change(step)

    async def arrive(self):
        sat = 1 << self.count
        self.count += 1
        await arrive(self.talk, sat)
        if self.notify == "each":
            self.told.append(sat)
        elif self.notify != "off":
            self.waits[sat] = self.talk.clock.now()

    def is_due(self):
        oldest = min(self.waits.values(), default=self.talk.clock.now())
        return hour_has_come(self.notify, oldest, self.talk.clock.now())

    def tell(self):
        self.told += [sum(self.waits)] if self.waits else []
        self.waits = {}

    async def look(self):
        await digests(self.talk).look_once()
        if self.is_due():
            self.tell()

    async def crash(self):
        if self.is_due():
            with pytest.raises(sqlite3.OperationalError):
                await digests(self.talk, Breaking(self.talk.database)).look_once()

    async def change(self, notify):
        await self.talk.tell("maria", f"notify {notify}")
        if notify == "off":
            self.waits = {}
        elif notify != self.notify:
            self.tell()
        self.notify = notify


async def play(talk, steps):
    await talk.add_client("maria", balance="900,000")
    model = Model(talk)
    for step in steps:
        await model.do(step)
        letters = "\n".join(await talk.letters_to("maria"))
        assert [int(sat.replace(",", "")) for sat in SUM.findall(letters)] == model.told
    payouts_told = [sat for total in model.told for sat in powers(total)]
    assert len(payouts_told) == len(set(payouts_told)) <= model.count


def powers(total):
    return [1 << n for n in range(total.bit_length()) if total >> n & 1]


@pytest.mark.slow(2)
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, min_size=4, max_size=18))
def test_no_payout_is_told_twice_or_lost(steps):
    async def run():
        with tempfile.TemporaryDirectory() as name:
            database = await open_ledger(Path(name) / "data")
            try:
                await play(Talk(database, Path(name), make_programme()), steps)
            finally:
                await database.aclose()

    asyncio.run(run())


async def test_new_client_is_told_of_payouts_once_a_day(talk):
    await talk.tell("op", "client add maria {maria}")
    assert (await talk.client("maria")).notify == "daily"
    assert "one a day, at 19:00" in await talk.tell("maria", "notify")


async def test_client_of_earlier_versions_is_still_told_of_each_payout(maria):
    await maria.sql(
        "INSERT INTO client (name, skeleton, pubkey, role, language, created_at)"
        " VALUES ('old', 'old', ?, 'client', 'en', 0)",
        "0a" * 32,
    )
    assert (await maria.client("old")).notify == "each"

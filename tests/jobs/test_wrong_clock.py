"""Payouts under a clock that is wrong: it ends no invoice, and nothing is paid a second time.

`clock.ahead` is time that has passed, `clock.wrong` what the clock shows too much.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR
from scaffold import open_ledger
from test_alarms import Tower

from dca_bot.core.ports import VerifyAnswer
from dca_bot.jobs.clock import look_at_clock
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Destination(INVOICE_KEY, "key")
PLACE = Destination(ADDRESS, "ana@example.com")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIFE = {INVOICE_KEY: 24 * HOUR, ADDRESS: HOUR}


@pytest.fixture
def make_unseen(make_due):
    """Make a bench on a scripted LNbits that never sees the pay request: 50,000 sats are due to ana."""

    async def make(destination):
        bench = await make_due(destination)
        bench.wallet.on_pay = lambda _invoice: None
        return bench

    return make


async def look(bench, passed, wrong=timedelta()):
    """Let the watch and the worker look: so much has passed since the start."""
    bench.clock.ahead, bench.clock.wrong = passed, wrong

    def watch(tx):
        notices = bench.worker.context.notices
        look_at_clock(tx, notices, bench.clock.now(), uptime=bench.clock.uptime())

    await bench.database.transact(watch)
    await bench.worker.work_once()


async def pause(bench):
    """Return how long the only payout isn't looked at."""
    (payout,) = await bench.payouts()
    return payout.try_at - bench.clock.now()


@pytest.mark.parametrize("destination", [KEY, PLACE])
@pytest.mark.parametrize("wrong", [2 * DAY, 400 * DAY])
async def test_clock_ahead_makes_no_second_invoice_of_one_that_can_still_be_paid(
    make_unseen, destination, wrong
):
    bench = await make_unseen(destination)
    await look(bench, timedelta())
    for minutes in range(1, 40, 7):
        await look(bench, minutes * MINUTE, wrong)
        assert timedelta() < await pause(bench) <= 10 * MINUTE
    assert (await bench.states(), set(bench.wallet.sent())) == (["SUBMITTED"], {"lnbc1"})
    # The old request is carried out after all, and the clock is set right.
    bench.wallet.succeed(bench.wallet.last())
    await look(bench, 41 * MINUTE)
    await bench.database.transact(lambda tx: clock.accept(tx, bench.clock.now()))
    await look(bench, 42 * MINUTE)
    assert (await bench.states(), bench.wallet.count("request_invoice")) == (
        ["DONE"],
        destination is KEY,
    )


@pytest.mark.parametrize("destination", [KEY, PLACE])
async def test_clock_ahead_at_a_failed_payment_makes_no_second_invoice(make_unseen, destination):
    bench = await make_unseen(destination)
    bench.wallet.on_pay = bench.wallet.fail
    await look(bench, timedelta())
    for minutes, wrong in ((30, 2 * DAY), (45, 3 * DAY)):
        await look(bench, minutes * MINUTE, wrong)
        assert timedelta() < await pause(bench) <= HOUR
    assert await bench.states() == ["IN_DOUBT"]


@pytest.mark.parametrize("destination", [KEY, PLACE])
async def test_invoice_ends_once_its_life_has_been_witnessed_whatever_the_clock_shows(
    make_unseen, destination
):
    bench = await make_unseen(destination)
    await look(bench, timedelta())
    over = LIFE[destination.kind] + 10 * MINUTE
    await look(bench, over - MINUTE, 2 * DAY)
    assert await bench.states() == ["SUBMITTED"]
    await look(bench, over + 10 * MINUTE, 2 * DAY)
    assert await bench.states() == ["VOID"]


async def test_restart_of_the_computer_counts_the_time_from_then_on(make_unseen):
    bench = await make_unseen(PLACE)
    await look(bench, timedelta())
    await look(bench, 40 * MINUTE)
    bench.clock.boot = "second"
    await look(bench, 45 * MINUTE, 2 * DAY)
    await look(bench, 74 * MINUTE, 2 * DAY)
    assert await bench.states() == ["SUBMITTED"], "40 and 29 minutes of 70"
    await look(bench, 86 * MINUTE, 2 * DAY)
    assert await bench.states() == ["VOID"]


async def test_restart_of_the_bot_alone_costs_no_time(make_unseen):
    bench = await make_unseen(PLACE)
    await look(bench, timedelta())
    await bench.reopen()
    await look(bench, 71 * MINUTE)
    assert await bench.states() == ["VOID"]


async def test_invoice_made_while_the_clock_was_ahead_lives_as_long_as_it_says(make_unseen):
    """Its end is 24 hours from now, which the clock takes for four."""
    bench = await make_unseen(KEY)
    wrong = 20 * HOUR

    def right_clock(invoice):
        return replace(invoice, expires_at=invoice.expires_at - wrong, life=24 * HOUR)

    bench.wallet.change_invoice = right_clock
    await look(bench, timedelta(), wrong)
    assert await bench.states() == ["SUBMITTED"]
    for hours in (5, 12, 24):
        await look(bench, hours * HOUR, wrong)
        assert await bench.states() == ["SUBMITTED"]
    await look(bench, 24 * HOUR + 21 * MINUTE, wrong)
    assert await bench.states() == ["VOID"]


@pytest.mark.parametrize("span", [HOUR, 20 * HOUR, 150 * HOUR, 400 * DAY])
async def test_payout_goes_on_once_the_clock_is_right(make_unseen, span):
    bench = await make_unseen(PLACE)
    terms = bench.addresses.max_sat
    await look(bench, timedelta(), timedelta())
    bench.addresses.max_sat = 1
    await bench.distribute(20_000, 16_000)
    await look(bench, MINUTE, span)
    assert sorted(await bench.states()) == ["PLANNED", "SUBMITTED"]
    bench.addresses.max_sat, bench.wallet.on_pay = terms, bench.wallet.succeed
    await look(bench, 2 * MINUTE)
    if span > DAY:
        assert sorted(await bench.states()) == ["PLANNED", "SUBMITTED"], "the clock is in doubt"
        await bench.database.transact(lambda tx: clock.accept(tx, bench.clock.now()))
    await look(bench, 3 * MINUTE)
    assert await bench.states() == ["DONE", "DONE"]


async def test_leap_of_the_clock_brings_no_two_answers_of_a_payee_a_day_apart(make_unseen):
    bench = await make_unseen(PLACE)
    bench.addresses.verify_url = "https://example.com/verify/1"
    bench.addresses.answer = VerifyAnswer(is_settled=False)
    bench.wallet.on_pay = bench.wallet.fail
    moments = [*range(0, 100, 20), *range(100, 1560, 60)]
    for minutes in moments:
        wrong = 30 * HOUR if minutes > 90 else timedelta()
        bench.clock.ahead, bench.clock.wrong = minutes * MINUTE, wrong
        await bench.verifier.look_once()
        await look(bench, minutes * MINUTE, wrong)
        if minutes < 25 * 60:
            assert await bench.states() == ["IN_DOUBT"]
    await look(bench, 27 * HOUR, wrong)
    assert (await bench.states())[0] != "IN_DOUBT", "a day after its end has really passed"


# What is told


@pytest.fixture
async def tower(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Tower(database)
    await database.aclose()


async def test_clock_that_leaps_ahead_is_told_once(tower):
    await tower.look(10)
    tower.clock.wrong = 2 * DAY
    (told,) = await tower.look(30)
    assert told.startswith("The computer's clock went from 1 Mar 06:")


async def test_computer_that_was_off_or_asleep_is_no_leap_of_the_clock(tower):
    await tower.look(10)
    tower.clock.ahead += 3 * DAY
    assert await tower.look(3 * 24 * 60 + 12) == []
    tower.clock.boot, tower.clock.wrong = "second", 5 * DAY
    assert await tower.look(3 * 24 * 60 + 14) == []


async def test_clock_that_is_behind_after_a_start_stops_all_for_as_long_and_is_told_to_nobody(
    tower,
):
    """A computer without a battery begins in 1970, until the network has told the time."""
    await tower.look(10)
    tower.clock.boot, tower.clock.wrong = "second", datetime(1970, 1, 1, tzinfo=UTC) - NOW
    tower.restart()
    await tower.watch.look_once()
    assert await tower.transact(clock.is_doubted)
    tower.clock.wrong = timedelta()
    assert await tower.look(20) == []
    assert not await tower.transact(clock.is_doubted)


async def test_whoever_has_heard_that_the_clock_is_in_doubt_hears_that_it_is_right(tower):
    await tower.look(10)
    tower.clock.wrong = -9 * DAY
    await tower.watch.look_once()
    await tower.deliver(OPERATOR)
    tower.clock.wrong = timedelta()
    doubt, right = await tower.look(12)
    assert doubt.endswith("If it is right: resume all")
    assert right == "The computer's clock is right again. Everything goes on."

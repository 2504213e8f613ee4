"""What operators are told of the source wallet stays true in the next round, whatever payouts do.

LNbits and the addresses are scripted here, so that a story of many rounds takes no time;
`test_funds.py` tells some of them on a real LNbits.
"""

import tempfile
from asyncio import Runner
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingest_bench import DAY, NOW
from payout_bench import Bench, HandClock, ScriptedAddresses, ScriptedWallet, programme

from dca_bot.core.payout import Waiting
from dca_bot.core.ports import LnurlLimits, Payment
from dca_bot.errors import DestinationUnavailable, LnbitsRefused, Refusal
from dca_bot.faults import LnbitsFault
from dca_bot.ledger.payouts import (
    holds,
    payouts,
    queue,
    transitions,
)
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme.clients import ADDRESS, INVOICE_KEY, Destination
from dca_bot.ledger.store import bot_state

CEILINGS = {"payout_max_sat": 50_000, "day_max_sat": 90_000}
LEVELS = {"low_balance_sat": 10_000, "top_up_to_sat": 12_000}
NEEDS = ("lacks", "getting low", "is short")
CLEARS = ("enough again", "filled up again")


class Purse(ScriptedWallet):
    """A wallet with a balance: what is paid leaves it, and a payment that it lacks doesn't."""

    def __init__(self, clock, balance_sat):
        super().__init__(clock)
        self.balance_sat = balance_sat
        self.on_pay = self.take

    async def balance_msat(self):
        return self.balance_sat * 1000

    def take(self, invoice):
        assert invoice.amount_msat <= self.balance_sat * 1000
        self.balance_sat -= invoice.amount_msat // 1000
        self.succeed(invoice)

    async def top_up_invoice(self, *, amount_sat, memo, expiry_s):
        assert memo
        return self.make(amount_sat, expiry_s)

    async def payments_of(self, *_external_ids) -> list[Payment]:
        return []


class Addresses(ScriptedAddresses):
    """Servers that are away for as long as the test wants."""

    is_away = False

    async def limits(self, address) -> LnurlLimits:
        if self.is_away:
            raise DestinationUnavailable(Refusal.UNREACHABLE, "The server did not answer.")
        return await super().limits(address)


async def make(folder, *, balance_sat, **changes):
    clock = HandClock(NOW)
    wallet = Purse(clock, balance_sat)
    bench = Bench(folder, wallet, Addresses(wallet), programme(**changes), clock)
    await bench.open()
    return bench


@pytest.fixture
async def bench(tmp_path):
    """Ana, with an LNbits wallet; 30,000 sats in the source wallet."""
    bench = await make(tmp_path, balance_sat=30_000, **CEILINGS, **LEVELS)
    await bench.client("ana", Destination(INVOICE_KEY, "ana"), minor=10**8)
    yield bench
    await bench.database.aclose()


def is_about_funds(letter):
    return any(word in letter for word in (*NEEDS, *CLEARS, "still low"))


async def funds_letters(bench):
    return [letter for letter in await bench.letters() if is_about_funds(letter)]


async def letters_after(bench, minutes):
    bench.clock.ahead += timedelta(minutes=minutes)
    await bench.worker.work_once()
    return len(await funds_letters(bench))


async def test_payout_above_a_ceiling_raises_no_alarm_about_funds(bench):
    await bench.distribute(50_001, 40_000)
    await bench.settle(3)
    assert await bench.states() == ["HELD"]
    assert await funds_letters(bench) == []


async def test_payout_above_the_days_ceiling_raises_no_alarm_about_funds(bench):
    bench.wallet.balance_sat = 105_000
    for _ in range(2):
        await bench.distribute(45_000, 40_000)
    await bench.settle(2)
    await bench.distribute(45_000, 40_000)
    await bench.settle(3)
    assert await bench.states() == ["DONE", "DONE", "HELD"]
    assert await funds_letters(bench) == []


async def test_payout_above_a_ceiling_that_was_accepted_asks_for_what_it_needs(bench):
    await bench.distribute(50_001, 40_000)
    await bench.settle(2)
    (held,) = await bench.payouts()

    def accept(tx):
        transitions.retry(tx, held, now=bench.clock.now())
        holds.close(tx, "payout", held.id, outcome="accepted", now=bench.clock.now())

    await bench.database.transact(accept)
    await bench.settle(2)
    (asked,) = await funds_letters(bench)
    assert "lacks 20,001 sats; 50,001 sats are to be paid" in asked


async def test_top_up_covers_what_can_leave_and_not_what_will_be_held(bench):
    """The first lacks funds, so the one behind it isn't looked at yet; it will be held."""
    await bench.distribute(31_000, 25_000)
    await bench.distribute(50_001, 40_000)
    await bench.settle(2)
    (asked,) = await funds_letters(bench)
    assert "lacks 1,000 sats; 31,000 sats are to be paid" in asked
    # One invoice, for 1,000 and the level that ends a warning.
    assert [one.amount_msat for one in bench.wallet.invoices.values()] == [13_500_000]
    bench.wallet.balance_sat += 13_000
    await bench.settle(3)
    assert await bench.states() == ["DONE", "HELD"]
    assert "enough again" in (await funds_letters(bench))[-1]
    assert len(await funds_letters(bench)) == 2


async def test_paused_bot_asks_for_no_top_up_for_what_it_will_hold(bench):
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    await bench.distribute(50_001, 40_000)
    await bench.settle(3)
    assert await funds_letters(bench) == []


async def test_paused_bot_that_will_lack_sats_has_none_free(bench):
    await bench.database.transact(lambda tx: bot_state.put(tx, bot_state.PAUSED, "1"))
    await bench.distribute(45_000, 40_000)
    await bench.settle(3)
    (warned,) = await funds_letters(bench)
    assert "getting low: 0 sats" in warned


async def test_top_up_invoice_that_is_over_by_the_bots_clock_is_replaced_once_an_hour(bench):
    bench.wallet.change_invoice = lambda invoice: replace(invoice, expires_at=NOW - DAY)
    await bench.distribute(40_000, 30_000)
    told = [await letters_after(bench, minutes) for minutes in (0, 59, 1, 59, 1)]
    assert told == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(("due_sat", "hours"), [(40_000, 6), (25_000, 24)])
async def test_need_without_an_invoice_asks_for_one_again_after_hours(bench, due_sat, hours):
    """A shortage after six, whatever little came in meanwhile; a low balance after a day."""

    async def refuse(**_about):
        raise LnbitsRefused("No.", fault=LnbitsFault.NO_TOP_UP, status=400)

    bench.wallet.top_up_invoice = refuse
    await bench.distribute(due_sat, 20_000)
    told = []
    for passed in (0, hours - 1, 1):
        bench.wallet.balance_sat += passed
        told.append(await letters_after(bench, 60 * passed))
    assert told == [1, 1, 2]


async def test_small_payout_does_not_overtake_the_one_that_lacks_funds(bench):
    await bench.distribute(30_001, 24_000)
    await bench.distribute(1_000, 800)
    await bench.settle(2)
    assert (await bench.states(), bench.wallet.sent()) == (["PLANNED", "PLANNED"], [])


async def test_single_sat_that_is_missing_is_asked_for(bench):
    await bench.distribute(30_001, 24_000)
    await bench.worker.work_once()
    (asked,) = await funds_letters(bench)
    assert "lacks 1 sat;" in asked


async def test_sats_that_come_while_a_round_runs_are_not_asked_for(bench):
    await bench.distribute(40_000, 30_000)
    await bench.distribute(5_000, 4_000)
    found_msat = [30_000_000, 40_000_000]

    async def balance_msat():
        return found_msat.pop(0)

    bench.wallet.balance_msat = balance_msat
    await bench.worker.work_once()
    assert (found_msat, await funds_letters(bench)) == ([], [])


async def test_all_clear_comes_in_the_round_in_which_the_last_payout_leaves(bench):
    await bench.distribute(40_000, 30_000)
    assert await letters_after(bench, 0) == 1
    bench.wallet.balance_sat += 40_000
    assert await letters_after(bench, 1) == 2
    assert await bench.states() == ["DONE"]
    assert "enough again" in (await funds_letters(bench))[1]


async def test_payout_that_lacks_funds_is_due_all_the_time_and_that_is_no_try(bench):
    await bench.distribute(40_000, 30_000)
    (before,) = await bench.payouts()
    for minutes in range(3):
        await letters_after(bench, minutes)
        (payout,) = await bench.payouts()
        assert payout == replace(before, waiting=Waiting.FUNDS)


async def test_round_begins_with_the_balance_and_no_payout_kept_back(bench):
    funds = bench.worker.context.funds
    assert (funds.left_msat, funds.kept_back_msat) == (0, 0)
    await bench.distribute(40_000, 30_000)
    await bench.worker.work_once()
    assert (funds.left_msat, funds.kept_back_msat) == (30_000_000, 40_000_000)
    await funds.refresh()
    assert (funds.left_msat, funds.kept_back_msat) == (30_000_000, 0)


async def test_commission_of_a_client_without_a_wallet_raises_no_alarm_about_funds(bench):
    await bench.client("ben", None, minor=10_000)
    await bench.recipient("ben", 10_000)
    await bench.distribute(1_000, 800, 40_000)
    await bench.settle(3)
    assert await funds_letters(bench) == []


async def test_address_that_refuses_for_days_is_asked_for_once(bench):
    await bench.client("eva", Destination(ADDRESS, "eva@example.com"), minor=10**8)
    bench.addresses.is_away = True
    await bench.distribute(50_000, 40_000)
    for _ in range(40):
        await bench.settle(2)
        bench.clock.ahead += timedelta(hours=1)
    letters = await funds_letters(bench)
    assert not [letter for letter in letters if any(word in letter for word in CLEARS)]
    assert len(letters) <= 2, "and once more a day later, with a fresh invoice"


async def test_payout_that_is_short_out_of_turn_is_asked_for_with_what_it_lacks(bench):
    """An earlier one steps aside, and the one behind it, bigger, has its turn."""
    await bench.client("eva", Destination(ADDRESS, "eva@example.com"), minor=10**8)
    bench.addresses.is_away = True
    await bench.distribute(80_000, 60_000)
    await bench.settle(1)
    due = await bench.database.read(queue.open_payouts)
    assert {payout.amount_sat for payout in due} == {40_000}
    (asked,) = await funds_letters(bench)
    assert "lacks" in asked
    bench.wallet.balance_sat += 100_000
    await bench.settle(2)
    assert (await bench.states()).count("DONE") == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sale"), st.integers(1_000, 130_000)),
        st.tuples(st.just("commission"), st.integers(1_000, 60_000)),
        st.tuples(st.just("top up"), st.sampled_from([1_000, 20_000, 60_000])),
        st.tuples(st.just("address"), st.booleans()),
        st.tuples(st.just("minimum"), st.sampled_from([1, 15_000, 70_000])),
        st.tuples(st.just("accept"), st.just(0)),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.just("hours"), st.integers(1, 30)),
    ),
    min_size=4,
    max_size=30,
)


async def do(bench, what, how):
    """Let something happen; return whether a person changed what is needed, or sats came in."""
    match what:
        case "sale":
            await bench.distribute(how, how // 2)
        case "commission":
            await bench.distribute(1, 1, how)
        case "top up":
            bench.wallet.balance_sat += how
            return True
        case "address":
            bench.addresses.is_away = how
        case "minimum":
            bench.addresses.min_sat = how
        case "accept":
            return await bench.database.transact(lambda tx: accept_oldest(tx, bench.clock.now()))
        case "pause":
            await bench.database.transact(
                lambda tx: (
                    bot_state.put(tx, bot_state.PAUSED, "1")
                    if how
                    else bot_state.drop(tx, bot_state.PAUSED)
                )
            )
        case "hours":
            bench.clock.ahead += timedelta(hours=how)
    return False


def accept_oldest(tx, now):
    for hold in holds.still_open(tx):
        if hold.reason in (HoldReason.CEILING_PAYOUT, HoldReason.CEILING_DAY):
            transitions.retry(tx, payouts.by_id(tx, hold.ref), now=now)
            holds.close(tx, "payout", hold.ref, outcome="accepted", now=now)
            return True
    return False


def kind(letter):
    return next((name for name in (*NEEDS, *CLEARS) if name in letter), "")


@settings(max_examples=60, deadline=None)
@example([("sale", 110_000)], 119_000, 10_000)  # above the ceiling, each of two
@example([("sale", 80_000), ("top up", 60_000), ("sale", 80_000)], 91_000, 10_000)
@given(STEPS, st.integers(0, 80_000), st.sampled_from([0, 10_000]))
def test_no_all_clear_follows_a_warning_unless_sats_moved(story, balance_sat, low_sat):
    async def run():
        with tempfile.TemporaryDirectory() as name:
            levels = {**LEVELS, "low_balance_sat": low_sat}
            bench = await make(Path(name), balance_sat=balance_sat, **CEILINGS, **levels)
            try:
                await bench.client("ana", Destination(INVOICE_KEY, "ana"), minor=10**8)
                await bench.client("eva", Destination(ADDRESS, "eva@example.com"), minor=10**8)
                await bench.client("ben", None, minor=10**8)
                await bench.recipient("ben", 5_000)
                await go_through(bench, story)
            finally:
                await bench.database.aclose()

    with Runner() as runner:
        runner.run(run())


async def go_through(bench, story):
    has_moved, seen, told = True, 0, Counter()
    for what, how in story:
        has_moved |= await do(bench, what, how)
        for _ in range(2):
            before = bench.wallet.balance_sat
            await bench.settle(1)
            has_moved |= bench.wallet.balance_sat != before
            letters = await funds_letters(bench)
            new, seen = letters[seen:], len(letters)
            assert len(new) <= 1, "a round says one thing about funds"
            for letter in new:
                if kind(letter) in CLEARS:
                    assert has_moved, f"{letter} after {letters[-2]}"
                    assert told["need"], "nothing was asked for"
                    told["need"] = 0
                elif kind(letter):
                    told["need"] += 1
                has_moved = False

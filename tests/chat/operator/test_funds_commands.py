"""`funds` for the operator, and how long a client's deposit lasts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.payout import Waiting
from dca_bot.core.rate import Ticker
from dca_bot.ledger.payouts import top_ups
from dca_bot.ledger.programme import tickers

ADDRESS = "maria@example.com"


async def set_fixed(talk, name, limit_minor):
    await talk.sql(
        "UPDATE client SET mode = 'fixed', fixed_limit_minor = ? WHERE name = ?", limit_minor, name
    )


async def flow(talk, *, days=14, sat=20_000, fiat_minor=10_000):
    for day in range(days):
        await talk.distribute(f"c{day:07}", sat=sat, fiat_minor=fiat_minor)
        talk.clock.at += timedelta(days=1)


async def test_funds_of_an_empty_programme(talk):
    assert await talk.tell("op", "funds") == (
        "Source wallet: 5,000,000 sats (0.05000000 BTC)\n"
        "To be paid: 0 sats in 0 payouts\n"
        "Free after that: 5,000,000 sats (0.05000000 BTC)\n"
        "Expected need: nothing yet, no recent cash-outs and no fixed amounts.\n"
        "No top-up is needed."
    )


async def test_funds_adds_up_what_is_owed_expected_and_missing(talk):
    await talk.add_client("maria", balance="50000", wallet=ADDRESS)
    await talk.add_client("juan", balance="50000")
    await set_fixed(talk, "juan", 100_000)
    await flow(talk)
    talk.wallet.balance = 900_000_999
    told = await talk.tell("op", "funds")
    # 14 payouts of 20,000 sats with a reserve of 1 % each, 13 of them of the last 14 days;
    # Q1,000 are 125,000 sats.
    assert told == (
        "Source wallet: 900,000 sats\n"
        "To be paid: 280,000 sats in 14 payouts\n"
        "With LNbits' reserve for fees: 282,800 sats\n"
        "Free after that: 617,200 sats\n"
        "Expected need: 143,572 sats a day, 1,005,000 sats (0.01005000 BTC) in 7 days\n"
        "  of it cash-outs, as in the last 14 days: 18,572 sats a day\n"
        "  of it fixed amounts: Q1,000.00 a day, Q7,000.00 in 7 days\n"
        "That lasts about 4 days.\n"
        "To fill it up: topup 1382800"
    )


async def test_funds_without_a_price_says_so(talk):
    await talk.add_client("juan", balance="50000")
    await set_fixed(talk, "juan", 100_000)
    talk.wallet.coin = None
    told = await talk.tell("op", "funds")
    assert "of it fixed amounts: Q1,000.00 a day" in told
    assert "LNbits tells no price" in told
    assert "lasts" not in told


async def test_funds_without_lnbits_tells_what_the_ledger_knows(talk):
    await talk.add_client("maria", balance="50000")
    await talk.distribute("c1")
    talk.wallet.down = True
    told = await talk.tell("op", "funds")
    assert "LNbits does not tell" in told
    assert "To be paid: 24,000 sats in one payout" in told
    assert "Free" not in told
    assert "topup" not in told


async def test_funds_shows_what_is_missing_held_and_asked_for(talk):
    await talk.add_client("maria", balance="50000")
    await talk.distribute("c1")
    await talk.distribute("c2")
    talk.wallet.balance = 23_999_999
    await talk.hold_payout("ceiling_payout")
    expiry = talk.clock.now() + timedelta(hours=5)
    asked = TopUp(Trouble.SHORT, expiry, balance_msat=0, asked_sat=70_000)
    await talk.database.transact(lambda tx: top_ups.note(tx, asked))
    told = await talk.tell("op", "funds")
    assert "Missing for that: 1 sat\n" in told
    assert "Held, not counted: 24,000 sats in one payout" in told
    assert "A top-up invoice over 70,000 sats is open until 1 Mar 11:00." in told
    assert "lasts" not in told
    assert "To fill it up: topup 2000001" in told
    talk.clock.at += timedelta(hours=5)
    assert "is open until" not in await talk.tell("op", "funds")


async def test_payout_that_waits_for_funds_is_counted_while_it_was_sent(talk):
    await talk.add_client("maria", balance="50000")
    await talk.distribute("c1")
    payout = await talk.payout()
    await talk.bring_to(payout.id, "invoice", "submit")
    assert "in 0 payouts" in await talk.tell("op", "funds")
    await talk.sql("UPDATE payout SET waiting = ?", Waiting.FUNDS)
    assert "24,000 sats in one payout" in await talk.tell("op", "funds")


async def test_funds_is_the_operators(talk):
    await talk.add_client("maria")
    assert "Did you mean: balance" in await talk.tell("maria", "funds")


@pytest.mark.parametrize(
    ("balance", "lasts"),
    [
        ("1600", "about one day"),
        ("10000", "about 60 days"),
        ("1440", "less than a day"),
        ("90000", "more than a year"),
    ],
)
async def test_balance_tells_how_long_it_lasts_at_the_pace_of_the_last_weeks(talk, balance, lasts):
    await talk.add_client("maria", balance=balance)
    await flow(talk, days=10, fiat_minor=14_200)
    assert f", lasts {lasts}" in await talk.tell("maria", "balance")


async def test_balance_in_fixed_mode_lasts_by_the_daily_limit(talk):
    await talk.add_client("maria", balance="1299")
    await set_fixed(talk, "maria", 10_000)
    assert ", lasts about 12 days\n" in await talk.tell("maria", "balance")
    await set_fixed(talk, "maria", 10**9)
    assert "lasts less than a day\n" in await talk.tell("maria", "balance")


async def test_nothing_is_said_where_nothing_is_known_or_bought(talk):
    await talk.add_client("maria", balance="1000")
    assert "lasts" not in await talk.tell("maria", "balance")
    await talk.distribute("c1")
    assert "lasts" in await talk.tell("maria", "balance")
    await talk.tell("maria", "pause")
    assert "lasts" not in await talk.tell("maria", "balance")
    await talk.tell("maria", "resume")
    await set_fixed(talk, "maria", 0)
    assert "lasts" not in await talk.tell("maria", "balance")


async def test_low_deposit_message_tells_how_long_the_rest_lasts(talk):
    await talk.add_client("maria", balance="300")
    talk.clock.at += timedelta(days=2)
    await talk.distribute("c1", fiat_minor=15_000)
    maria = await talk.client("maria")
    now = talk.clock.now()
    await talk.database.transact(lambda tx: talk.notices.clients.note_low(tx, [maria.id], now))
    assert (await talk.letters_to("maria"))[-1] == (
        "Your balance is down to Q150.00. At the present pace it lasts about 2 days."
        " Please bring the next deposit soon, so that it goes on."
    )


async def test_cash_outs_need_no_more_than_the_balances_can_buy(talk):
    """A young programme's pace says little: Q10 are left, which buy 1,250 sats."""
    await talk.add_client("maria", balance="110")
    await talk.distribute("c1", sat=20_000, fiat_minor=10_000)
    told = await talk.tell("op", "funds")
    assert "Expected need: 1,250 sats a day, 1,250 sats in 7 days" in told


async def test_cash_that_can_not_buy_needs_nothing_of_the_source_wallet(talk):
    """Her wallet is gone, so no cash-out is shared out for what is left of her balance."""
    await talk.add_client("maria", balance="5000", wallet=ADDRESS)
    await flow(talk)
    assert "Expected need: 18,572 sats a day" in await talk.tell("op", "funds")
    await talk.sql("UPDATE client SET destination = NULL, destination_kind = NULL")
    assert "Expected need: nothing" in await talk.tell("op", "funds")


async def test_balances_bound_what_is_needed_also_without_lnbits_price(talk):
    await talk.add_client("maria", balance="1401", wallet=ADDRESS)
    await flow(talk)
    ticker = Ticker(Decimal(800_000), talk.clock.now())
    await talk.database.transact(lambda tx: tickers.note(tx, ticker, now=talk.clock.now()))
    talk.wallet.hanging = {"price"}
    talk.be_impatient()
    told = await talk.tell("op", "funds")
    assert "Expected need: 125 sats a day, 125 sats in 7 days" in told


async def test_top_up_brings_the_wallet_through_a_week_where_that_takes_more(talk):
    await talk.add_client("juan", balance="500,000")
    await set_fixed(talk, "juan", 200_000)
    await talk.add_client("maria", balance="500,000")
    await set_fixed(talk, "maria", 200_000)
    talk.wallet.balance = 0
    # Q28,000 in 7 days are 3,500,000 sats (0.03500000 BTC); the target is less.
    assert "To fill it up: topup 3500000" in await talk.tell("op", "funds")


@pytest.mark.parametrize(
    ("limit_minor", "days"), [(200_000, 5), (200_001, 5), (10**9, 5), (100_000, 10)]
)
async def test_deposit_of_who_saves_above_the_ceiling_lasts_as_by_the_ceiling(
    talk, limit_minor, days
):
    await talk.add_client("maria", balance="10000")
    await set_fixed(talk, "maria", limit_minor)
    assert f", lasts about {days} days" in await talk.tell("maria", "balance")

"""Caps, limits by week and month, the margin, `settle` and `deposit edit`, as people write them."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from talk import START, code_in

from dca_bot.core.fixed_schedule import runs_of
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.rate import Quote
from dca_bot.ledger.distributions import fixed_mode
from dca_bot.ledger.payouts import unknown_payments


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1500")
    return talk


async def confirmed(talk, who, text):
    """Give a command and its code; return the question and the answer."""
    asked = await talk.tell(who, text)
    return asked, await talk.tell(who, f"confirm {code_in(asked)}")


# The cap


async def test_cap_is_kept_by_the_sales_of_a_day_and_shown(maria):
    assert "You have no cap" in await maria.tell("maria", "cap")
    assert "turn at most Q150.00 of your balance" in await maria.tell("maria", "cap 150")
    assert "Q150.00 of your Q1,500.00 buy" in await maria.tell("maria", "when")
    await maria.distribute("aaaa1111", fiat_minor=100_00)
    assert "Up to Q50.00 of your Q1,400.00" in await maria.tell("maria", "when")
    assert "Q50.00 of that are left today" in await maria.tell("maria", "cap")
    await maria.distribute("bbbb2222", fiat_minor=100_00)
    assert "cap for today is used up" in await maria.tell("maria", "when")
    assert (await maria.client("maria")).balance_minor == 135_000
    assert "sale at the machine\nAt most Q150.00 a day" in await maria.tell("maria", "settings")
    assert "no cap any more" in await maria.tell("maria", "cap off")
    await maria.distribute("cccc3333", fiat_minor=100_00)
    assert (await maria.client("maria")).balance_minor == 125_000
    assert await maria.audit() == ()


async def test_cap_in_plain_words_is_asked_back_and_in_fixed_mode_not_in_use(maria):
    await maria.tell("maria", "mode fixed 50")
    assert "at fixed times, where the cap has no part" in await maria.tell("maria", "cap 300")
    assert "cap 250.00" in await maria.tell("maria", "please put my cap at 250")
    assert (await maria.client("maria")).flow_cap_minor == 30_000
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).flow_cap_minor == 25_000


@pytest.mark.parametrize("written", ["cap 0", "cap 1.500", "cap none of it", "cap 300 weekly"])
async def test_cap_that_can_not_be_changes_nothing(maria, written):
    await maria.tell("maria", "cap 200")
    await maria.tell("maria", written)
    assert (await maria.client("maria")).flow_cap_minor == 20_000


# Weeks, months and the margin


async def test_limit_of_a_week_and_of_a_month(maria):
    # 1 March 2026 is a Sunday.
    told = await maria.tell("maria", "mode fixed 1000 weekly")
    assert "Q1,000.00 a week, today Q142.86:\nQ71.43 at 09:00, 18:00" in told
    assert "Q1,000.00 a week, at 09:00, 18:00" in await maria.tell("maria", "settings")
    told = await maria.tell("maria", "limit Q 3100 monthly")
    assert "Q3,100.00 a month, today Q100.00:\nQ50.00 at 09:00, 18:00" in told
    assert "a month, at 09:00" in await maria.tell("op", "client maria")
    assert "at most Q14,000.00 a week" in await maria.tell("maria", "limit 14000.01 weekly")
    assert "at most Q56,000.00 a month" in await maria.tell("maria", "limit 56000.01 monthly")
    assert "Q100.00 a day:" in await maria.tell("maria", "limit 100")
    assert "Q700.00 por semana" in (
        await maria.tell("maria", "idioma español")
        and await maria.tell("maria", "límite 700 semanal")
    )


async def test_margin_is_shown_kept_and_recorded(maria):
    fixed = replace(maria.programme.fixed, margin_bp=150)
    maria.programme = replace(maria.programme, fixed=fixed)
    maria.start()
    assert "the operator keeps 1.5%" in await maria.tell("maria", "mode fixed 100")
    for asked in ("mode", "limit", "settings", "price", "what does it cost"):
        assert "keeps 1.5%" in await maria.tell("maria", asked)
    assert "Of each purchase you keep 1.5%" in await maria.tell("op", "fixed")
    _, done = await confirmed(maria, "op", "fixed run")
    assert "Q100.00, 12,312 sats" in done
    assert [tuple(row) for row in await maria.sql("SELECT margin_bp FROM fixed_run")] == [(150,)]
    receipt = await maria.tell("maria", "receipt")
    for told in ("The operator's margin: 1.5%", "Your amount for that day: Q100.00"):
        assert told in receipt.splitlines()


# An operator chooses for a client


async def test_operator_sets_mode_and_limit_and_the_client_is_told(maria):
    assert "client mode maria fixed AMOUNT" in await maria.tell("op", "client mode maria fixed")
    assert "Q700.00 a week" in await maria.tell("op", "client mode maria fixed 700 weekly")
    told = (await maria.letters_to("maria"))[-1]
    assert told.startswith("The operator has changed how you buy.\nFrom now on you buy at fixed")
    assert "Q50.00 a day" in await maria.tell("op", "client limit maria 50")
    assert "sale at the machine" in await maria.tell("op", "client mode maria flow")
    assert "From now on you buy with each sale" in (await maria.letters_to("maria"))[-1]
    client = await maria.client("maria")
    assert (client.mode, client.fixed_limit_minor, client.fixed_period) == ("flow", 5_000, "daily")


# Settling


async def test_settling_buys_for_the_whole_balance_without_limit_and_margin(maria):
    fixed = replace(maria.programme.fixed, margin_bp=150, daily_limit_max_minor=100)
    maria.programme = replace(maria.programme, fixed=fixed)
    maria.start()
    await maria.tell("maria", "pause")
    asked, done = await confirmed(maria, "op", "settle maria")
    assert "Q1,500.00, about 190,000 sats at about Q800,000" in asked
    assert "is paused, and is settled all the same" in asked
    assert "Bought for all of maria's cash: Q1,500.00, 187,500 sats" in done
    assert done in (await maria.letters_to("op2"))[-1]
    assert maria.rung[-1] == "payouts"
    letters = await maria.letters_to("maria")
    assert "187,500 sats for Q1,500.00 (1 BTC = Q800,000)" in letters[-1]
    client = await maria.client("maria")
    assert (client.balance_minor, client.owed_sat) == (0, 187_500)
    listed = await maria.tell("op", "fixed")
    assert "all of maria's cash: one client, Q1,500.00" in listed
    shown = re.search(r"tx (fixed:\S+:settles:\d+)", listed)[1]
    assert "187,500 sats" in await maria.tell("op", f"tx {shown}")
    assert "187,500 sats" in await maria.tell("op", f"TX {shown.upper()}")
    assert "has no balance" in await maria.tell("op", "settle maria")
    assert await maria.audit() == ()


async def test_settling_is_refused_without_rate_wallet_or_certainty(maria):
    code = code_in(await maria.tell("op", "settle maria"))
    maria.wallet.coin = None
    assert "cannot be done now" in await maria.tell("op", f"confirm {code}")
    assert "cannot be done now" in await maria.tell("op", "settle maria")
    maria.wallet.coin = Decimal(800_000)
    await maria.add_client("juan", balance="100", wallet=None)
    assert "client wallet juan" in await maria.tell("op", "settle juan")
    paid = Payment(
        payment_hash="ab" * 32,
        external_id="x",
        amount_msat=-5_000,
        fee_msat=0,
        status=PaymentStatus.SUCCESS,
        seen_at=START,
        extra={"distributions": ["fixed:2026-02-03T09:00"], "client": "maria", "fiat_minor": 5},
    )
    await maria.database.transact(lambda tx: unknown_payments.remember(tx, paid, now=START))
    assert "so that nothing is paid twice" in await maria.tell("op", "settle maria")
    assert (await maria.client("maria")).balance_minor == 150_000


async def test_fixed_mode_buys_nothing_more_on_the_day_of_a_settling(maria):
    await maria.tell("maria", "mode fixed 100")
    await confirmed(maria, "op", "settle maria")
    await confirmed(maria, "op", "deposit maria 500")
    await confirmed(maria, "op", "deposit confirm maria")
    programme = maria.programme
    for day, left_minor in ((date(2026, 3, 1), 50_000), (date(2026, 3, 2), 45_000)):
        run = runs_of(day, programme.fixed.times, programme.timezone)[0]
        await maria.database.transact(
            lambda tx, run=run: fixed_mode.carry_out(
                tx,
                run,
                Quote(Decimal(800_000), "lnbits"),
                ceiling_minor=200_000,
                currency="GTQ",
                now=run.at,
            )
        )
        assert (await maria.client("maria")).balance_minor == left_minor


# Editing a deposit


async def test_edited_deposit_is_another_deposit_and_the_client_is_told_once(maria):
    await confirmed(maria, "op", "deposit maria 500 May")
    before = len(await maria.letters_to("maria"))
    asked, done = await confirmed(maria, "op", "deposit edit 2 1600")
    assert "from Q500.00 to Q1,600.00" in asked
    assert "deposit 3 of Q1,600.00 is pending" in done
    letters = (await maria.letters_to("maria"))[before:]
    assert letters == [
        "Your deposit of Q500.00 is now Q1,600.00. It counts as soon as it is in the machine."
    ]
    rows = await maria.sql("SELECT amount_minor, state, note, replaces FROM deposit WHERE id > 1")
    assert [tuple(row) for row in rows] == [
        (50_000, "voided", "May", None),
        (160_000, "pending", "May", 2),
    ]
    assert (await maria.client("maria")).balance_minor == 150_000
    assert "is not pending" in await maria.tell("op", "deposit edit 2 5")
    assert "is not pending" in await maria.tell("op", "deposit edit 1 5")
    assert "is of Q1,600.00 already" in await maria.tell("op", "deposit edit 3 1600")
    assert await maria.audit() == ()

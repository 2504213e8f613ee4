"""Fixed mode as people talk about it: mode, limit, the plan, and a run by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from talk import START, code_in

from dca_bot.core.fixed_schedule import runs_of
from dca_bot.core.rate import Quote, Ticker
from dca_bot.ledger.distributions import fixed_mode, fixed_runs
from dca_bot.ledger.programme import tickers

DAY = date(2026, 3, 1)
CEILING = 200_000


@pytest.fixture
async def maria(talk):
    """Maria saves Q100.00 a day out of Q1,500.00."""
    await talk.add_client("maria", balance="1500")
    await talk.tell("maria", "mode fixed 100")
    return talk


def with_terms(talk, *, flow=True, **fixed):
    """Give the programme other terms and start the bot anew."""
    terms = replace(talk.programme.fixed, **fixed)
    talk.programme = replace(talk.programme, fixed=terms, flow_enabled=flow)
    talk.start()


async def run(talk, number, *, day=DAY):
    """Have a scheduled run carried out."""
    terms = talk.programme.fixed
    due = runs_of(day, terms.times, talk.programme.timezone)[number - 1]
    quote, currency = Quote(Decimal(800_000), "lnbits"), "GTQ"
    return await talk.database.transact(
        lambda tx: fixed_mode.carry_out(
            tx, due, quote, ceiling_minor=CEILING, currency=currency, now=talk.clock.now()
        )
    )


async def put_off(talk, number, state, reason, *, day=DAY):
    due = runs_of(day, talk.programme.fixed.times, talk.programme.timezone)[number - 1]
    now = talk.clock.now()
    await talk.database.transact(lambda tx: fixed_runs.put_off(tx, due, state, reason, now=now))


# Clients


async def test_fixed_mode_without_a_limit_asks_for_it_and_changes_nothing(talk):
    await talk.add_client("maria", balance="1500")
    told = await talk.tell("maria", "mode fixed")
    assert told == (
        "How much a day? Send: mode fixed AMOUNT (at most Q2,000.00)\n"
        "Until then everything stays as it is."
    )
    assert (await talk.client("maria")).mode == "flow"
    assert "not set yet" not in await talk.tell("maria", "balance")
    await talk.distribute("aaaa1111")
    assert (await talk.client("maria")).owed_sat == 24_000, "she buys as before"
    told = await talk.tell("maria", "limit 100")
    assert told.startswith("From now on you buy at fixed times")
    client = await talk.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("fixed", 10_000)


async def test_fixed_mode_and_its_limit_are_taken_in_one(talk):
    await talk.add_client("maria", balance="1500")
    told = await talk.tell("maria", "mode fixed 50")
    assert "Q50.00 a day:\nQ25.00 at 09:00, 18:00" in told
    client = await talk.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("fixed", 5_000)
    assert (await talk.tell("maria", "mode fixed")).startswith("From now on you buy at fixed times")


async def test_question_for_the_limit_is_forgotten_after_a_day_and_by_flow_mode(talk):
    await talk.add_client("maria", balance="1500")
    await talk.tell("maria", "mode fixed")
    talk.clock.at += timedelta(days=1)
    assert "send: mode fixed" in await talk.tell("maria", "limit 100")
    await talk.sql("UPDATE client SET fixed_limit_minor = 0")
    await talk.tell("maria", "mode fixed")
    await talk.tell("maria", "mode flow")
    assert "send: mode fixed" in await talk.tell("maria", "limit 100")
    assert (await talk.client("maria")).mode == "flow"


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("mode fixed 2000.01", "at most Q2,000.00 a day"),
        ("mode fixed 0", "mode flow (you buy with each sale), or pause"),
        ("mode fixed 1.500", "not clear"),
        ("mode fixed 50 now", "How often? daily, weekly or monthly."),
        ("mode flow 50", "no amount is needed"),
        ("mode 50", "Write flow"),
    ],
)
async def test_limit_that_can_not_be_leaves_the_mode_as_it_is(talk, written, answer):
    await talk.add_client("maria", balance="1500")
    assert answer in await talk.tell("maria", written)
    client = await talk.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("flow", 0)


async def test_client_of_an_old_ledger_in_fixed_mode_without_a_limit_is_seen_by_all(talk):
    await talk.add_client("maria", balance="1500")
    await talk.sql("UPDATE client SET mode = 'fixed'")
    assert "so nothing is bought. Send: limit AMOUNT" in await talk.tell("maria", "balance")
    assert "No amount is set yet; times: 09:00" in await talk.tell("maria", "settings")
    assert "Until then" not in await talk.tell("maria", "mode fixed")
    assert "buys nothing: no limit is set" in await talk.tell("op", "clients")
    assert "Buys nothing: no limit is set" in await talk.tell("op", "client maria")


async def test_limit_above_a_lowered_ceiling_is_told_as_what_it_gives(maria):
    await maria.tell("maria", "limit 200")
    with_terms(maria, daily_limit_max_minor=15_000)
    told = await maria.tell("maria", "limit")
    assert told.startswith("Q150.00 a day:\nQ100.00 at 09:00\nQ50.00 at 18:00\n")
    assert "Q150.00 a day, at 09:00, 18:00" in await maria.tell("op", "client maria")


async def test_limit_says_what_each_run_gives_and_when_it_counts(maria):
    told = await maria.tell("maria", "limit 150.01")
    assert told.startswith("Q150.01 a day:\nQ75.00 at 09:00\nQ75.01 at 18:00\n")
    assert "counts from the next time" in told
    assert "mode fixed" not in told
    assert "Q100.00 at 09:00, 18:00" in await maria.tell("maria", "limit 200")
    assert "Q200.00 a day, at 09:00, 18:00" in await maria.tell("maria", "settings")
    assert "Q100.00 at 09:00, 18:00" in await maria.tell("maria", "mode fixed")
    assert "limit AMOUNT" not in await maria.tell("maria", "balance")


async def test_limit_in_flow_mode_is_kept_and_says_how_to_use_it(talk):
    await talk.add_client("maria", balance="1500")
    assert "send: mode fixed" in await talk.tell("maria", "limit 100")
    assert "with each sale at the machine\nWallet" in await talk.tell("maria", "settings")
    client = await talk.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("flow", 10_000)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("limit 2000.01", "at most Q2,000.00 a day"),
        ("limit 0", "send: mode flow (you buy with each sale), or pause"),
        ("limit Q0.00", "send: mode flow"),
        ("limit -5", "not clear or out of range"),
        ("limit off", "limit [AMOUNT]"),
        (
            "limit",
            "Q50.00 at 09:00, 18:00\nTo change it: limit AMOUNT (at most Q2,000.00 a day), limit",
        ),
        ("help limit", "limit [AMOUNT]"),
        ("limit 1.500", "not clear"),
        (
            "mode",
            "You buy a fixed amount at fixed times.\nQ100.00 a day, at 09:00, 18:00\nTo change",
        ),
        ("help mode", "mode [flow|fixed] [AMOUNT] [daily|weekly|monthly]\n"),
        ("mode weekly", "Write flow, to buy with each sale"),
        ("mode fixed now", "Did you mean: mode fixed"),
    ],
)
async def test_what_is_not_clear_changes_nothing(maria, written, answer):
    assert answer in await maria.tell("maria", written)
    client = await maria.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("fixed", 10_000)


async def test_mode_and_limit_alone_tell_what_is_so_in_flow_mode(talk):
    await talk.add_client("maria")
    assert (await talk.tell("maria", "mode")).startswith("You buy with each sale at the machine.\n")
    told = await talk.tell("maria", "limit")
    assert (
        "No amount is set yet. Send: limit AMOUNT (at most Q2,000.00 a day), limit AMOUNT weekly or"
        " limit AMOUNT monthly\nFor now you buy with" in told
    )
    assert "nothing is bought" not in told
    await talk.tell("maria", "limit 100")
    assert "Q50.00 at 09:00, 18:00\nFor now you buy with each" in await talk.tell("maria", "limit")


async def test_client_goes_back_to_flow_mode(maria):
    assert "each sale at the machine" in await maria.tell("maria", "MODE Flow")
    client = await maria.client("maria")
    assert (client.mode, client.fixed_limit_minor) == ("flow", 10_000)
    await maria.distribute("aaaa1111")
    assert "150.00" not in await maria.tell("maria", "history")
    assert (await maria.client("maria")).owed_sat == 24_000


async def test_fixed_mode_that_is_off_is_refused_and_those_in_it_are_told(maria):
    with_terms(maria, enabled=False)
    for written in ("mode fixed", "limit 50", "balance"):
        assert "switched off buying at fixed times" in await maria.tell("maria", written)
    assert "Switched off by the operator" in await maria.tell("maria", "settings")
    assert "each sale" in await maria.tell("maria", "mode flow")


async def test_flow_mode_that_is_off_is_refused(maria):
    with_terms(maria, flow=False)
    assert "mode fixed" in await maria.tell("maria", "mode flow")
    assert (await maria.client("maria")).mode == "fixed"


async def test_client_sees_what_fixed_mode_bought(maria):
    assert "at the next fixed time" in await maria.tell("maria", "balance")
    await run(maria, 1)
    assert "6,250 sats for Q50.00, on its way" in await maria.tell("maria", "history")
    told = await maria.tell("maria", "balance")
    assert "Cash still to convert: Q1,450.00" in told
    assert "Bought so far: 6,250 sats for Q50.00 (1 BTC = Q800,000" in told


async def test_client_in_fixed_mode_who_comes_back_is_told_of_fixed_times(maria):
    await maria.tell("maria", "pause")
    assert "next fixed time" in await maria.tell("maria", "resume")


async def test_operator_sees_a_clients_mode_and_limit(maria):
    shown = await maria.tell("op", "client maria")
    assert "Buys: a fixed amount at fixed times\nQ100.00 a day, at 09:00, 18:00" in shown


async def test_clients_know_no_fixed_command(maria):
    assert "don't know that command" in await maria.tell("maria", "fixed run")
    assert "a command for clients" in await maria.tell("op", "limit 5")


# The plan


async def test_plan_tells_times_the_next_run_and_the_last_ones(maria):
    assert "No run yet." in await maria.tell("op", "fixed")
    yesterday = DAY - timedelta(days=1)
    await put_off(maria, 1, "lapsed", "no_price", day=yesterday)
    await put_off(maria, 2, "held", "known_distribution", day=yesterday)
    await run(maria, 1)
    maria.clock.at = START + timedelta(hours=4)
    shown = await maria.tell("op", "fixed")
    assert shown.startswith(
        "Fixed mode buys at 09:00, 18:00; a client can choose at most Q2,000.00"
    )
    assert (
        "Next: 1 Mar 18:00, one client, Q50.00, 6,250 sats at present"
        " (1 BTC = Q800,000, from LNbits)"
    ) in shown
    lines = shown.split("\n")
    assert lines[-3:] == [
        "1 Mar 09:00: one client, Q50.00, 6,250 sats (1 BTC = Q800,000)",
        "28 Feb 18:00: held (LNbits has paid for this already, the ledger does not know of it)",
        "28 Feb 09:00: lapsed (LNbits tells no price)",
    ]


async def test_plan_tells_what_stops_the_next_run(maria):
    maria.wallet.coin = None
    assert "no usable rate at present: LNbits tells no price" in await maria.tell("op", "fixed")
    maria.wallet.down = True
    assert "no usable rate at present: LNbits tells no price" in await maria.tell("op", "fixed")
    maria.wallet.down, maria.wallet.coin = False, Decimal(500_000)
    now = maria.clock.now()
    await maria.database.transact(
        lambda tx: tickers.note(tx, Ticker(Decimal(800_000), now), now=now)
    )
    assert "too far apart" in await maria.tell("op", "fixed")
    await maria.tell("op", "pause all")
    assert "PAUSED" in await maria.tell("op", "fixed")
    await maria.tell("maria", "pause")
    assert "nothing to buy then" in await maria.tell("op", "fixed")
    with_terms(maria, enabled=False)
    assert "Fixed mode is switched off" in await maria.tell("op", "fixed")


async def test_runs_shares_are_shown_by_the_runs_id(maria):
    await run(maria, 1)
    shown = await maria.tell("op", "tx FIXED:2026-03-01t09:00")
    assert shown.startswith("1 Mar 09:00: one client, Q50.00, 6,250 sats")
    assert "maria: Q50.00, 6,250 sats, planned" in shown
    await put_off(maria, 2, "waiting", "prices_too_far_apart")
    assert (await maria.tell("op", "tx fixed:2026-03-01T18:00")).strip() == (
        "1 Mar 18:00: waiting (the prices of LNbits and Lamassu are too far apart)"
    )
    assert "no cash-out" in await maria.tell("op", "tx fixed:2026-03-02T18:00")


# A run by hand


async def test_run_by_hand_gives_what_the_day_has_left_and_is_reported(maria):
    await run(maria, 1)
    asked = await maria.tell("op", "fixed run")
    assert "Buy now for one client, what is left of the limit of 1 Mar: Q50.00" in asked
    assert "about 6,300 sats at about Q800,000 for 1 BTC" in asked
    maria.wallet.coin = Decimal("801000.00")
    done = await maria.tell("op", f"confirm {code_in(asked)}")
    assert "Bought for one client in fixed mode: Q50.00, 6,242 sats" in done
    assert "Q801,000" in done
    assert done in (await maria.letters_to("op2"))[-1]
    assert maria.rung[-1] == "payouts"
    assert "Nothing to buy in fixed mode today" in await maria.tell("op", "fixed run")
    listed = await maria.tell("op", "fixed")
    assert "by hand: one client, Q50.00" in listed
    assert "(who got what: tx fixed:2026-03-01T09:00):" in listed
    (id_,) = (
        row["id"] for row in await maria.sql("SELECT id FROM fixed_run ORDER BY due_at LIMIT 1")
    )
    for written in (id_, id_[:-6], "fixed:2026-03-01T06"):
        assert "maria: Q50.00, 6,242 sats" in await maria.tell("op", f"tx {written}")
    assert "Several begin like that" in await maria.tell("op", "tx fixed:2026-03-01")
    await run(maria, 2)
    assert (await maria.client("maria")).balance_minor == 140_000
    assert await maria.audit() == ()


async def test_run_by_hand_whose_effect_changed_asks_again(maria):
    asked = await maria.tell("op", "fixed run")
    await run(maria, 1)
    again = await maria.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "Q50.00" in again
    maria.wallet.coin = Decimal(900_000)
    assert "changed meanwhile" in await maria.tell("op", f"confirm {code_in(again)}")
    assert (await maria.client("maria")).balance_minor == 145_000


async def test_run_by_hand_confirmed_on_the_next_day_asks_again(maria):
    maria.clock.at = datetime(2026, 3, 2, 5, 59, tzinfo=UTC)
    asked = await maria.tell("op", "fixed run")
    maria.clock.at = datetime(2026, 3, 2, 6, 1, tzinfo=UTC)
    again = await maria.tell("op", f"confirm {code_in(asked)}")
    assert "changed meanwhile" in again
    assert "limit of 2 Mar" in again


async def test_run_by_hand_makes_payouts_that_audit_finds_sound(maria):
    await maria.add_client("juan", balance="30")
    await maria.tell("juan", "mode fixed 2000")
    asked = await maria.tell("op", "fixed run")
    assert "Buy now for 2 clients" in asked
    assert "Q130.00" in asked
    await maria.tell("op", f"confirm {code_in(asked)}")
    assert "The last of your cash has bought" in (await maria.letters_to("juan"))[-1]
    rows = await maria.sql("SELECT client_id, amount_sat, state FROM payout ORDER BY client_id")
    assert [tuple(row) for row in rows] == [(1, 12_500, "PLANNED"), (2, 3_750, "PLANNED")]
    assert await maria.audit() == ()


async def stop_by_pause(talk):
    await talk.tell("op", "pause all")


async def stop_by_switch(talk):
    with_terms(talk, enabled=False)


async def stop_by_price(talk):
    talk.wallet.coin = None


async def stop_by_silence(talk):
    talk.wallet.down = True


async def stop_by_ticker(talk):
    ticker = Ticker(Decimal(1), talk.clock.now())
    await talk.database.transact(lambda tx: tickers.note(tx, ticker, now=ticker.at))


async def stop_before_reconciling(talk):
    talk.reconciled = False


async def stop_by_emptiness(talk):
    await talk.tell("maria", "mode flow")


async def stop_by_dust(talk):
    talk.wallet.coin = Decimal(10**15)


async def stop_by_old_copy(talk):
    await talk.sql(
        "INSERT INTO foreign_payment VALUES ('h', 'x', 'fixed:2026-03-01T05:00', 'maria', -1, 0,"
        " 'success', 0, 1, NULL)"
    )


STOPS = {
    "PAUSED": stop_by_pause,
    "switched off": stop_by_switch,
    "LNbits tells no price": stop_by_price,
    "This cannot be done now: LNbits tells no price": stop_by_silence,
    "too far apart": stop_by_ticker,
    "LNbits does not answer right now": stop_before_reconciling,
    "Nothing to buy in fixed mode today": stop_by_emptiness,
    "Nothing to buy in fixed mode": stop_by_dust,
    "LNbits has paid fixed runs of this day": stop_by_old_copy,
}


@pytest.mark.parametrize("answer", STOPS)
async def test_run_by_hand_is_refused_before_and_after_its_code(maria, answer):
    asked = await maria.tell("op", "fixed run")
    await STOPS[answer](maria)
    assert answer in await maria.tell("op", f"confirm {code_in(asked)}")
    assert answer in await maria.tell("op", "fixed run")
    assert await maria.count("share") == 0
    assert await maria.count("fixed_run") == 0

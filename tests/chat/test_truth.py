"""What people are told of buying is true, however the programme and a client are set up."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from talk import INVOICE_KEY

from dca_bot.core.rate import Ticker
from dca_bot.ledger.programme import tickers
from dca_bot.messages import obstacles
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.surroundings import Surroundings

ADDRESS = "maria@example.com"
WALLETLESS = "You have no wallet set yet, so nothing can be bought for you."
CAREFUL = "Careful: nothing is bought for maria ({why})."
LIMITLESS = "No amount is set yet, so nothing is bought."


async def switch(talk, *, flow=True, fixed=True):
    """Start the bot anew with modes switched on or off."""
    terms = replace(talk.programme.fixed, enabled=fixed)
    talk.programme = replace(talk.programme, flow_enabled=flow, fixed=terms)
    talk.notices = type(talk.notices)(talk.programme, talk.texts)
    talk.start()


async def summary(talk):
    work = lambda tx: daily_summary(  # noqa: E731
        tx, talk.programme, Surroundings(None, []), talk.clock.now()
    )
    return talk.texts.render(await talk.database.read(work), "en")


async def no_wallet(talk):
    await talk.sql("UPDATE client SET destination = NULL, destination_kind = NULL")


async def no_limit(talk):
    await talk.sql("UPDATE client SET mode = 'fixed'")


async def pause(talk):
    await talk.tell("maria", "pause")


async def stop(talk):
    await talk.tell("op", "client pause maria")


async def flow_off(talk):
    await switch(talk, flow=False)


async def fixed_off(talk):
    await talk.tell("maria", "mode fixed 50")
    await switch(talk, fixed=False)


async def all_off(talk):
    await switch(talk, flow=False, fixed=False)


WAYS = {
    "no wallet yet": (no_wallet, WALLETLESS),
    "no limit is set": (no_limit, LIMITLESS),
    "paused by the client": (pause, "You are paused. Send resume to go on."),
    "paused by the operator": (stop, "The operator has paused you."),
    "buying with each sale is switched off": (flow_off, "To buy at fixed times, send: mode fixed"),
    "fixed mode is switched off": (fixed_off, "To buy with each sale at the machine, send: mode"),
    "buying with each sale is switched off ": (all_off, "switched off all buying for now"),
}


@pytest.mark.parametrize("why", WAYS)
async def test_who_buys_nothing_is_told_at_the_deposit_and_so_are_the_operators(talk, why):
    way, told_her = WAYS[why]
    why = why.strip()
    await talk.add_client("maria", balance="100")
    await way(talk)
    asked = await talk.tell("op", "deposit maria 200")
    assert asked.startswith(
        f"Record a pending deposit of Q200.00 for maria.\n{CAREFUL.format(why=why)}\n"
    )
    await talk.tell("op", f"confirm {asked.split('confirm ')[1][:4]}")
    assert CAREFUL.format(why=why) in (await talk.letters_to("op2"))[-1]
    noted = (await talk.letters_to("maria"))[-1]
    assert noted.startswith("Your deposit of Q200.00 is noted.")
    assert told_her in noted
    asked = await talk.tell("op", "deposit confirm 2")
    assert CAREFUL.format(why=why) in asked
    await talk.tell("op", f"confirm {asked.split('confirm ')[1][:4]}")
    assert CAREFUL.format(why=why) in (await talk.letters_to("op2"))[-1]
    counts = (await talk.letters_to("maria"))[-1]
    assert "is in the machine. Your balance is Q300.00." in counts
    assert told_her in counts
    assert told_her in await talk.tell("maria", "balance")


@pytest.mark.parametrize("why", WAYS)
async def test_operators_see_who_buys_nothing_where_they_look(talk, why):
    way, _ = WAYS[why]
    why = why.strip()
    await talk.add_client("maria", balance="100")
    await talk.add_client("juan", wallet="")
    await way(talk)
    assert f"maria: Q100.00, owed 0 sats, buys nothing: {why}" in await talk.tell("op", "clients")
    assert f"\nBuys nothing: {why}" in await talk.tell("op", "client maria")
    assert f"With a balance, but nothing is bought ({why}): maria" in await summary(talk)


async def test_who_buys_is_warned_of_nothing(talk):
    await talk.add_client("maria", balance="100")
    for written in ("deposit maria 200", "clients", "client maria"):
        told = await talk.tell("op", written)
        assert "Careful" not in told
        assert "nothing" not in told.lower().replace("nothing was done", "")
    assert "nothing is bought" not in await summary(talk)
    assert (await talk.letters_to("maria"))[-1] == (
        "Your deposit of Q100.00 is in the machine. Your balance is Q100.00."
    )


async def test_several_obstacles_are_named_together(talk):
    await talk.add_client("maria", balance="100", wallet="")
    await stop(talk)
    assert "buys nothing: paused by the operator, no wallet yet" in await talk.tell("op", "clients")


async def test_new_client_is_told_of_the_wallet_once(talk):
    await talk.do("op", "client add maria {maria} 100")
    welcome, noted = await talk.letters_to("maria")
    assert "wallet name@example.com" in welcome
    assert noted == "Your deposit of Q100.00 is noted. It counts as soon as it is in the machine."


@pytest.mark.parametrize(
    ("modes", "promise", "limit"),
    [
        ({}, "whenever somebody sells some at the machine", False),
        ({"fixed": False}, "whenever somebody sells some at the machine", False),
        ({"flow": False}, "bit by bit, at fixed times. First tell me", True),
        ({"flow": False, "fixed": False}, "once the operator has switched that on", False),
    ],
)
async def test_welcome_promises_what_the_programme_does(talk, modes, promise, limit):
    await switch(talk, **modes)
    await talk.add_client("maria", wallet="")
    welcome = (await talk.letters_to("maria"))[0]
    assert promise in welcome
    assert ("mode fixed 50" in welcome) is limit


@pytest.mark.parametrize("why", WAYS)
async def test_resume_promises_nothing_that_is_kept_from_her(talk, why):
    way, told_her = WAYS[why]
    await talk.add_client("maria", balance="100")
    await way(talk)
    await talk.tell("op", "client pause maria")
    told = await talk.tell("op", "client resume maria")
    letter = (await talk.letters_to("maria"))[-1]
    if way in (pause, stop):
        assert told == "maria is active again."
        assert letter.endswith("you buy again from now on.")
        return
    assert CAREFUL.format(why=why.strip()) in told
    assert letter.startswith(
        "The operator has ended your pause, but nothing is bought for you yet:\n"
    )
    assert told_her in letter
    await talk.tell("maria", "pause")
    told = await talk.tell("maria", "resume")
    assert "take part" not in told
    assert told_her in told


async def test_mode_names_only_what_can_be_chosen(talk):
    await talk.add_client("maria", balance="100")
    assert "mode flow" in await talk.tell("maria", "mode")
    await switch(talk, flow=False)
    told = await talk.tell("maria", "mode")
    assert "\nSwitched off by the operator\n" in told
    assert "mode flow" not in told
    await switch(talk, flow=False, fixed=False)
    assert (await talk.tell("maria", "mode")).endswith("Switched off by the operator")
    assert "ask the operator" in await talk.tell("maria", "mode fixed 50")


async def test_limit_where_flow_mode_is_off_promises_no_sale(talk):
    await talk.add_client("maria", balance="100")
    await switch(talk, flow=False)
    assert "sale" not in await talk.tell("maria", "limit 50")
    assert (await talk.tell("maria", "limit 0")).endswith("send: pause")


async def test_empty_balance_promises_nothing_while_something_else_is_missing(talk):
    await talk.add_client("maria", wallet="")
    await switch(talk, flow=False)
    told = await talk.tell("maria", "balance")
    assert "it comes" not in told


async def test_paused_programme_is_told_to_who_asks(talk):
    await talk.add_client("maria", balance="100")
    await talk.tell("op", "pause all")
    told = await talk.tell("maria", "balance")
    assert "The operator has paused buying and payouts for now. Your balance stays." in told
    assert "it comes with the next sales" not in told
    await talk.tell("op", "resume all")
    assert "it comes with the next sales" in await talk.tell("maria", "balance")


# What was bought, and hasn't arrived


async def use_up(talk, **named):
    await talk.distribute("aaaa1111", **named)
    maria = await talk.client("maria")
    now = talk.clock.now()
    await talk.database.transact(lambda tx: talk.notices.clients.note_low(tx, [maria.id], now))
    return (await talk.letters_to("maria"))[-1]


async def test_used_up_deposit_says_what_has_not_arrived_yet(talk):
    await talk.add_client("maria", balance="200")
    assert await use_up(talk) == (
        "The last of your cash has bought bitcoin; 24,000 sats have yet to arrive in your wallet."
        " To keep buying, please bring the next deposit."
    )


async def test_who_has_handed_the_next_deposit_in_is_not_asked_for_it(talk):
    await talk.add_client("maria", balance="200")
    await talk.do("op", "deposit maria 700")
    assert (await use_up(talk)).endswith(
        " Your next deposit, Q700.00, is noted; it counts as soon as it is in the machine."
    )


async def test_sats_that_wait_are_not_said_to_be_on_their_way(talk):
    await talk.add_client("maria", balance="400")
    await talk.distribute("aaaa1111")
    assert "On the way to you: 24,000 sats" in await talk.tell("maria", "balance")
    await talk.hold_payout("ceiling_payout")
    told = await talk.tell("maria", "balance")
    assert "Waiting for the operator: 24,000 sats" in told
    assert "On the way" not in told
    await talk.distribute("bbbb2222", sat=12_000)
    assert "On the way to you: 12,000 sats\nWaiting for the operator: 24,000 sats" in (
        await talk.tell("maria", "balance")
    )


async def test_commission_without_a_wallet_is_not_said_to_be_on_its_way(talk):
    await talk.add_client("maria", wallet="")
    await talk.do("op", "commission set maria 10")
    await talk.distribute("aaaa1111")
    told = await talk.tell("maria", "balance")
    assert "Waiting until you have a wallet: 100 sats" in told
    assert "On the way" not in told
    assert "100 sats of commission, waits for a wallet" in await talk.tell("maria", "history")
    await talk.do("op", f"client wallet maria {INVOICE_KEY}")
    assert "On the way to you: 100 sats" in await talk.tell("maria", "balance")


async def price(talk, coin=800_000):
    now = talk.clock.now()
    await talk.database.transact(lambda tx: tickers.note(tx, Ticker(Decimal(coin), now), now=now))


async def test_wallet_that_takes_no_payment_so_small_is_told_of_in_time(talk):
    """Q100 buy 12,500 sats, and the address takes 20,000 at least."""
    await price(talk)
    talk.addresses.min_sat = 20_000
    await talk.add_client("maria", wallet=ADDRESS)
    asked = await talk.tell("op", "deposit maria 100")
    small = "the wallet of maria takes no payment below 20,000 sats"
    assert small in asked
    told = await talk.tell("op", f"confirm {asked.split('confirm ')[1][:4]}")
    assert "Your wallet takes no payment below 20,000 sats" in (await talk.letters_to("maria"))[-1]
    assert small in (await talk.letters_to("op2"))[-1]
    assert small not in told, "the one who gave the command saw it before"
    await talk.do("op", "deposit confirm 1")
    assert await use_up(talk, fiat_minor=10_000, sat=12_000) == (
        "The last of your cash has bought bitcoin; 12,000 sats have yet to arrive in your wallet."
        " To keep buying, please bring the next deposit.\n"
        "Your wallet takes no payment below 20,000 sats, and your cash buys less than that. What is bought"
        " is kept for you until it is enough. To use another wallet, send: wallet DESTINATION"
    )
    told = await talk.tell("maria", "balance")
    assert "Kept until it is enough for your wallet (20,000 sats or more): 12,000 sats" in told
    assert "On the way" not in told
    assert "kept until then: 12,000 sats" in await talk.tell("op", "client maria")
    await talk.do("op", "deposit maria 100")
    assert "below" not in await talk.tell("maria", "balance"), "now it is enough"


# The sale that passed her by


async def test_cash_out_says_whom_it_passes_by_before_and_after(talk):
    await talk.add_client("maria", balance="100", wallet="")
    await talk.add_client("juan", balance="100")
    hold = await talk.hold_cash_out("held-one")
    asked = await talk.tell("op", f"hold accept {hold}")
    assert "juan: Q100.00" in asked
    assert "Left out, without a wallet: maria" in asked
    await talk.tell("op", f"confirm {asked.split('confirm ')[1][:4]}")
    assert "Left out, without a wallet: maria" in await talk.tell("op", "tx held-one")
    (letter,) = [
        one for one in await talk.letters_to("maria") if "There was a sale at the machine" in one
    ]
    assert WALLETLESS in letter
    assert "One cash-out left out clients without a wallet: maria" in await summary(talk)
    await talk.do("op", f"client wallet maria {INVOICE_KEY}")
    assert "Left out, without a wallet: maria" in await talk.tell("op", "tx held-one")
    talk.clock.at += timedelta(days=8)
    assert "Left out" not in await summary(talk)


async def test_cash_out_that_nobody_takes_part_in_says_who_would(talk):
    await talk.add_client("maria", balance="100", wallet="")
    told = await talk.tell("op", "tx add Market 100 12000")
    assert "Nobody takes part: all of it is yours.\nLeft out, without a wallet: maria" in told


async def test_ledger_and_rules_name_the_same_people(talk):
    """Who has no obstacle takes part, and nobody else does."""
    await talk.add_client("maria", balance="100")
    for state in ("active", "paused", "stopped"):
        for mode in ("flow", "fixed"):
            for key in (None, INVOICE_KEY):
                for limit_minor in (0, 5_000):
                    await talk.sql(
                        "UPDATE client SET state = ?, mode = ?, destination = ?,"
                        " destination_kind = iif(? IS NULL, NULL, 'invoice_key'),"
                        " fixed_limit_minor = ?",
                        *(state, mode, key, key, limit_minor),
                    )
                    takes_part = await talk.count("participant") == 1
                    maria = await talk.client("maria")
                    assert takes_part is (obstacles.of(maria, talk.programme) == ())


# More that was not true


async def test_payout_let_go_while_everything_is_paused_is_not_promised_at_once(talk):
    await talk.add_client("maria", balance="400")
    await talk.distribute("aaaa1111")
    payout_id = await talk.hold_payout("ceiling_payout")
    await talk.tell("op", "pause all")
    told = await talk.do("op", f"hold accept {payout_id[:8]}")
    assert told.endswith(" Not before resume all: everything is paused.")


async def test_deposit_lasts_no_number_of_days_while_everything_is_paused(talk):
    await talk.add_client("maria", balance="400")
    talk.clock.at += timedelta(days=3)
    await talk.distribute("aaaa1111")
    assert ", lasts " in await talk.tell("maria", "balance")
    await talk.tell("op", "pause all")
    assert ", lasts " not in await talk.tell("maria", "balance")


async def test_plan_of_fixed_mode_names_who_takes_no_part(talk):
    await talk.add_client("maria", balance="400", wallet="")
    await talk.add_client("juan", balance="400")
    await talk.tell("maria", "mode fixed 50")
    told = await talk.tell("op", "fixed")
    assert "nothing to buy then" in told
    assert "With a balance, but nothing is bought (no wallet yet): maria" in told
    assert "juan" not in told


async def test_low_balance_asks_nobody_for_what_is_handed_in_already(talk):
    await talk.add_client("maria", balance="300")
    await talk.do("op", "deposit maria 700")
    told = await use_up(talk)
    assert told.startswith("Your balance is down to Q100.00.")
    assert "bring" not in told
    assert "Q700.00, is noted" in told


async def test_payout_beyond_a_ceiling_is_named_apart_where_operators_look(talk):
    talk.programme = replace(talk.programme, payout_max_sat=20_000)
    talk.start()
    await talk.add_client("maria", balance="400")
    await talk.distribute("aaaa1111")
    apart = "Above a ceiling, to be held when its turn comes: 24,000 sats in one payout"
    for where in ("funds", "status all"):
        told = await talk.tell_whole("op", where)
        assert "To be paid: 0 sats in 0 payouts" in told
        assert apart in told
    assert apart in await summary(talk)


async def test_messages_about_what_is_missed_come_to_who_wants_none_of_payouts(talk):
    await talk.add_client("maria", balance="100", wallet="")
    await talk.tell("maria", "notify off")
    await talk.do("op", "tx add Market 50 6000")
    assert "There was a sale at the machine" in (await talk.letters_to("maria"))[-1]


async def test_client_is_told_in_her_language(talk):
    await talk.add_client("maria", balance="100", wallet="")
    await talk.tell("maria", "language es")
    await talk.do("op", "tx add Market 50 6000")
    letter = (await talk.letters_to("maria"))[-1]
    assert letter.startswith(
        "Hubo una venta en la máquina y no se le compró nada. Su saldo de Q100.00 se conserva.\n"
        "Aún no tiene billetera, así que no se le puede comprar nada. Envíe: billetera"
    )
    assert (await talk.tell("maria", "mode fixed")) == (
        "¿Cuánto al día? Envíe: modo fijo CANTIDAD (como máximo Q2,000.00)\n"
        "Hasta entonces todo queda como está."
    )


async def test_client_who_was_just_given_a_wallet_is_told_of_nothing_missing(talk):
    await talk.add_client("maria", balance="100", wallet="")
    await talk.do("op", f"client wallet maria {INVOICE_KEY}")
    assert "wallet DESTINATION" not in await talk.tell("maria", "balance")
    await talk.do("op", "tx add Market 50 6000")
    assert not [
        text for text in await talk.letters_to("maria") if "There was a sale at the machine" in text
    ]

"""`balance`, `when`, `price` and `history MONTH`: what was saved first, then what comes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from dca_bot.core.rate import Ticker
from dca_bot.ledger.payouts import transitions
from dca_bot.ledger.programme import tickers


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    return talk


async def note_price(talk, price, *, age=timedelta(0)):
    now = talk.clock.now()
    ticker = Ticker(Decimal(price), now - age)
    await talk.database.transact(lambda tx: tickers.note(tx, ticker, now=now))


async def bring(talk):
    """Bring a purchase of 24,000 sats for 200.00 into maria's wallet."""
    await talk.distribute("cash-out-1")
    await talk.bring_to((await talk.payout()).id, "invoice", "submit", "debit")
    payout = await talk.payout()
    await talk.database.transact(lambda tx: transitions.finish(tx, payout, now=talk.clock.now()))


async def test_balance_begins_with_what_has_arrived_and_its_worth(maria):
    await bring(maria)
    await note_price(maria, "900000")
    first, *rest = (await maria.tell("maria", "balance")).splitlines()
    assert first == "Saved: 24,000 sats, worth Q216.00 today"
    assert rest[0].startswith("Bought so far: 24,000 sats for Q200.00")
    assert rest[1].startswith("Cash still to convert: Q800.00")


async def test_balance_counts_as_saved_only_what_has_arrived(maria):
    await maria.distribute("cash-out-1")
    told = (await maria.tell("maria", "balance")).splitlines()
    assert told[0] == "Saved: 0 sats"
    assert "On the way to you: 24,000 sats" in told


async def test_worth_at_an_old_price_is_not_told(maria):
    await bring(maria)
    await note_price(maria, "900000", age=timedelta(days=2))
    assert (await maria.tell("maria", "balance")).startswith("Saved: 24,000 sats\n")


async def test_balance_shows_a_request_for_cash(maria):
    await maria.do("maria", "withdraw 300")
    assert "You have asked for Q300.00 of it in cash." in await maria.tell("maria", "balance")


async def test_when_in_flow_mode(maria):
    assert await maria.tell("maria", "when") == (
        "Your Q1,000.00 buy bitcoin with each sale at the machine, from the next one on.\n"
        "Nothing is on its way right now."
    )
    await maria.distribute("cash-out-1")
    assert (await maria.tell("maria", "cuándo me llega?")).endswith(
        "On the way to you: 24,000 sats"
    )


async def test_when_in_fixed_mode_names_time_and_amount(maria):
    await maria.tell("maria", "mode fixed 50")
    told = await maria.tell("maria", "when")
    assert told.startswith("Next purchase: ")
    assert ", for Q25.00" in told


async def test_when_tells_what_is_waited_for(talk):
    await talk.add_client("maria", wallet="")
    assert "no wallet" in await talk.tell("maria", "when")
    await talk.add_client("juan")
    assert "There is no cash left to convert." in await talk.tell("juan", "when")
    await talk.do("op", "deposit juan 100")
    assert "not in the machine yet" in await talk.tell("juan", "when")
    await talk.tell("op", "pause all")
    assert "paused" in await talk.tell("juan", "when")


async def test_price_is_lnbits_own_and_lamassus_with_its_time_without_it(maria):
    told = await maria.tell("maria", "price")
    assert told.startswith("1 BTC = ")
    assert "Q100.00 buy about " in told
    await note_price(maria, "900000")
    maria.wallet.down = True
    told = await maria.tell("maria", "a cómo está el bitcoin?")
    assert told.startswith("1 BTC = Q900,000, as of ")
    assert "Q100.00 buy about 11,111 sats." in told
    assert (await maria.tell("op", "price")).startswith("1 BTC = Q900,000, as of ")


async def test_price_is_not_made_from_nothing(maria):
    maria.wallet.down = True
    assert "I know no price right now" in await maria.tell("maria", "price")


async def test_month_has_its_sum_and_days_and_a_year_its_months(maria):
    for number in range(3):
        await maria.distribute(f"cash-out-{number}")
        maria.clock.at += timedelta(days=1)
    assert "nothing was bought" in await maria.tell("maria", "history 2026-02")
    month = (await maria.tell("maria", "history 2026-03")).splitlines()
    assert "72,000 sats for Q600.00" in month[0]
    assert sum("24,000 sats for Q200.00" in line for line in month[1:]) in (1, 3)
    year = (await maria.tell("maria", "history 2026")).splitlines()
    assert len(year) == 2
    assert year[1] == "2026-03  72,000 sats for Q600.00 (3 purchases)"
    assert (await maria.tell("maria", "history")).count("24,000 sats") == 3

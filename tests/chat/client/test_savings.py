"""`balance`, `when`, `price` and `history MONTH`: what was saved first, then what comes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from dca_bot.core.fixed_schedule import next_run
from dca_bot.core.rate import RateProblem, Ticker
from dca_bot.ledger.distributions import fixed_runs
from dca_bot.ledger.payouts import queue, transitions
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
    maria.wallet.coin = Decimal(900000)
    first, *rest = (await maria.tell("maria", "balance")).splitlines()
    assert first == "Saved: 24,000 sats, worth Q216.00 today"
    assert rest[0].startswith("Bought so far: 24,000 sats for Q200.00")
    assert rest[1].startswith("Cash still to convert: Q800.00")


async def test_balance_counts_as_saved_only_what_has_arrived(maria):
    await maria.distribute("cash-out-1")
    told = (await maria.tell("maria", "balance")).splitlines()
    assert told[0] == "Saved: 0 sats"
    assert "On the way to you: 24,000 sats" in told


async def test_sats_that_only_left_the_source_wallet_are_not_saved_yet(maria):
    await maria.distribute("cash-out-1")
    await maria.bring_to((await maria.payout()).id, "invoice", "submit", "debit")
    told = (await maria.tell("maria", "balance")).splitlines()
    assert told[0] == "Saved: 0 sats"
    assert "On the way to you: 24,000 sats" in told
    await maria.bring_to((await maria.payout()).id, "ALERT")
    told = (await maria.tell("maria", "balance")).splitlines()
    assert told[0] == "Saved: 0 sats"
    assert "Sent, and being checked by the operator: 24,000 sats" in told


@pytest.mark.parametrize(
    ("waiting", "says"),
    [
        ("not_enough_funds", "On the way once the operator has topped up the bot's wallet: "),
        ("unreachable", "Your wallet takes no payment right now; the bot keeps trying: "),
        ("no_clear_answer", "On the way to you: "),
    ],
)
async def test_balance_and_when_tell_why_sats_wait(maria, waiting, says):
    await maria.distribute("cash-out-1")
    await maria.sql("UPDATE payout SET waiting = ?", waiting)
    for text in ("balance", "when"):
        assert f"{says}24,000 sats" in (await maria.tell("maria", text)).splitlines()


async def test_worth_at_an_old_price_is_not_told(maria):
    await bring(maria)
    await note_price(maria, "900000", age=timedelta(days=2))
    maria.wallet.down = True
    told = await maria.tell("maria", "balance")
    assert told.startswith("Saved: 24,000 sats\nNo price is known right now, so I can't say what ")
    assert "I know no price right now" in await maria.tell("maria", "price")
    assert "no market price" in await maria.tell("maria", "stats")


async def test_balance_price_and_stats_tell_one_price(maria):
    await bring(maria)
    await note_price(maria, "900000")
    maria.wallet.coin = Decimal(880000)
    assert ", worth Q211.20 today\n" in await maria.tell("maria", "balance")
    assert (await maria.tell("maria", "price")).startswith("1 BTC = Q880,000\n")
    assert "1 BTC = Q880,000, so yours is worth Q211.20" in await maria.tell("maria", "stats")


@pytest.mark.parametrize("outage", ["no answer", "no price", "hangs"])
async def test_without_lnbits_price_all_tell_lamassus_with_its_time(maria, outage):
    await bring(maria)
    await note_price(maria, "900000", age=timedelta(hours=3))
    maria.wallet.down = outage == "no answer"
    maria.wallet.coin = None
    if outage == "hangs":
        maria.be_impatient()
        maria.wallet.hanging = {"price"}
    assert ", worth Q216.00 at the price of 1 Mar 03:00\n" in await maria.tell("maria", "balance")
    assert (await maria.tell("maria", "price")).startswith("1 BTC = Q900,000, as of 1 Mar 03:00\n")
    assert "Market at 1 Mar 03:00: 1 BTC = Q900,000, so yours was worth Q216.00" in (
        await maria.tell("maria", "stats")
    )


async def test_no_price_is_no_matter_where_nothing_has_arrived(maria):
    maria.wallet.down = True
    assert "price" not in await maria.tell("maria", "balance")
    await maria.distribute("cash-out-1")
    assert "price" not in await maria.tell("maria", "balance")


async def test_balance_shows_a_request_for_cash(maria):
    await maria.do("maria", "withdraw 300")
    assert "You have asked for Q300.00 of it in cash." in await maria.tell("maria", "balance")


async def test_when_in_flow_mode(maria):
    assert await maria.tell("maria", "when") == (
        "Your Q1,000.00 buy bitcoin with each sale at the machine, from the next one on.\n"
        "There was no sale in the last 14 days.\n"
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


async def test_when_in_fixed_mode_passes_over_a_day_that_is_used_up(maria):
    await maria.tell("maria", "mode fixed 50")
    assert (await maria.tell("maria", "when")).startswith(
        "Next purchase: 1 Mar 09:00, for Q25.00\n"
    )
    await maria.do("op", "fixed run")
    assert (await maria.tell("maria", "when")).startswith(
        "Next purchase: 2 Mar 09:00, for Q25.00\n"
    )


async def test_when_in_fixed_mode_names_a_purchase_that_waits(maria):
    await maria.tell("maria", "mode fixed 50")
    zone, now = maria.programme.timezone, maria.clock.now()
    run = next_run(now, maria.programme.fixed.times, zone)
    maria.clock.at = run.at + timedelta(minutes=5)
    await maria.database.transact(
        lambda tx: fixed_runs.put_off(
            tx, run, fixed_runs.WAITING, RateProblem.NO_PRICE, now=maria.clock.now()
        )
    )
    assert (await maria.tell("maria", "when")).startswith(
        "The purchase of 1 Mar 09:00 waits: LNbits tells no price\n"
        "Next purchase: 1 Mar 18:00, for Q25.00\n"
    )


async def test_when_in_flow_mode_tells_of_the_recent_sales(maria):
    for number in range(3):
        await maria.distribute(f"cash-out-{number}")
        maria.clock.at += timedelta(hours=1)
    assert "In the last 14 days there were 3 sales, the last on 1 Mar 08:00." in (
        await maria.tell("maria", "when")
    )


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
    assert (await maria.tell("maria", "historial marzo")).splitlines() == month
    assert "72,000 sats for Q600.00" in month[0]
    assert sum("24,000 sats for Q200.00" in line for line in month[1:]) in (1, 3)
    year = (await maria.tell("maria", "history 2026")).splitlines()
    assert year[1:3] == ["Deposited: Q1,000.00", "Cash to convert: Q0.00 before, Q400.00 after"]
    assert len(year) == 4
    assert year[3] == "2026-03  72,000 sats for Q600.00 (3 purchases)"
    assert (await maria.tell("maria", "history")).count("24,000 sats") == 3


async def test_month_leaves_out_what_was_cancelled_and_names_commission_apart(maria):
    await maria.do("op", "commission set maria 10")
    await maria.distribute("cash-out-1")
    await maria.do("op", f"payout cancel {(await bought(maria)).id[:8]}")
    told = (await maria.tell("maria", "history 2026-03")).splitlines()
    assert told[0].endswith("nothing was bought.")
    assert told[1:] == [
        "Commission besides: 100 sats",
        "Deposited: Q1,000.00",
        "Cash to convert: Q0.00 before, Q1,000.00 after",
    ]


async def bought(talk):
    return await talk.database.read(
        lambda tx: next(one for one in queue.open_payouts(tx) if not one.is_commission)
    )


async def arrive(talk, *, crashes=False):
    """Have the open payout arrive, with the notice; or fail in the same transaction, after the notice."""

    def work(tx):
        (payout,) = queue.open_payouts(tx)
        transitions.finish(tx, payout, now=talk.clock.now())
        talk.notices.clients.payout_arrived(tx, payout, talk.clock.now())
        if crashes:
            raise RuntimeError("a crash before the commit")

    await talk.database.transact(work)


async def test_nothing_is_all_converted_before_it_has_arrived(maria):
    """The last purchase, a crash while it arrives, and the arrival."""
    await maria.tell("maria", "notify each")
    await maria.distribute("cash-out-1", fiat_minor=100_000)
    me = await maria.client("maria")
    now = maria.clock.now()
    await maria.database.transact(lambda tx: maria.notices.clients.note_low(tx, [me.id], now))
    assert (await maria.letters_to("maria"))[-1] == (
        "The last of your cash has bought bitcoin; 24,000 sats have yet to arrive in your wallet."
        " To keep buying, please bring the next deposit."
    )
    await maria.bring_to((await maria.payout()).id, "invoice", "submit", "debit")
    before = await maria.letters_to("maria")
    with pytest.raises(RuntimeError):
        await arrive(maria, crashes=True)
    assert await maria.letters_to("maria") == before
    assert (await maria.tell("maria", "balance")).startswith("Saved: 0 sats\n")
    await arrive(maria)
    told = (await maria.letters_to("maria"))[-1].splitlines()
    assert told[0].startswith("24,000 sats have arrived in your wallet")
    assert told[1] == "With that, all your cash is bitcoin in your wallet."
    assert (await maria.tell("maria", "balance")).startswith("Saved: 24,000 sats, worth ")


async def test_arrival_beside_another_purchase_is_not_all(maria):
    await maria.tell("maria", "notify each")
    await maria.distribute("cash-out-1", fiat_minor=50_000)
    await maria.bring_to((await maria.payout()).id, "invoice", "submit", "debit")
    await arrive(maria)
    assert "all your cash" not in (await maria.letters_to("maria"))[-1]

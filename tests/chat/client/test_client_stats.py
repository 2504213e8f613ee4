from datetime import timedelta
from decimal import Decimal

import pytest

from dca_bot.core.chart import WIDTH_MAX
from dca_bot.ledger.payouts import booking


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="10000")
    return talk


async def bought(talk, *purchases):
    """Let maria buy: (days later, fiat, sats) each."""
    for number, (days, fiat_minor, sat) in enumerate(purchases):
        talk.clock.at += timedelta(days=days)
        await talk.distribute(f"c{number:07}", fiat_minor=fiat_minor, sat=sat)


async def test_stats_tell_cost_worth_rates_pace_and_milestone(maria):
    await bought(maria, (1, 16_000, 20_000), (20, 8_200, 10_000), (14, 76_500, 90_000))
    assert await maria.tell("maria", "stats all") == (
        "What you bought so far:\n"
        "120,000 sats for Q1,007.00\n"
        "Average cost: 1 BTC = Q839,166\n"
        "Market now: 1 BTC = Q800,000, so yours is worth Q960.00\n"
        "Loss: Q47.00 (4.7 %)\n"
        "Best: 1 BTC = Q800,000, 2 Mar 06:00\n"
        "Worst: 1 BTC = Q850,000, 5 Apr 06:00\n"
        "3 payments, about 0.6 a week\n"
        "Next milestone: 250,000 sats, 130,000 sats to go (48 % done)"
    )


async def test_stats_of_a_range_leave_out_what_was_before(maria):
    await bought(maria, (1, 16_000, 20_000), (20, 8_000, 10_000))
    told = await maria.tell("maria", "stats 7D")
    assert "What you bought in the last 7 days:\n10,000 sats for Q80.00" in told
    assert "Gain: Q0.00 (0.0 %)" in told
    assert "Best" not in told, "one rate is neither best nor worst"
    assert "One payment, about 1.0 a week" in told
    assert "Next milestone: 100,000 sats, 70,000 sats to go (30 % done)" in told
    told = await maria.tell("maria", "stats")
    assert "in the last 30 days:\n30,000 sats for Q240.00" in told
    assert told.endswith("All of it: stats all")
    maria.clock.at += timedelta(days=400)
    assert await maria.tell("maria", "stats 1y") == (
        "You bought nothing in the last year.\n"
        "Next milestone: 100,000 sats, 70,000 sats to go (30 % done)"
    )
    assert "30,000 sats for Q240.00" in await maria.tell("maria", "stats ALL")


async def test_stats_show_a_gain_at_a_better_price(maria):
    await bought(maria, (1, 16_000, 20_000))
    maria.wallet.coin = Decimal("880000.5")
    told = await maria.tell("maria", "stats")
    assert "Market now: 1 BTC = Q880,000, so yours is worth Q176.00" in told
    assert "Gain: Q16.00 (10.0 %)" in told


@pytest.mark.parametrize("outage", ["no answer", "no price"])
async def test_stats_are_answered_without_a_market_price(maria, outage):
    await bought(maria, (1, 16_000, 20_000))
    maria.wallet.down = outage == "no answer"
    maria.wallet.coin = None
    told = await maria.tell("maria", "stats")
    assert "Average cost: 1 BTC = Q800,000" in told
    assert "LNbits tells no market price just now." in told
    assert "Gain" not in told


async def test_stats_leave_out_what_was_cancelled(maria):
    await bought(maria, (1, 16_000, 20_000))
    payout, now = await maria.payout(), maria.clock.now()
    await maria.database.transact(lambda tx: booking.cancel(tx, payout, now=now))
    assert "No bitcoin bought yet" in await maria.tell("maria", "stats all")
    assert "No bitcoin bought yet" in await maria.tell("maria", "chart all")
    assert "nothing in the last 30 days" in await maria.tell("maria", "chart")


async def test_stats_show_commission_apart(maria):
    await maria.do("op", "commission set maria 90")
    await bought(maria, (1, 16_000, 20_000))
    told = await maria.tell("maria", "stats 30d")
    assert "20,000 sats for Q160.00" in told
    assert "Average cost: 1 BTC = Q800,000" in told
    assert "One payment, about 1.0 a week" in told
    assert "Commission besides: 900 sats" in told
    assert "80,000 sats to go (20 % done)" in told


async def test_range_that_is_none_is_explained(maria):
    for command in ("stats", "chart"):
        told = await maria.tell("maria", f"{command} 2w")
        assert "7d, 30d, 90d, 1y or all" in told
    assert "a command for clients" in await maria.tell("op", "stats")


async def test_chart_shows_how_the_sats_grew(maria):
    await bought(maria, (1, 16_000, 20_000), (20, 8_000, 10_000), (2, 8_000, 10_000))
    maria.clock.at += timedelta(hours=1)
    assert await maria.tell("maria", "chart 7d") == (
        "20,000 sats bought in the last 7 days:\n"
        "03-18  0\n"
        "03-19  0\n"
        "03-20  0\n"
        "03-21  0\n"
        "03-22 ████████ 10k\n"
        "03-23 ████████ 10k\n"
        "03-24 ████████████████ 20k"
    )


async def test_chart_of_everything_begins_with_the_first_purchase(maria):
    await bought(maria, (1, 16_000, 20_000), *[(30, 8_000, 10_000)] * 12)
    lines = (await maria.tell("maria", "chart all")).split("\n")
    assert lines[0] == "140,000 sats bought so far:"
    assert lines[1] == "2026-04 ███▍ 30k"
    assert lines[-1] == "2027-02 ████████████████ 140k"
    assert len(lines) == 13
    assert max(map(len, lines)) <= WIDTH_MAX


async def test_chart_of_a_first_day_is_a_week(maria):
    await bought(maria, (1, 16_000, 20_000))
    lines = (await maria.tell("maria", "chart all")).split("\n")
    assert lines[-1].endswith("████████████████ 20k")
    assert lines[1].startswith("02-")

"""A payout to an address or LNURL-pay code on a scripted LNbits that calls payments failed, hour by hour."""

from datetime import UTC, datetime, timedelta

from payout_bench import HandClock

from dca_bot.core.ports import VerifyAnswer
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.programme.clients import ADDRESS, LNURL, Destination

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACES = (Destination(ADDRESS, "ana@example.com"), Destination(LNURL, "lnurlp://example.com/ana"))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
URL = "https://example.com/verify/1"
UNPAID = VerifyAnswer(is_settled=False)


async def at(bench, moment):
    """Let the payee's server be asked and the worker work at a moment, as seen from the start."""
    bench.clock.ahead = moment
    await bench.verifier.look_once()
    await bench.worker.work_once()


async def hours(bench, first, last):
    for hour in range(first, last):
        await at(bench, hour * HOUR)


async def quiet(bell):
    """Let the job that a bell wakes have looked."""
    bell.ring()
    await bell.wait(HandClock(NOW), 0)


async def open_holds(bench):
    return await bench.database.read(holds.still_open)

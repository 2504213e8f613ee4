"""Faults in what fixed mode buys."""

from datetime import timedelta
from typing import Any

from dca_bot.core import calendar, fixed_schedule
from dca_bot.core.market import bought_sat
from dca_bot.core.rate import Quote
from simulation.faults.fault import Fault


def _without_day(run: Any, client: Any, ceiling_minor: int) -> int:  # noqa: ARG001
    whole = fixed_schedule.nth_part(client.limit_minor, run.number, run.count)
    # The schema refuses a run that exceeds the day's limit by itself.
    return int(min(whole * 2, client.balance_minor))


def _whole_at_each_run(limit_minor: int, number: int, count: int) -> int:  # noqa: ARG001
    return limit_minor


def _rounded_up(minor: int, coin: Any, **margin: int) -> int:
    return bought_sat(minor, coin, **margin) + 1


def _without_margin(minor: int, coin: Any, **_margin: int) -> int:
    return bought_sat(minor, coin)


def _at_any_price(price: Any, _ticker: Any, *, rules: Any, **_about: Any) -> Any:
    return Quote(price, rules.rate_source)


def _of_yesterday(now: Any, zone: Any) -> Any:
    return calendar.local_date(now - timedelta(hours=10), zone)


async def _of_another_currency(self: Any) -> Any:
    return await self.wallet.price("USD")


FAULTS = (
    Fault(
        "the day's limit of fixed mode is forgotten", {"core.fixed_schedule._amount": _without_day}
    ),
    Fault(
        "each run buys the whole day's amount",
        {"core.fixed_schedule.nth_part": _whole_at_each_run},
    ),
    Fault(
        "fixed mode gives a sat too much",
        {"ledger.distributions.fixed_mode.bought_sat": _rounded_up},
    ),
    Fault(
        "the margin is forgotten",
        {"ledger.distributions.fixed_mode.bought_sat": _without_margin},
    ),
    Fault(
        "fixed mode buys at any price",
        {"jobs.fixed_mode.choose_rate": _at_any_price},
        {"days": 3, "price_away": timedelta(hours=9)},
    ),
    Fault(
        "fixed mode buys at another currency's price",
        {"jobs.fixed_mode.FixedMode._price": _of_another_currency},
    ),
    Fault(
        "a run happens after its day",
        {"jobs.fixed_mode.local_date": _of_yesterday},
        {"price_away": timedelta(hours=9)},
    ),
)

"""Says for how long a balance lasts."""

from datetime import datetime

from dca_bot.core.clients import ClientState, Mode
from dca_bot.core.fixed_schedule import days_least
from dca_bot.core.forecast import DAY, days_left, pace
from dca_bot.core.programme import Programme
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports import forecast
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say

_YEAR_DAYS = 365


def days(count: int) -> Say:
    """Say a number of days, roughly."""
    if count > _YEAR_DAYS:
        return Say("outlook.long")
    return Say("outlook.days", n=count) if count else Say("outlook.short")


def deposit_days(tx: Tx, programme: Programme, client: Client, now: datetime) -> int | None:
    """Return the days until a client's balance is used up; None if unknown, or if nothing is bought."""
    if (
        client.state is not ClientState.ACTIVE
        or client.destination is None
        or not client.balance_minor
    ):
        return None
    if not (programme.flow_enabled if client.mode is Mode.FLOW else programme.fixed.enabled):
        return None
    if client.mode is Mode.FLOW:
        count = days_left(client.balance_minor, forecast.spending(tx, client, now))
        # A cap that is younger than the pace makes the balance last.
        capped_minor = client.flow_cap_minor
        return (
            count
            if count is None or not capped_minor
            else max(count, client.balance_minor // capped_minor)
        )
    count = days_least(client.fixed_period)
    limit_max_minor = programme.fixed.daily_limit_max_minor * count
    present = pace(min(client.fixed_limit_minor, limit_max_minor), DAY * count)
    return days_left(client.balance_minor, present)

"""When fixed mode buys, and how much for whom.

The invariant: over all runs of a local date a client gives at most the date's limit and at most the
programme's ceiling, whatever changes in between. The runs' amounts add up to the date's limit exactly, and
the limits of a period's dates to the period's limit.
"""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dca_bot.core.calendar import instant_of, local_date
from dca_bot.core.clients import LimitPeriod

PREFIX = "fixed:"


@dataclass(frozen=True, slots=True)
class Run:
    """Run `number` of `count` on a local date, due at an instant; `id` has the local date and time."""

    id: str
    day: date
    at: datetime
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class FixedClient:
    """A client in fixed mode, as of a run's local date.

    `limit_minor`: the date's limit. `given_minor`: the fiat that the date has had already.
    """

    id: int
    limit_minor: int
    balance_minor: int
    given_minor: int


def runs_of(day: date, times: Sequence[time], timezone: ZoneInfo) -> tuple[Run, ...]:
    """Return the runs of a local date in the order of the times.

    Times that the clocks show twice or skip are due as `calendar.instant_of` says. A date that the clocks
    skip as a whole has no runs.
    """
    found = [
        Run(
            id=f"{PREFIX}{day.isoformat()}T{local:%H:%M}",
            day=day,
            at=at,
            number=number,
            count=len(times),
        )
        for number, local in enumerate(times, start=1)
        if local_date(at := instant_of(day, local, timezone), timezone) == day
    ]
    return tuple(found)


def run_by_hand(now: datetime, timezone: ZoneInfo) -> Run:
    """Return the run that an operator starts: run 1 of 1 on the local date.

    The id has seconds and the offset from UTC, unlike the id of a scheduled run.
    """
    local = now.astimezone(timezone)
    run_id = f"{PREFIX}{local.isoformat(timespec='seconds')}"
    return Run(id=run_id, day=local.date(), at=now, number=1, count=1)


def run_to_settle(client_id: int, now: datetime, timezone: ZoneInfo) -> Run:
    """Return the run that an operator starts for one client over the whole balance.

    The id has the client's number behind the time: a run by hand of the same second is another run.
    """
    by_hand = run_by_hand(now, timezone)
    return replace(by_hand, id=f"{by_hand.id}{_SETTLES}{client_id}")


def is_settling(run_id: str) -> bool:
    """Tell whether the run of this id gave one client's whole balance."""
    return _SETTLES in run_id


def is_by_hand(run_id: str) -> bool:
    """Tell whether an operator started the run of this id."""
    return len(run_id) > len(f"{PREFIX}2026-11-24T09:00")


def day_of(run_id: str) -> str:
    """Return the local date (ISO 8601) that the run of this id counts for.

    >>> day_of("fixed:2026-11-24T09:00")
    '2026-11-24'
    """
    return run_id.removeprefix(PREFIX)[:10]


def due(runs: Iterable[Run], now: datetime) -> list[Run]:
    """Return the runs that are due, oldest first."""
    return sorted((run for run in runs if run.at <= now), key=lambda run: (run.at, run.number))


def next_run(now: datetime, times: Sequence[time], timezone: ZoneInfo) -> Run:
    """Return the first run after `now`."""
    today = local_date(now, timezone)
    coming = (
        run
        for ahead in range(_AHEAD_DAYS)
        for run in runs_of(today + timedelta(days=ahead), times, timezone)
        if run.at > now
    )
    return min(coming, key=lambda run: (run.at, run.number))


def missed_days(last: date, today: date) -> list[date]:
    """Return the dates from `last` up to yesterday, at most the newest of a month."""
    first = max(last, today - timedelta(days=_MISSED_DAYS_MAX))
    return [first + timedelta(days=n) for n in range((today - first).days)]


def nth_part(minor: int, number: int, count: int) -> int:
    """Return part `number` of `count` of an amount; all parts add up to the amount, and differ by 1 at most.

    >>> [nth_part(10, number, 3) for number in (1, 2, 3)]
    [3, 3, 4]
    """
    assert 1 <= number <= count
    return minor * number // count - minor * (number - 1) // count


def limit_of(day: date, limit_minor: int, period: LimitPeriod) -> int:
    """Return the part that a local date has of a client's limit for a period, in minor units.

    >>> [limit_of(date(2026, 11, day), 1000, LimitPeriod.WEEKLY) for day in (23, 24, 29)]
    [142, 143, 143]
    """
    match period:
        case LimitPeriod.DAILY:
            return limit_minor
        case LimitPeriod.WEEKLY:
            return nth_part(limit_minor, day.isoweekday(), _WEEK_DAYS)
        case LimitPeriod.MONTHLY:
            return nth_part(limit_minor, day.day, monthrange(day.year, day.month)[1])


def days_least(period: LimitPeriod) -> int:
    """Return how many dates a period has at least."""
    return {
        LimitPeriod.DAILY: 1,
        LimitPeriod.WEEKLY: _WEEK_DAYS,
        LimitPeriod.MONTHLY: _MONTH_DAYS_LEAST,
    }[period]


def amounts(run: Run, clients: Iterable[FixedClient], ceiling_minor: int) -> dict[int, int]:
    """Return the amount of each client in a run, in minor units above 0, by the client's id."""
    wanted = {client.id: _amount(run, client, ceiling_minor) for client in clients}
    return {id_: minor for id_, minor in wanted.items() if minor > 0}


_SETTLES = ":settles:"
_WEEK_DAYS = 7
_MONTH_DAYS_LEAST = 28
_AHEAD_DAYS = 4
"""Enough days for a date that the clocks skip, and the dates around that date."""
_MISSED_DAYS_MAX = 31


def _amount(run: Run, client: FixedClient, ceiling_minor: int) -> int:
    return min(
        nth_part(client.limit_minor, run.number, run.count),
        client.balance_minor,
        client.limit_minor - client.given_minor,
        ceiling_minor - client.given_minor,
    )

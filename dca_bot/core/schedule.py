"""When fixed mode buys, and how much for whom.

The invariant: over all runs of a local date a client gives at most the daily limit and at most the
ceiling of the programme, whatever changes in between; the portions of a day add up to its limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dca_bot.core.calendar import instant_of, local_date

PREFIX = "fixed:"


@dataclass(frozen=True, slots=True)
class Run:
    """Run `number` of `count` on a local date, due at an instant; its id is the local date and time."""

    id: str
    day: date
    at: datetime
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Saver:
    """A client as a run sees it; `given_minor` is what the run's local date has had already."""

    id: int
    limit_minor: int
    balance_minor: int
    given_minor: int


def runs_of(day: date, times: Sequence[time], timezone: ZoneInfo) -> tuple[Run, ...]:
    """Return the runs of a local date in the order of their times, each at its one instant.

    A time that the clocks show twice or leap over is due as the calendar says. A date that they
    leap over as a whole has no runs.
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
    """Return the run that an operator starts: the only one of its day as far as it is concerned.

    Its id has seconds and the distance from UTC, so it is never that of a scheduled run.
    """
    local = now.astimezone(timezone)
    run_id = f"{PREFIX}{local.isoformat(timespec='seconds')}"
    return Run(id=run_id, day=local.date(), at=now, number=1, count=1)


def is_by_hand(run_id: str) -> bool:
    """Tell whether an operator started the run of this id."""
    return len(run_id) > len(f"{PREFIX}2026-11-24T09:00")


def day_of(run_id: str) -> str:
    """Return the local date that the run of this id counts for, as the ledger writes it."""
    return run_id.removeprefix(PREFIX)[:10]


def due(runs: Iterable[Run], now: datetime) -> list[Run]:
    """Return the runs whose time has come, the oldest first."""
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


def portion(limit_minor: int, number: int, count: int) -> int:
    """Return run `number`'s part of a daily limit; those of all runs add up to it exactly."""
    assert 1 <= number <= count
    return limit_minor * number // count - limit_minor * (number - 1) // count


def amounts(run: Run, savers: Iterable[Saver], ceiling_minor: int) -> dict[int, int]:
    """Return what each client gives in a run, in minor units above 0, by the client's id."""
    wanted = {saver.id: _amount(run, saver, ceiling_minor) for saver in savers}
    return {id_: minor for id_, minor in wanted.items() if minor > 0}


_AHEAD_DAYS = 4
"""A date that is leapt over and its neighbours lie between."""
_MISSED_DAYS_MAX = 31


def _amount(run: Run, saver: Saver, ceiling_minor: int) -> int:
    return min(
        portion(saver.limit_minor, run.number, run.count),
        saver.balance_minor,
        saver.limit_minor - saver.given_minor,
        ceiling_minor - saver.given_minor,
    )

"""Estimates how long an amount lasts at the present pace, and how much the coming days will need.

An estimate of the future, from exact numbers of the past. Days are rounded down and needs up, so
that nobody is warned too late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """The amount used, sats or minor units, within a time of at least a day."""

    amount: int
    over: timedelta


@dataclass(frozen=True, slots=True)
class BalanceMove:
    """A change of a client's balance; `spent_minor` is the part that bought bitcoin (negative: reversed)."""

    at: datetime
    change_minor: int
    spent_minor: int


def pace(amount: int, over: timedelta) -> Pace:
    """Return a pace; a time below a day counts as a day, as a shorter time tells too little."""
    return Pace(max(amount, 0), max(over, DAY))


def spending_pace(
    balance_minor: int, moves: Iterable[BalanceMove], *, since: datetime, now: datetime
) -> Pace:
    """Return the pace at which a client's fiat was spent while the balance was above 0.

    `moves` come newest first and lead from the present balance back to `since`. Time with an empty
    balance doesn't count: a client who used a deposit up in a week, then paused for a month, has
    the pace of that week.
    """
    until, left_minor, spent_minor, funded = now, balance_minor, 0, timedelta()
    for move in moves:
        at = min(max(move.at, since), until)
        funded += until - at if left_minor > 0 else timedelta()
        until, left_minor = at, left_minor - move.change_minor
        spent_minor += move.spent_minor
    funded += until - since if left_minor > 0 else timedelta()
    return pace(spent_minor, funded)


def days_left(amount: int, present: Pace) -> int | None:
    """Return for how many whole days an amount lasts, rounded down; None if nothing is used.

    >>> days_left(1000, Pace(300, timedelta(days=2)))
    6
    """
    if present.amount == 0:
        return None
    return max(amount, 0) * _us(present.over) // (present.amount * _us(DAY))


def need_for(present: Pace, days: int) -> int:
    """Return the amount that `days` days need at a pace, rounded up."""
    return -(-present.amount * days * _us(DAY) // _us(present.over))


def fixed_need_minor(limits: Iterable[tuple[int, int]], days: int) -> int:
    """Return the fiat that fixed mode will turn into bitcoin in `days` days.

    `limits` has each client's (daily limit, balance); no client spends more than the balance.
    """
    return sum(min(limit_minor * days, balance_minor) for limit_minor, balance_minor in limits)


def _us(time: timedelta) -> int:
    return time // _MICROSECOND

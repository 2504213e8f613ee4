"""How long something lasts at the present pace, and what the coming days will need.

Everything here is a guess about the future, made of exact numbers about the past; days are rounded
down and needs up, so that nobody is told too late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """So much was used, sats or minor units, in that time (never less than a day)."""

    amount: int
    over: timedelta


@dataclass(frozen=True, slots=True)
class BalanceMove:
    """What changed a client's balance; `spent_minor` of it bought bitcoin (negative: came back)."""

    at: datetime
    change_minor: int
    spent_minor: int


def pace(amount: int, over: timedelta) -> Pace:
    """Return a pace; a time of less than a day counts as one, as it tells too little."""
    return Pace(max(amount, 0), max(over, DAY))


def spending_pace(
    balance_minor: int, moves: Iterable[BalanceMove], *, since: datetime, now: datetime
) -> Pace:
    """Return what a client's fiat was spent at while there was any.

    `moves` come newest first and lead from the present balance back to `since`. Time with an empty
    balance doesn't count: somebody who used a deposit up in a week and came back after a month buys
    at the pace of that week.
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
    """Return for how many whole days an amount lasts, rounded down; None if nothing is used."""
    if present.amount == 0:
        return None
    return max(amount, 0) * _us(present.over) // (present.amount * _us(DAY))


def need_for(present: Pace, days: int) -> int:
    """Return what so many days need at a pace, rounded up."""
    return -(-present.amount * days * _us(DAY) // _us(present.over))


def fixed_need_minor(limits: Iterable[tuple[int, int]], days: int) -> int:
    """Return the fiat that fixed mode turns into bitcoin in so many days.

    `limits` has each client's (daily limit, balance), which is all that can be spent.
    """
    return sum(min(limit_minor * days, balance_minor) for limit_minor, balance_minor in limits)


def _us(time: timedelta) -> int:
    return time // _MICROSECOND

"""Figures on a client's purchases: sums, rates, gain, pace and the next milestone, all exact."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import takewhile

from dca_bot.core.market import value_minor

_WEEK = timedelta(days=7)
_FIRST_MILESTONE_SAT = 100_000


@dataclass(frozen=True, slots=True)
class Purchase:
    """Sats bought for fiat; `payout_id` is None while the share waits for a payout."""

    at: datetime
    minor: int
    sat: int
    payout_id: str | None

    @property
    def rate(self) -> Fraction:
        """Return the price of a sat in minor units, exactly."""
        return Fraction(self.minor, self.sat)


@dataclass(frozen=True, slots=True)
class Stats:
    """Sums over purchases; `best` was the cheapest and `worst` the dearest, the earlier of equals."""

    minor: int
    sat: int
    payouts: int
    best: Purchase
    worst: Purchase


@dataclass(frozen=True, slots=True)
class Gain:
    """The value of sats against the price paid; a loss is negative.

    `percent_tenths` is rounded to the nearest tenth of a percent, halves away from zero.
    """

    value_minor: int
    minor: int
    percent_tenths: int


def summarize(purchases: Iterable[Purchase]) -> Stats | None:
    """Sum purchases up; None without purchases."""
    best = worst = None
    minor = sat = 0
    payouts: set[str | None] = {None}
    for one in purchases:
        minor, sat = minor + one.minor, sat + one.sat
        payouts.add(one.payout_id)
        best = one if best is None or _is_before(one, best, _dearer(best, one)) else best
        worst = one if worst is None or _is_before(one, worst, _dearer(one, worst)) else worst
    if best is None or worst is None:
        return None
    return Stats(minor, sat, len(payouts) - 1, best, worst)


def gain(stats: Stats, coin: Fraction) -> Gain | None:
    """Return the gain at a price (`coin`: minor units for one coin); None if nothing was paid.

    The sats' value is rounded half up to the minor unit.
    """
    if not stats.minor:
        return None
    value = value_minor(stats.sat, coin)
    won_minor = value - stats.minor
    tenths = (2 * 1000 * abs(won_minor) + stats.minor) // (2 * stats.minor)
    return Gain(value, won_minor, tenths if won_minor >= 0 else -tenths)


def weekly_tenths(count: int, span: timedelta) -> int:
    """Return the number per week in tenths, rounded half up; a span below a week counts as a week."""
    weeks_us = max(span, _WEEK) // timedelta(microseconds=1)
    week_us = _WEEK // timedelta(microseconds=1)
    return (2 * 10 * count * week_us + weeks_us) // (2 * weeks_us)


def next_milestone(sat: int) -> int:
    """Return the next milestone above a sum of sats: 100k, 250k, 500k, 1M, 2.5M and onwards."""
    return next(milestone for milestone in _milestones() if milestone > sat)


def last_milestone(sat: int) -> int:
    """Return the last milestone that a sum of sats has reached; 0 before the first.

    >>> last_milestone(249_999)
    100000
    """
    return max(takewhile(lambda milestone: milestone <= sat, _milestones()), default=0)


def _milestones() -> Iterator[int]:
    step = _FIRST_MILESTONE_SAT
    while True:
        yield from (step, step * 5 // 2, step * 5)
        step *= 10


def _dearer(one: Purchase, other: Purchase) -> int:
    """Compare two rates, more than 0 if `one` is dearer; multiplied out, so exact."""
    return one.minor * other.sat - other.minor * one.sat


def _is_before(one: Purchase, other: Purchase, lead: int) -> bool:
    """Tell whether a purchase ranks before another: by the lead, then by the time."""
    return lead > 0 or (lead == 0 and one.at < other.at)

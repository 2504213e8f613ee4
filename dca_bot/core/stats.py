"""What a client's purchases come to: sums, rates, gain, pace and the next milestone, all exact."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from dca_bot.core.market import value_minor

WEEK = timedelta(days=7)
FIRST_MILESTONE_SAT = 100_000


@dataclass(frozen=True, slots=True)
class Purchase:
    """Sats bought for fiat, with the payout that brings them (None while they wait for more)."""

    at: datetime
    minor: int
    sat: int
    payout_id: str | None

    @property
    def rate(self) -> Fraction:
        """Return what a sat cost, in minor units, exactly."""
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
    """What sats are worth against what they cost; a loss is negative.

    `percent_tenths` is rounded to the nearest tenth of a percent, halves away from zero.
    """

    value_minor: int
    minor: int
    percent_tenths: int


def summarize(purchases: Iterable[Purchase]) -> Stats | None:
    """Sum purchases up; None if there are none."""
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
    """Return what has been gained at a price (minor units for one coin); None if nothing was paid.

    The sats' value is rounded half up to the minor unit.
    """
    if not stats.minor:
        return None
    value = value_minor(stats.sat, coin)
    won_minor = value - stats.minor
    tenths = (2 * 1000 * abs(won_minor) + stats.minor) // (2 * stats.minor)
    return Gain(value, won_minor, tenths if won_minor >= 0 else -tenths)


def weekly_tenths(count: int, span: timedelta) -> int:
    """Return how often a week in tenths, rounded half up; less than a week counts as one."""
    weeks_us = max(span, WEEK) // timedelta(microseconds=1)
    week_us = WEEK // timedelta(microseconds=1)
    return (2 * 10 * count * week_us + weeks_us) // (2 * weeks_us)


def next_milestone(sat: int) -> int:
    """Return the next round number above so many sats: 100k, 250k, 500k, 1M, 2.5M and so on."""
    step = FIRST_MILESTONE_SAT
    while True:
        for milestone in (step, step * 5 // 2, step * 5):
            if milestone > sat:
                return milestone
        step *= 10


def _dearer(one: Purchase, other: Purchase) -> int:
    """Return how the rates compare, more than 0 if `one` is dearer; multiplied out, so exact."""
    return one.minor * other.sat - other.minor * one.sat


def _is_before(one: Purchase, other: Purchase, lead: int) -> bool:
    """Tell whether one purchase comes before another: by its lead, then by its time."""
    return lead > 0 or (lead == 0 and one.at < other.at)

"""Spans of whole local dates, as operators name them: `today`, `month`, `2026-03`, `7d`."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dca_bot.core.calendar import instant_of, local_date

TODAY = "today"
YESTERDAY = "yesterday"
MONTH = "month"
_DAY = timedelta(days=1)
_MIDNIGHT = time()
_CALENDAR = re.compile("(2[0-9]{3})(?:-(0[1-9]|1[0-2]))?")
_MONTHS = 12
MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
"""The months as commands name them; lexicons have the words of a language."""
LAST_MONTH = "last"
"""The month before this month, as commands name it."""
MONTH_WORDS = (*MONTH_NAMES, LAST_MONTH)
_MONTH_DAYS_MAX = 31


@dataclass(frozen=True, slots=True)
class Period:
    """The local dates from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Return the number of dates."""
        return (self.last - self.first).days + 1

    @property
    def is_long(self) -> bool:
        """Tell whether the period is longer than a month: lists show the months, not the days."""
        return self.days > _MONTH_DAYS_MAX

    @property
    def month(self) -> str:
        """Return the month of the first date, as commands name months: `2026-03`."""
        return f"{self.first:%Y-%m}"

    def part_of(self, day: date) -> date:
        """Return the date that stands for a date in a list: the date itself, or the first of the month."""
        return day.replace(day=1) if self.is_long else day

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the instant at which the period begins, and the first instant after the period."""
        after = self.last + _DAY
        return instant_of(self.first, _MIDNIGHT, zone), instant_of(after, _MIDNIGHT, zone)


def calendar_period(text: str) -> Period | None:
    """Read a month or a year of the calendar; None for another text.

    >>> calendar_period("2026-02")
    Period(first=datetime.date(2026, 2, 1), last=datetime.date(2026, 2, 28))
    """
    found = _CALENDAR.fullmatch(text)
    if found is None:
        return None
    year = int(found[1])
    if found[2] is None:
        return Period(date(year, 1, 1), date(year, _MONTHS, 31))
    return month_of(date(year, int(found[2]), 1))


def latest_month(name: str, today: date) -> Period | None:
    """Return the latest month of a name that has begun, or the last month; None for another text.

    >>> latest_month("march", date(2026, 2, 1))
    Period(first=datetime.date(2025, 3, 1), last=datetime.date(2025, 3, 31))
    """
    if name == LAST_MONTH:
        return month_of(today.replace(day=1) - _DAY)
    if name not in MONTH_NAMES:
        return None
    month = MONTH_NAMES.index(name) + 1
    return month_of(date(today.year - (month > today.month), month, 1))


def month_of(day: date) -> Period:
    """Return the whole month of a date."""
    first = day.replace(day=1)
    following = (first + 31 * _DAY).replace(day=1)
    return Period(first, following - _DAY)


def month_due(now: datetime, at: time, zone: ZoneInfo) -> Period:
    """Return the newest month whose statement is due: from `at` on the first date after the month."""
    first = local_date(now, zone).replace(day=1)
    month = month_of(first - _DAY)
    return month if instant_of(first, at, zone) <= now else month_of(month.first - _DAY)


def last_days(count: int, today: date) -> Period:
    """Return the period of so many dates that ends today."""
    return Period(today - (count - 1) * _DAY, today)

"""When something that happens at a time of day has last come due, across clocks that are put forward or back.

A local date has each time of day once: what the clock skips in spring happens as much later, what
it shows twice in autumn happens the first time.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SUNDAY = 6
"""As `date.weekday` counts."""
_DAY = timedelta(days=1)


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, of a time of day on a local date."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def last_due(now: datetime, at: time, zone: ZoneInfo, *, weekday: int | None = None) -> datetime:
    """Return the newest instant up to `now` that is `at`, on that weekday if one is given."""
    day = now.astimezone(zone).date() + _DAY
    while (weekday is not None and day.weekday() != weekday) or instant_of(day, at, zone) > now:
        day -= _DAY
    return instant_of(day, at, zone)


def due_date(now: datetime, at: time, zone: ZoneInfo, *, done: date | None) -> date | None:
    """Return today's local date if `at` has come and today isn't `done`; else None.

    So each date comes once, and days that were missed never come. A `done` of days ahead was set
    while the clock was ahead, and counts for nothing.
    """
    today = now.astimezone(zone).date()
    if done is not None and today <= done <= today + _DAY:
        return None
    return today if instant_of(today, at, zone) <= now else None

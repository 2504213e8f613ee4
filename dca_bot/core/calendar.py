"""When something that happens at a time of day has last come due, across clocks that are put forward or back.

A local date has each time of day once: what it shows twice in autumn happens the first time, what
the clock skips in spring happens as much later, or, if that is another date, as much earlier.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SUNDAY = 6
"""As `date.weekday` counts."""
_DAY = timedelta(days=1)


def has_passed(span: timedelta, *, since: datetime | None, now: datetime) -> bool:
    """Tell whether something that is done every so often is due again.

    It is, too, where it was done never, or in the future: the clock was ahead.
    """
    return since is None or not timedelta() <= now - since < span


def local_date(now: datetime, zone: ZoneInfo) -> date:
    """Return the date on a zone's clocks."""
    return now.astimezone(zone).date()


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, of a time of day on a local date.

    It lies on another date only where the zone has skipped the whole of this one.
    """
    first, second = (
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    return first if local_date(first, zone) == day else second


def last_due(now: datetime, at: time, zone: ZoneInfo, *, weekday: int | None = None) -> datetime:
    """Return the newest instant up to `now` that is `at`, on that weekday if one is given."""
    day = local_date(now, zone) + _DAY
    while (weekday is not None and day.weekday() != weekday) or instant_of(day, at, zone) > now:
        day -= _DAY
    return instant_of(day, at, zone)


def due_date(now: datetime, at: time, zone: ZoneInfo, *, done: date | None) -> date | None:
    """Return today's local date if `at` has come and today isn't `done`; else None.

    So each date comes once, and days that were missed never come. A `done` of days ahead was set
    while the clock was ahead, and counts for nothing.
    """
    today = local_date(now, zone)
    if done is not None and today <= done <= today + _DAY:
        return None
    return today if instant_of(today, at, zone) <= now else None

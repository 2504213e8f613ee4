"""When something that happens at a time of day is due, across clocks that are put forward or back.

Each time of day comes once on a local date. A time that the clocks show twice in autumn is the first of the
two instants. A time that the clocks skip in spring is as much later, or earlier if later is another date.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SUNDAY = 6
"""As `date.weekday` counts."""
_DAY = timedelta(days=1)


def has_passed(span: timedelta, *, since: datetime | None, now: datetime) -> bool:
    """Tell whether `span` has passed; also if `since` is None, or in the future (the clock was ahead)."""
    return since is None or not timedelta() <= now - since < span


def local_date(now: datetime, zone: ZoneInfo) -> date:
    """Return the date on a zone's clocks."""
    return now.astimezone(zone).date()


@lru_cache(maxsize=100)
def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, of a time of day on a local date.

    The instant is on another date only if the zone's clocks have skipped the whole date.
    """
    first, second = (
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    return first if local_date(first, zone) == day else second


def last_due(now: datetime, at: time, zone: ZoneInfo, *, weekday: int | None = None) -> datetime:
    """Return the newest instant up to `now` with the time of day `at`, on a weekday if given."""
    day = local_date(now, zone) + _DAY
    while (weekday is not None and day.weekday() != weekday) or instant_of(day, at, zone) > now:
        day -= _DAY
    return instant_of(day, at, zone)


def next_due(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """Return the first instant after `now` with the time of day `at`."""
    day = local_date(now, zone)
    while instant_of(day, at, zone) <= now:
        day += _DAY
    return instant_of(day, at, zone)


def due_date(now: datetime, at: time, zone: ZoneInfo, *, done: date | None) -> date | None:
    """Return today's local date if the time of day `at` has come and today isn't `done`; else None.

    Each date is returned until `done`, and missed dates never. A `done` more than a day ahead was set while
    the clock was ahead, and is ignored.
    """
    today = local_date(now, zone)
    if done is not None and today <= done <= today + _DAY:
        return None
    return today if instant_of(today, at, zone) <= now else None

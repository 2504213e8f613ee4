"""Says in a line how old a reading of Lamassu is, for the command line."""

from datetime import datetime, timedelta

from dca_bot.core.freshness import (
    COPY_AGE_MAX,
    STANDBY,
    NewestRows,
    aged,
    is_stale,
    oldest_copy,
)
from dca_bot.core.ports import Export

_AHEAD = timedelta(minutes=5)
_UNITS = (("days", timedelta(days=2)), ("hours", timedelta(hours=2)), ("minutes", timedelta()))
_LENGTHS = {"days": timedelta(days=1), "hours": timedelta(hours=1), "minutes": timedelta(minutes=1)}


def ages_text(export: Export, now: datetime) -> str:
    """Tell the age of each copy and of the newest transaction, and warn of a copy that is stale."""
    newest = NewestRows.of(export, now)
    newest_at = newest.transaction_at
    parts = [f"{_shown(copy.name)} {_age(copy.as_of, now)}" for copy in aged(export.copies, newest)]
    parts.append(
        f"newest transaction {_age(newest_at, now)}"
        if newest_at
        else "no sale or purchase in it yet"
    )
    return "; ".join(filter(None, [", ".join(parts), stale_text(export, now)]))


def stale_text(export: Export, now: datetime) -> str:
    """Warn of a copy that was not renewed in time; empty if there is none."""
    oldest = oldest_copy(export.copies, NewestRows.of(export, now))
    if oldest is None or not is_stale(oldest, now):
        return ""
    hours = COPY_AGE_MAX // timedelta(hours=1)
    return (
        f"NOT RENEWED for more than {hours} hours: {_shown(oldest.name)}; see to what renews it, sales since"
        " then are not seen"
    )


def _shown(name: str) -> str:
    return "the standby database" if name == STANDBY else name


def _age(at: datetime, now: datetime) -> str:
    """Write how long ago an instant was, in the largest unit with at least two."""
    if at - now > _AHEAD:
        return f"of {at:%Y-%m-%d %H:%M} UTC, which lies ahead of this computer's clock"
    age = max(now - at, timedelta())
    unit = next(unit for unit, least in _UNITS if age >= least)
    return f"{age // _LENGTHS[unit]} {unit} old"

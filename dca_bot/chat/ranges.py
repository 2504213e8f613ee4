"""How far back a client looks: the ranges of `stats`, `chart` and `export`."""

from datetime import datetime, timedelta

from dca_bot.chat.command import Param
from dca_bot.messages.say import refuse

ALL = "all"
RANGE_DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365, ALL: None}


def read_range(text: str, _currency: str) -> str:
    """Read how far back to look."""
    if text.lower() not in RANGE_DAYS:
        raise refuse("wrong.range")
    return text.lower()


def start_of(range_: str, now: datetime) -> datetime | None:
    """Return when a range begins; None if it has no beginning."""
    days = RANGE_DAYS[range_]
    return None if days is None else now - timedelta(days=days)


RANGE = Param("RANGE", read_range, optional=True)

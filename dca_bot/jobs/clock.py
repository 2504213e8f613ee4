"""Looks at the clock, and tells the operators of a clock that cannot be right."""

import logging
from datetime import datetime, timedelta

from dca_bot.core.ports import Uptime
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.clock import Turn
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices

_log = logging.getLogger(__name__)


def look_at_clock(tx: Tx, notices: Notices, now: datetime, *, uptime: Uptime | None = None) -> bool:
    """Record the time that the clock shows; return whether the clock is in doubt.

    While the clock is in doubt nothing may be decided. With `uptime` the really passed time is recorded too,
    and a leap of the clock is told.
    """
    shown = clock.shown_at(tx)
    turn = clock.note(tx, now)
    leap = timedelta() if uptime is None else clock.witness(tx, uptime, now)
    is_doubted = clock.is_doubted(tx)
    if turn is Turn.DOUBTED and shown is not None:
        notices.alarms.clock_doubted(tx, shown, now)
        _log.error("clock in doubt shown=%s now=%s", shown.isoformat(), now.isoformat())
    elif turn is Turn.RIGHT:
        notices.alarms.clock_right(tx, now)
        _log.warning("clock in doubt no more now=%s", now.isoformat())
    elif turn is Turn.BACK and shown is not None:
        _log.warning("clock went back from=%s to=%s", shown.isoformat(), now.isoformat())
    elif leap and not is_doubted:
        notices.alarms.clock_leapt(tx, now - leap, now)
        _log.error("clock leapt ahead from=%s to=%s", (now - leap).isoformat(), now.isoformat())
    return is_doubted

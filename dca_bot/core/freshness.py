"""How old a reading of Lamassu is, where the bot reads a copy of Lamassu's data.

A folder of exported files and a standby database are copies: reading one succeeds although nobody has
renewed it for days. A file's time alone doesn't tell: a program that writes only what has changed, or
keeps a file's time, leaves it. So a copy is as new as its file's time or its newest row, whichever is later.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from dca_bot.core.ports import Copy, Export

COPY_AGE_MAX = timedelta(hours=26)
"""An older copy is stale: an export that is made once a day has been missed, with two hours of grace."""
STANDBY = "standby"
_LISTS_MACHINES = "devices.csv"


def copies(export: Export, now: datetime) -> tuple[Copy, ...]:
    """Return the copies that were read, each as of its file's time or its newest row."""
    rows = {
        "cash_out_txs.csv": (one.created_at for one in export.cash_outs),
        "cash_out_actions.csv": (
            action.created_at for one in export.cash_outs for action in one.actions
        ),
        "cash_in_txs.csv": (one.created_at for one in export.cash_ins),
        STANDBY: _transactions(export),
    }
    newest = {copy.name: _newest(rows.get(copy.name, ()), now) for copy in export.copies}
    return tuple(
        Copy(copy.name, _latest_believed(copy.as_of, newest[copy.name], now))
        for copy in export.copies
    )


def oldest_copy(export: Export, now: datetime) -> Copy | None:
    """Return the copy that limits what a reading can know; None where Lamassu itself was read.

    The list of machines seldom changes, so its age says nothing.
    """
    telling = (copy for copy in copies(export, now) if copy.name != _LISTS_MACHINES)
    return min(telling, key=lambda copy: copy.as_of, default=None)


def is_stale(copy: Copy, now: datetime) -> bool:
    """Tell whether whoever renews a copy has missed to; a time that lies ahead is no age."""
    return now - copy.as_of > COPY_AGE_MAX


def newest_transaction(export: Export, now: datetime) -> datetime | None:
    """Return when the newest cash-out or cash-in was created; what lies ahead of the clock doesn't count."""
    return _newest(_transactions(export), now)


def _latest_believed(as_of: datetime, newest: datetime | None, now: datetime) -> datetime:
    """Return a file's time or its newest row's, the later; one far ahead would hide the age for as long."""
    if newest is None:
        return as_of
    return newest if as_of - now > COPY_AGE_MAX else max(as_of, newest)


def _transactions(export: Export) -> Iterable[datetime]:
    yield from (one.created_at for one in export.cash_outs)
    yield from (one.created_at for one in export.cash_ins)


def _newest(times: Iterable[datetime], now: datetime) -> datetime | None:
    return max((at for at in times if at <= now), default=None)

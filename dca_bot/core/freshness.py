"""How old a reading of Lamassu is if the bot reads a copy of Lamassu's data.

Copies are a folder of exported files and a standby database: reading a copy succeeds although nobody has
renewed the copy for days. A file's time alone doesn't tell the age, because some exporters write only
changed files or keep a file's time. A copy's time is the file's time or the newest row's time, the later.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from dca_bot.core.ports import Copy, Export

COPY_AGE_MAX = timedelta(hours=26)
"""An older copy is stale: a daily export was missed, with two hours of grace."""
STANDBY = "standby"
_LISTS_MACHINES = "devices.csv"


def copies(export: Export, now: datetime) -> tuple[Copy, ...]:
    """Return the copies that were read, each as of the file's time or the newest row, the later."""
    passed = export.passed
    actions = (action.created_at for one in export.cash_outs for action in one.actions)
    rows = {
        "cash_out_txs.csv": _and((one.created_at for one in export.cash_outs), passed.newest_at),
        "cash_out_actions.csv": _and(actions, passed.action_at),
        "cash_in_txs.csv": _and((one.created_at for one in export.cash_ins), passed.cash_in_at),
        STANDBY: _transactions(export),
    }
    newest = {copy.name: _newest(rows.get(copy.name, ()), now) for copy in export.copies}
    return tuple(
        Copy(copy.name, _latest_believed(copy.as_of, newest[copy.name], now))
        for copy in export.copies
    )


def oldest_copy(export: Export, now: datetime) -> Copy | None:
    """Return the oldest copy that was read; None if Lamassu itself was read.

    The list of machines is left out: machines seldom change.
    """
    telling = (copy for copy in copies(export, now) if copy.name != _LISTS_MACHINES)
    return min(telling, key=lambda copy: copy.as_of, default=None)


def is_stale(copy: Copy, now: datetime) -> bool:
    """Tell whether a copy was not renewed in time; a copy of the future isn't stale."""
    return now - copy.as_of > COPY_AGE_MAX


def newest_transaction(export: Export, now: datetime) -> datetime | None:
    """Return when the newest cash-out or cash-in was created, without rows of the future."""
    return _newest(_transactions(export), now)


def _latest_believed(as_of: datetime, newest: datetime | None, now: datetime) -> datetime:
    """Return a file's time or the newest row's, the later; a file's time far ahead is not believed."""
    if newest is None:
        return as_of
    return newest if as_of - now > COPY_AGE_MAX else max(as_of, newest)


def _transactions(export: Export) -> Iterable[datetime]:
    yield from _and((one.created_at for one in export.cash_outs), export.passed.newest_at)
    yield from _and((one.created_at for one in export.cash_ins), export.passed.cash_in_at)


def _and(times: Iterable[datetime], passed: datetime | None) -> Iterable[datetime]:
    """Return some rows' times with the newest time of the rows that were passed over, if any were."""
    yield from times
    if passed is not None:
        yield passed


def _newest(times: Iterable[datetime], now: datetime) -> datetime | None:
    return max((at for at in times if at <= now), default=None)

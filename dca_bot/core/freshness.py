"""How old a reading of Lamassu is if the bot reads a copy of Lamassu's data.

Copies are a folder of exported files and a standby database: reading a copy succeeds although nobody has
renewed the copy for days. A file's time alone doesn't tell the age, because some exporters write only
changed files or keep a file's time. A copy's time is the file's time or the newest row's time, the later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.cash_out import CashOut
from dca_bot.core.ports import CashIn, Copy, Export, Passed

COPY_AGE_MAX = timedelta(hours=26)
"""An older copy is stale: a daily export was missed, with two hours of grace."""
STANDBY = "standby"
_LISTS_MACHINES = "devices.csv"


@dataclass(slots=True)
class NewestRows:
    """When the newest rows of a reading were created, without rows of the future; None for no such row.

    `now`: what comes after is of the future.
    """

    now: datetime
    cash_out_at: datetime | None = None
    action_at: datetime | None = None
    cash_in_at: datetime | None = None

    @classmethod
    def of(cls, export: Export, now: datetime) -> "NewestRows":
        """Look at all rows of a reading, and at the rows that were passed over."""
        newest = cls(now)
        newest.see_passed(export.passed)
        newest.see_cash_outs(export.cash_outs)
        newest.see_cash_ins(export.cash_ins)
        return newest

    @property
    def transaction_at(self) -> datetime | None:
        """Return when the newest cash-out or cash-in was created."""
        return self._newest(self.cash_out_at, [self.cash_in_at])

    def see_passed(self, passed: Passed) -> None:
        """Look at the rows that were passed over."""
        self.cash_out_at = self._newest(self.cash_out_at, [passed.newest_at])
        self.action_at = self._newest(self.action_at, [passed.action_at])
        self.cash_in_at = self._newest(self.cash_in_at, [passed.cash_in_at])

    def see_cash_outs(self, rows: Iterable[CashOut]) -> None:
        """Look at some cash-outs and at their actions."""
        for row in rows:
            self.cash_out_at = self._newest(self.cash_out_at, [row.created_at])
            acted = (action.created_at for action in row.actions)
            self.action_at = self._newest(self.action_at, acted)

    def see_cash_ins(self, rows: Iterable[CashIn]) -> None:
        """Look at some cash-ins."""
        self.cash_in_at = self._newest(self.cash_in_at, (row.created_at for row in rows))

    def _newest(self, before: datetime | None, times: Iterable[datetime | None]) -> datetime | None:
        for at in times:
            if at is not None and at <= self.now and (before is None or at > before):
                before = at
        return before


def aged(read: Iterable[Copy], newest: NewestRows) -> tuple[Copy, ...]:
    """Return the copies that were read, each as of the file's time or the newest row, the later."""
    rows = {
        "cash_out_txs.csv": newest.cash_out_at,
        "cash_out_actions.csv": newest.action_at,
        "cash_in_txs.csv": newest.cash_in_at,
        STANDBY: newest.transaction_at,
    }
    return tuple(
        Copy(copy.name, _latest_believed(copy.as_of, rows.get(copy.name), newest.now))
        for copy in read
    )


def oldest_copy(read: Iterable[Copy], newest: NewestRows) -> Copy | None:
    """Return the oldest copy that was read; None if Lamassu itself was read.

    The list of machines is left out: machines seldom change.
    """
    telling = (copy for copy in aged(read, newest) if copy.name != _LISTS_MACHINES)
    return min(telling, key=lambda copy: copy.as_of, default=None)


def is_stale(copy: Copy, now: datetime) -> bool:
    """Tell whether a copy was not renewed in time; a copy of the future isn't stale."""
    return now - copy.as_of > COPY_AGE_MAX


def _latest_believed(as_of: datetime, newest: datetime | None, now: datetime) -> datetime:
    """Return a file's time or the newest row's, the later; a file's time far ahead is not believed."""
    if newest is None:
        return as_of
    return newest if as_of - now > COPY_AGE_MAX else max(as_of, newest)

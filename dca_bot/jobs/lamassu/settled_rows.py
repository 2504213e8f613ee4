"""Passes over the rows of a reading that a poll has settled before and that are unchanged since.

The invariant: passing over a row changes nothing in the ledger and no notice. A settled cash-out is
distributed or ignored in the ledger, has no open hold, and waits for nothing: only another row at Lamassu
could change anything. A settled cash-in has the cash recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b

from dca_bot.core.cash_out import CashOut
from dca_bot.core.ports import CashIn, Export

Row = CashOut | CashIn

_DIGEST_BYTES = 32


@dataclass(slots=True)
class SettledRows:
    """The settled rows of the last reading; a digest stands for each row and takes far less memory."""

    _digests: set[bytes] = field(default_factory=set, init=False)
    _start_at: datetime | None = field(default=None, init=False)
    _read_at: datetime | None = field(default=None, init=False)
    _last: tuple[Export, Export] | None = field(default=None, init=False)
    """The last reading, and its rows that weren't settled then."""

    def unsettled(self, export: Export, *, start_at: datetime, now: datetime) -> Export:
        """Return a reading without the settled rows, and forget the settled rows that the reading lacks.

        A row that comes back after a reading without the row is unsettled. All rows are unsettled if
        `start_at` has moved, and if the clock was pulled back: young rows wait again.
        """
        if start_at != self._start_at or self._read_at is None or now < self._read_at:
            self.forget()
        self._start_at, self._read_at = start_at, now
        if not self._digests:
            return export
        rest = self._last[1] if self._last is not None and _is_same(self._last[0], export) else None
        looked_at = export if rest is None else rest
        still_settled: set[bytes] = set()

        def is_unsettled(row: Row) -> bool:
            digest = _digest(row)
            if digest in self._digests:
                still_settled.add(digest)
            return digest not in self._digests

        unsettled = replace(
            export,
            cash_outs=tuple(filter(is_unsettled, looked_at.cash_outs)),
            cash_ins=tuple(filter(is_unsettled, looked_at.cash_ins)),
        )
        if rest is None:  # The rest lacks what was settled before: those digests stay.
            self._digests = still_settled
        self._last = export, unsettled
        return unsettled

    def settle(self, rows: Iterable[Row], *, since: datetime) -> None:
        """Pass over the rows in the next readings, as long as each reading has the rows unchanged.

        Rows created before `since` are not kept: only the full reading of each day has older rows.
        """
        self._digests.update(_digest(row) for row in rows if row.created_at >= since)

    def forget(self) -> None:
        """Pass over no row in the next reading."""
        self._digests.clear()
        self._last = None


def _is_same(one: Export, other: Export) -> bool:
    """Tell whether two readings are one reading, whose rows were not read anew.

    Both kinds of rows tell: all empty tuples are one.
    """
    return one.cash_outs is other.cash_outs and one.cash_ins is other.cash_ins


def _digest(row: Row) -> bytes:
    """Return a digest of a row's kind and of all values; the digits of a number count, not only the value."""
    return blake2b(repr(row).encode(), digest_size=_DIGEST_BYTES).digest()

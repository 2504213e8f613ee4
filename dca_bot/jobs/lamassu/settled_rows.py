"""Remembers the rows of Lamassu that polls have settled: a poll passes over such a row until the row changes.

The invariant: passing over a row changes nothing in the ledger and no notice. A settled cash-out is
distributed or ignored in the ledger, or left before the start; it has no open hold, and waits for nothing:
only another row at Lamassu could change anything. A settled cash-in has the cash recorded.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from dca_bot.core.cash_out import CashOut
from dca_bot.core.ports import CashIn, Passed, RowKind
from dca_bot.ledger.store.instants import instant_or_none, micros

Row = CashOut | CashIn

_TABLE = """
CREATE TABLE settled_row (
  kind TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL,
  created_at INTEGER NOT NULL, acted_at INTEGER,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID
"""
_INDEX = "CREATE INDEX settled_row_created ON settled_row (kind, created_at, acted_at)"


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute(_TABLE)
    connection.execute(_INDEX)
    return connection


@dataclass(slots=True)
class SettledRows:
    """The settled rows, of which the last reading that went back so far has each; one thread at a time.

    `version`: another one as soon as other rows are settled.
    """

    version: int = field(default=0, init=False)
    _rows: sqlite3.Connection = field(default_factory=_in_memory, init=False)
    _start_at: datetime | None = field(default=None, init=False)
    _judged_at: datetime | None = field(default=None, init=False)

    def begin(self, *, start_at: datetime, now: datetime) -> None:
        """Begin a reading; forget all rows if `start_at` has moved, or if the clock was pulled back.

        After such a clock young rows wait again.
        """
        if start_at != self._start_at or self._judged_at is None or now < self._judged_at:
            self._change("DELETE FROM settled_row", [()])
        self._start_at, self._judged_at = start_at, now

    def unchanged(
        self, kind: RowKind, digests: Mapping[str, bytes], since: datetime
    ) -> AbstractSet[str]:
        """Return the settled rows with the same digest in a reading; forget the others since then.

        A row that comes back after a reading without the row is not settled.
        """
        known = "SELECT digest FROM settled_row WHERE kind = ? AND id = ?"
        found = {
            id_
            for id_, digest in digests.items()
            if self._rows.execute(known, (kind, id_)).fetchone() == (digest,)
        }
        within = "SELECT id FROM settled_row WHERE kind = ? AND created_at >= ?"
        gone = [
            (kind, id_)
            for (id_,) in self._rows.execute(within, (kind, micros(since)))
            if id_ not in found
        ]
        if gone:
            self._change("DELETE FROM settled_row WHERE kind = ? AND id = ?", gone)
        return found

    def passed(self, since: datetime) -> Passed:
        """Return the oldest and newest instants of the settled rows that were created since then."""
        span = (
            "SELECT min(created_at), max(created_at), max(acted_at) FROM settled_row"
            " WHERE kind = ? AND created_at >= ?"
        )
        oldest, newest, acted = self._rows.execute(
            span, (RowKind.CASH_OUT, micros(since))
        ).fetchone()
        _, paid_in, _ = self._rows.execute(span, (RowKind.CASH_IN, micros(since))).fetchone()
        return Passed(*map(instant_or_none, (oldest, newest, acted, paid_in)))

    def has(self, cash_out_id: str) -> bool:
        """Tell whether a cash-out is settled."""
        known = "SELECT 1 FROM settled_row WHERE kind = ? AND id = ?"
        return self._rows.execute(known, (RowKind.CASH_OUT, cash_out_id)).fetchone() is not None

    def settle(self, rows: Iterable[Row], *, now: datetime) -> None:
        """Pass over the rows in the next readings, as long as each reading has the rows unchanged.

        A row of the future, by itself or by an action, is not settled: the row is not the newest one yet.
        """
        self._judged_at = max(now, self._judged_at or now)
        put = "INSERT OR REPLACE INTO settled_row VALUES (?, ?, ?, ?, ?)"
        found = list(_values(rows, now))
        if found:
            self._change(put, found)

    def _change(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._rows:
            self._rows.executemany(statement, rows)
        self.version += 1


def _values(rows: Iterable[Row], now: datetime) -> Iterator[tuple[object, ...]]:
    for row in rows:
        kind = RowKind.CASH_OUT if isinstance(row, CashOut) else RowKind.CASH_IN
        actions = row.actions if isinstance(row, CashOut) else ()
        acted_at = max((action.created_at for action in actions), default=None)
        if row.digest is not None and max(row.created_at, acted_at or row.created_at) <= now:
            acted_us = None if acted_at is None else micros(acted_at)
            yield kind, row.id, row.digest, micros(row.created_at), acted_us

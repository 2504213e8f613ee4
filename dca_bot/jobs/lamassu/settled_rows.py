"""Remembers the rows of Lamassu that polls have settled: a poll passes over such a row until the row changes.

The invariant: passing over a row changes nothing in the ledger and no notice. A settled cash-out is
distributed or ignored in the ledger, or left before the start; it has no open hold, and waits for nothing:
only another row at Lamassu could change anything. A settled cash-in has the cash recorded.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from dca_bot.core.cash_out import CashOut
from dca_bot.core.ports import CashIn, Passed, RowKind
from dca_bot.files.spill import Spill, no_room
from dca_bot.ledger.store.instants import instant_or_none, micros


class Settled(NamedTuple):
    """A settled row, by its digest. `acted_us`: when the newest action of a cash-out was created."""

    kind: RowKind
    id: str
    digest: bytes
    created_us: int
    acted_us: int | None


_TABLE = """
CREATE TABLE settled_row (
  kind TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL,
  created_at INTEGER NOT NULL, acted_at INTEGER, reading INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID
"""
_KNOWN = """
SELECT known.id, known.digest, known.created_at
FROM json_each(?) AS now CROSS JOIN settled_row AS known ON known.kind = ? AND known.id = now.value
"""
_INDEX = "CREATE INDEX settled_row_created ON settled_row (kind, created_at, acted_at)"


def _opened() -> sqlite3.Connection:
    """Open a database of this process alone: what goes beyond the cache lies in a file without a name."""
    connection = sqlite3.connect("", check_same_thread=False)
    connection.execute(_TABLE)
    connection.execute(_INDEX)
    return connection


def _nothing_seen() -> dict[RowKind, Spill[tuple[str, int]]]:
    return {kind: Spill() for kind in RowKind}


@dataclass(slots=True)
class SettledRows:
    """The settled rows, of which the last reading that went back so far has each; one thread at a time.

    Each method can raise SourceUnavailable, if there is no room for the rows: all are forgotten then.
    `version`: another one as soon as other rows are settled.
    """

    version: int = field(default=0, init=False)
    _rows: sqlite3.Connection = field(default_factory=_opened, init=False)
    _start_at: datetime | None = field(default=None, init=False)
    _judged_at: datetime | None = field(default=None, init=False)
    _reading: int = field(default=0, init=False)
    _seen: dict[RowKind, Spill[tuple[str, int]]] = field(default_factory=_nothing_seen, init=False)

    def begin(self, *, start_at: datetime, now: datetime) -> None:
        """Begin a reading; forget all rows if `start_at` has moved, or if the clock was pulled back.

        After such a clock young rows wait again.
        """
        if start_at != self._start_at or self._judged_at is None or now < self._judged_at:
            self._change("DELETE FROM settled_row", [()])
        self._start_at, self._judged_at = start_at, now
        self._reading += 1
        self._seen = _nothing_seen()

    def unchanged(self, kind: RowKind, digests: Mapping[str, bytes]) -> AbstractSet[str]:
        """Return the settled rows with the same digest in a reading; forget those with another one."""
        known = self._run(_KNOWN, json.dumps([*digests]), kind)
        changed = [(kind, id_) for id_, digest, _ in known if digest != digests[id_]]
        if changed:
            self._change("DELETE FROM settled_row WHERE kind = ? AND id = ?", changed)
        seen = [(id_, created_us) for id_, digest, created_us in known if digest == digests[id_]]
        self._seen[kind].extend({0: seen}, weight=len(seen))
        return {id_ for id_, _ in seen}

    def forget_others(self, kind: RowKind, since: datetime) -> None:
        """Forget the rows created since then that the reading lacks.

        A row that comes back after a reading without the row is not settled.
        """
        within = "SELECT count(*) FROM settled_row WHERE kind = ? AND created_at >= ?"
        ((count,),) = self._run(within, kind, micros(since))
        seen = self._seen[kind]
        if count == sum(created_us >= micros(since) for _, created_us in seen):
            return
        mark = "UPDATE settled_row SET reading = ? WHERE kind = ? AND id = ?"
        self._change(mark, ((self._reading, kind, id_) for id_, _ in seen))
        others = "DELETE FROM settled_row WHERE kind = ? AND created_at >= ? AND reading < ?"
        self._change(others, [(kind, micros(since), self._reading)])

    def forget_all(self, kind: RowKind, since: datetime) -> None:
        """Forget the rows created since then."""
        everything = "DELETE FROM settled_row WHERE kind = ? AND created_at >= ?"
        self._change(everything, [(kind, micros(since))])

    def passed(self, since: datetime) -> Passed:
        """Return the oldest and newest instants of the settled rows that were created since then."""
        span = (
            "SELECT min(created_at), max(created_at), max(acted_at) FROM settled_row"
            " WHERE kind = ? AND created_at >= ?"
        )
        ((oldest, newest, acted),) = self._run(span, RowKind.CASH_OUT, micros(since))
        ((_, paid_in, _),) = self._run(span, RowKind.CASH_IN, micros(since))
        return Passed(*map(instant_or_none, (oldest, newest, acted, paid_in)))

    def has(self, cash_out_id: str) -> bool:
        """Tell whether a cash-out is settled."""
        known = "SELECT 1 FROM settled_row WHERE kind = ? AND id = ?"
        return bool(self._run(known, RowKind.CASH_OUT, cash_out_id))

    def settle(self, rows: Iterable[Settled], *, now: datetime) -> None:
        """Pass over the rows in the next readings, as long as each reading has the rows unchanged.

        A row of the future, by itself or by an action, is not settled: the row is not the newest one yet.
        """
        self._judged_at = max(now, self._judged_at or now)
        found = (row for row in rows if max(row.created_us, row.acted_us or 0) <= micros(now))
        put = "INSERT OR REPLACE INTO settled_row VALUES (?, ?, ?, ?, ?, ?)"
        self._change(put, ((*row, self._reading) for row in found))

    def _run(self, statement: str, *values: object) -> list[Any]:
        with self._in_room(), self._rows:
            return self._rows.execute(statement, values).fetchall()

    def _change(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._in_room(), self._rows:
            changed = self._rows.executemany(statement, rows).rowcount
        self.version += bool(changed)

    @contextmanager
    def _in_room(self) -> Iterator[None]:
        """Forget all rows if there is no room for them."""
        try:
            yield
        except sqlite3.OperationalError as error:
            self._rows.close()
            self._rows = _opened()
            self.version += 1
            # Where SQLite puts a database without a name.
            folder = os.environ.get("SQLITE_TMPDIR") or os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108
            raise no_room(folder, str(error)) from error


def settled(row: CashOut | CashIn) -> Settled | None:
    """Return what is remembered of a row; None for a row without a digest."""
    if row.digest is None:
        return None
    if isinstance(row, CashIn):
        return Settled(RowKind.CASH_IN, row.id, row.digest, micros(row.created_at), None)
    acted_at = max((action.created_at for action in row.actions), default=None)
    acted_us = None if acted_at is None else micros(acted_at)
    return Settled(RowKind.CASH_OUT, row.id, row.digest, micros(row.created_at), acted_us)

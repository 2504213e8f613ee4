"""The amounts of Lamassu's row at the distribution of a cash-out, to be compared with later readings.

A cash-out that was never read from Lamassu has no row amounts, and can't change at Lamassu.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from dca_bot.core.row_amounts import RowAmounts
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

_COLUMNS = {field.name: f"row_{field.name}" for field in fields(RowAmounts)}


def columns_of(row: RowAmounts) -> dict[str, str | None]:
    """Return the columns of table `cash_out` with the amounts of Lamassu's row."""
    return {column: getattr(row, name) for name, column in _COLUMNS.items()}


def amounts_in(recorded: sqlite3.Row) -> RowAmounts | None:
    """Return the amounts of Lamassu's row in a row of table `cash_out`; None if never read."""
    if recorded["row_crypto_code"] is None:
        return None
    return RowAmounts(**{name: recorded[column] for name, column in _COLUMNS.items()})


def note_amounts(tx: Tx, cash_out_id: str, row: RowAmounts) -> None:
    """Record the amounts of Lamassu's row; sqlite3.IntegrityError if a distributed cash-out has amounts."""
    values = columns_of(row)
    changes = ", ".join(f"{column} = :{column}" for column in values)
    tx.execute(f"UPDATE cash_out SET {changes} WHERE id = :id", {**values, "id": cash_out_id})


def amounts_of(tx: Tx, ids: Sequence[str]) -> dict[str, RowAmounts | None]:
    """Return the recorded amounts of Lamassu's rows, by the cash-outs' ids."""
    found: dict[str, RowAmounts | None] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        marks = ",".join("?" * len(some))
        rows = tx.execute(
            f"SELECT id, {', '.join(_COLUMNS.values())} FROM cash_out WHERE id IN ({marks})", some
        )
        found.update({row["id"]: amounts_in(row) for row in rows})
    return found


def shared_out(
    tx: Tx, since: datetime, *, after: str = "", limit: int
) -> list[tuple[str, datetime]]:
    """Return Lamassu's distributed cash-outs that were created since then, by id: id and `created`.

    `after`: the last id of the ones before.
    """
    rows = tx.execute(
        "SELECT id, created_at FROM cash_out WHERE id > ? AND state = 'distributed'"
        " AND created_at >= ? AND row_crypto_code IS NOT NULL ORDER BY id LIMIT ?",
        (after, micros(since), limit),
    )
    return [(row["id"], instant(row["created_at"])) for row in rows]


def newest_shared_out(tx: Tx, after: datetime, *, limit: int) -> list[str]:
    """Return the ids of Lamassu's distributed cash-outs that were created after an instant, oldest first."""
    # The cash leaves after the row was made, so the index on `at` has nothing else to walk through.
    rows = tx.execute(
        "SELECT id FROM cash_out WHERE at > ?1 AND created_at > ?1 AND state = 'distributed'"
        " AND row_crypto_code IS NOT NULL ORDER BY at, id LIMIT ?2",
        (micros(after), limit),
    )
    return [str(row["id"]) for row in rows]

"""What Lamassu said of the amounts of a cash-out when it was shared out, to be held against later.

A cash-out that was never read from Lamassu has no terms, and can't change there.
"""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def note_terms(tx: Tx, cash_out_id: str, terms: str) -> None:
    """Write down what Lamassu says of a recorded cash-out; once it is shared out, that stays."""
    tx.execute("UPDATE cash_out SET terms = ? WHERE id = ?", (terms, cash_out_id))


def terms_of(tx: Tx, ids: Sequence[str]) -> dict[str, str | None]:
    """Return what was written down of cash-outs."""
    found: dict[str, str | None] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        marks = ",".join("?" * len(some))
        rows = tx.execute(f"SELECT id, terms FROM cash_out WHERE id IN ({marks})", some)
        found.update({row["id"]: row["terms"] for row in rows})
    return found


def shared_out(tx: Tx, since: datetime) -> dict[str, datetime]:
    """Return all cash-outs of Lamassu that were created since then and shared out, with `created`."""
    rows = tx.execute(
        "SELECT id, created_at FROM cash_out WHERE state = 'distributed' AND created_at >= ?"
        " AND terms IS NOT NULL ORDER BY created_at, id",
        (micros(since),),
    )
    return {row["id"]: instant(row["created_at"]) for row in rows}

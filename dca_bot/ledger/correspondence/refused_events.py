"""The events that can never be accepted, by the SHA-256 of the whole event; the newest are kept."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

KEPT = 100_000
"""The newest refused events that are kept."""
_SLACK = 10_000
"""Events above KEPT before the oldest are deleted: deleting walks through all."""


def known(tx: Tx) -> list[bytes]:
    """Return the digests of the newest refused events."""
    rows = tx.execute("SELECT digest FROM refused_event ORDER BY refused_at DESC LIMIT ?", (KEPT,))
    return [bytes(row["digest"]) for row in rows]


def note(tx: Tx, digests: Sequence[bytes], now: datetime) -> None:
    """Record refused events; events above the bound are forgotten, the oldest first."""
    tx.executemany(
        "INSERT INTO refused_event (digest, refused_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(digest, micros(now)) for digest in digests],
    )


def forget_oldest(tx: Tx) -> None:
    """Delete the oldest refused events if far more than KEPT are recorded."""
    (row,) = tx.execute("SELECT count(*) AS n FROM refused_event")
    if row["n"] > KEPT + _SLACK:
        tx.execute(
            "DELETE FROM refused_event WHERE digest IN"
            " (SELECT digest FROM refused_event ORDER BY refused_at LIMIT ?)",
            (row["n"] - KEPT,),
        )

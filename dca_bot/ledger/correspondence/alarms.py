"""What is out of reach or isn't done, since when, and whether the operators know.

Kept, so that a restart neither repeats an alarm nor begins an outage anew.
"""

from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros


def lose(tx: Tx, name: str, at: datetime) -> datetime:
    """Note that something is lost at this time, or was before; return since when."""
    row = tx.execute(
        "INSERT INTO alarm (name, since) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET since = min(since, excluded.since) RETURNING since",
        (name, micros(at)),
    ).fetchone()
    return instant(row["since"])


def start(tx: Tx, name: str, began_at: datetime, *, now: datetime) -> None:
    """Record that the operators are told of what was lost."""
    lose(tx, name, began_at)
    tx.execute("UPDATE alarm SET told_at = ? WHERE name = ?", (micros(now), name))


def since(tx: Tx, name: str) -> datetime | None:
    """Return since when what an alarm tells of has lasted; None if there is no alarm."""
    row = tx.execute(
        "SELECT since FROM alarm WHERE name = ? AND told_at IS NOT NULL", (name,)
    ).fetchone()
    return instant_or_none(row["since"] if row else None)


def end(tx: Tx, name: str) -> None:
    """Record that it is over."""
    tx.execute("DELETE FROM alarm WHERE name = ?", (name,))


def forget_untold(tx: Tx) -> None:
    """Forget what no alarm was given of: nobody has looked for long, so nobody knows since when."""
    tx.execute("DELETE FROM alarm WHERE told_at IS NULL")

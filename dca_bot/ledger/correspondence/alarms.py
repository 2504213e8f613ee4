"""Outages: their start, and whether the operators were told.

The table survives a restart, so no alarm is repeated and no outage begins anew.
"""

from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

POLLS = "polls"
"""The name of the outage that Lamassu is not read."""


def lose(tx: Tx, name: str, at: datetime) -> datetime:
    """Record an outage that began at `at` or before; return its start."""
    row = tx.execute(
        "INSERT INTO alarm (name, since) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET since = min(since, excluded.since) RETURNING since",
        (name, micros(at)),
    ).fetchone()
    return instant(row["since"])


def start(tx: Tx, name: str, began_at: datetime, *, now: datetime) -> None:
    """Record that the operators were told of an outage."""
    lose(tx, name, began_at)
    tx.execute("UPDATE alarm SET told_at = ? WHERE name = ?", (micros(now), name))


def since(tx: Tx, name: str) -> datetime | None:
    """Return the start of an outage that the operators were told of; None for no such outage."""
    row = tx.execute(
        "SELECT since FROM alarm WHERE name = ? AND told_at IS NOT NULL", (name,)
    ).fetchone()
    return instant_or_none(row["since"] if row else None)


def everything(tx: Tx) -> dict[str, datetime | None]:
    """Return all recorded outages by name: the start of those that the operators were told of, or None."""
    rows = tx.execute("SELECT name, iif(told_at IS NULL, NULL, since) AS since FROM alarm")
    return {row["name"]: instant_or_none(row["since"]) for row in rows}


def is_any(tx: Tx) -> bool:
    """Tell whether any outage is recorded, told or not."""
    return tx.execute("SELECT 1 FROM alarm LIMIT 1").fetchone() is not None


def names(tx: Tx, prefix: str) -> list[str]:
    """Return the names that begin with `prefix` of all recorded outages."""
    rows = tx.execute(
        "SELECT name FROM alarm WHERE substr(name, 1, ?) = ? ORDER BY name", (len(prefix), prefix)
    )
    return [row["name"] for row in rows]


def end(tx: Tx, name: str) -> None:
    """Remove an outage that is over."""
    tx.execute("DELETE FROM alarm WHERE name = ?", (name,))


def forget_untold(tx: Tx) -> None:
    """Remove the outages without an alarm: after a gap in watching, their start is unknown."""
    tx.execute("DELETE FROM alarm WHERE told_at IS NULL")

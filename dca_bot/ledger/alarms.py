"""Alarms that the operators were given and that aren't over; kept, so that a restart repeats none."""

from datetime import datetime

from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant_or_none, micros


def since(tx: Tx, name: str) -> datetime | None:
    """Return since when what an alarm tells of has lasted; None if there is no alarm."""
    row = tx.execute("SELECT since FROM alarm WHERE name = ?", (name,)).fetchone()
    return instant_or_none(row["since"] if row else None)


def start(tx: Tx, name: str, began_at: datetime) -> None:
    """Record that an alarm is given; IntegrityError if it was already."""
    tx.execute("INSERT INTO alarm (name, since) VALUES (?, ?)", (name, micros(began_at)))


def end(tx: Tx, name: str) -> None:
    """Record that an alarm is over."""
    tx.execute("DELETE FROM alarm WHERE name = ?", (name,))

"""The age of the data that the last successful poll has read.

The ledger keeps the age: commands show the age also while the bot is down.
"""

from datetime import datetime

from dca_bot.core.ports import Copy
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def note(tx: Tx, oldest: Copy | None, newest_at: datetime | None) -> None:
    """Record the oldest copy that was read, None for Lamassu itself, and the newest transaction's time."""
    if oldest is None:
        tx.execute("DELETE FROM oldest_copy")
    else:
        tx.execute(
            "INSERT OR REPLACE INTO oldest_copy (id, name, as_of) VALUES (1, ?, ?)",
            (oldest.name, micros(oldest.as_of)),
        )
    if newest_at is not None:
        bot_state.put(tx, bot_state.NEWEST_AT, newest_at.isoformat())


def oldest_copy(tx: Tx) -> Copy | None:
    """Return the oldest copy that the last poll has read; None if the poll has read Lamassu itself."""
    row = tx.execute("SELECT name, as_of FROM oldest_copy").fetchone()
    return None if row is None else Copy(row["name"], instant(row["as_of"]))


def newest_transaction_at(tx: Tx) -> datetime | None:
    """Return when the newest transaction was created that a poll has read; None before the first."""
    return bot_state.moment(tx, bot_state.NEWEST_AT)

"""The last notice to the operators about the source wallet's funds."""

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def told(tx: Tx) -> TopUp | None:
    """Return the last notice; None if the source wallet has enough."""
    row = tx.execute("SELECT * FROM top_up").fetchone()
    if row is None:
        return None
    return TopUp(
        Trouble(row["trouble"]),
        instant(row["expires_at"]),
        balance_msat=row["balance_msat"],
        asked_sat=row["asked_sat"],
    )


def note(tx: Tx, top_up: TopUp) -> None:
    """Record a notice in place of the last notice."""
    tx.execute(
        "INSERT OR REPLACE INTO top_up (id, trouble, expires_at, balance_msat, asked_sat)"
        " VALUES (1, ?, ?, ?, ?)",
        (top_up.trouble, micros(top_up.expires_at), top_up.balance_msat, top_up.asked_sat),
    )


def forget(tx: Tx) -> bool:
    """Record that the source wallet has enough; tell whether a notice was in force."""
    return tx.execute("DELETE FROM top_up").rowcount == 1

"""Who was told which month's statement, and which milestone.

The invariant: a client is told of a month, and of a milestone, once at most. The transaction that writes the
message sets the mark.
"""

from dca_bot.core.stats import last_milestone
from dca_bot.ledger.programme.clients import OPEN_CLIENT
from dca_bot.ledger.store.database import Tx

MONTHLY, OFF = "monthly", "off"


def set_wish(tx: Tx, client_id: int, wish: str, *, month: str) -> None:
    """Record whether a client wants statements: MONTHLY or OFF. The months up to `month` are never told."""
    tx.execute("UPDATE client SET statements = ? WHERE id = ?", (wish, client_id))
    _mark(tx, "id = ?", month, client_id)


def due(tx: Tx, month: str) -> list[int]:
    """Return the ids of the clients who are still to be told of a month (`2026-10`) or an earlier one."""
    rows = tx.execute(
        f"SELECT id FROM client WHERE {OPEN_CLIENT} AND statements = '{MONTHLY}'"
        " AND statement_month < ? ORDER BY id",
        (month,),
    )
    return [row["id"] for row in rows]


def take(tx: Tx, client_id: int, month: str) -> bool:
    """Mark a client as told of a month; return whether the client is to be told now.

    Not told: a month of before, statements that are off, and what was before the first look at the client.
    """
    row = tx.execute("SELECT statement_month FROM client WHERE id = ?", (client_id,)).fetchone()
    is_marked = _mark(tx, f"id = ? AND statements = '{MONTHLY}'", month, client_id)
    return is_marked and row["statement_month"] != ""


def leave_untold(tx: Tx, month: str) -> None:
    """Mark all clients as told of a month: a restored ledger doesn't know what left after the copy."""
    _mark(tx, "true", month)


def reach_milestone(tx: Tx, client_id: int, *, bought_sat: int, before_sat: int) -> int | None:
    """Mark the last milestone of a client's purchases as told; return the milestone in sats if it is new.

    `bought_sat`: all that the client has bought; `before_sat`: without the payout that has just arrived.
    Whoever was never looked at knows the milestones before that payout.
    """
    reached_sat = last_milestone(bought_sat)
    done = tx.execute(
        "UPDATE client SET milestone_sat = ?1 WHERE id = ?2 AND coalesce(milestone_sat, ?3) < ?1",
        (reached_sat, client_id, last_milestone(before_sat)),
    )
    return reached_sat if done.rowcount == 1 else None


def _mark(tx: Tx, where: str, month: str, *values: int) -> bool:
    done = tx.execute(
        f"UPDATE client SET statement_month = ? WHERE statement_month < ? AND {where}",
        (month, month, *values),
    )
    return done.rowcount > 0

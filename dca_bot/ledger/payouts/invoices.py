"""The invoices of payouts that are done: after 90 days an attempt keeps its payment hash, and no invoice."""

from datetime import datetime, timedelta

from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

KEPT = timedelta(days=90)


def forget(tx: Tx, *, now: datetime, limit: int) -> int:
    """Forget the invoices of about `limit` payouts that were done KEPT ago, oldest first; return how many.

    Invoices that the payee's server is still asked about stay. What a clock that was ahead has forgotten too
    early is forgotten: the next call goes on from what is due by now.
    """
    due = now - KEPT
    begun = bot_state.moment(tx, bot_state.INVOICES_FORGOTTEN) or instant(0)
    span = "done_at > ? AND done_at <= ?"
    since, until = micros(min(begun, due)), micros(due)
    row = tx.execute(
        "SELECT max(done_at) AS last FROM"
        f" (SELECT done_at FROM payout WHERE {span} ORDER BY done_at LIMIT ?)",
        (since, until, limit),
    ).fetchone()
    if row["last"] is None and begun <= due:
        return 0
    last = since if row["last"] is None else row["last"]
    bot_state.put(tx, bot_state.INVOICES_FORGOTTEN, instant(last).isoformat())
    return tx.execute(
        f"UPDATE attempt SET bolt11 = '' WHERE payout_id IN (SELECT id FROM payout WHERE {span})"
        " AND bolt11 <> '' AND NOT EXISTS (SELECT 1 FROM verify_due"
        "   WHERE verify_due.payout_id = attempt.payout_id AND verify_due.number = attempt.number)",
        (since, last),
    ).rowcount

"""Reads the numbers that the metrics show; no statement takes longer with history."""

from collections.abc import Collection
from datetime import datetime

from dca_bot.core.ceilings import Ceilings
from dca_bot.core.figures import LedgerFigures
from dca_bot.core.money import sat_ceil
from dca_bot.core.payout import FINISHED, PayoutState
from dca_bot.ledger.correspondence import delivery, outbox
from dca_bot.ledger.payouts import holds, payout_need, queue
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

_NO_PAYOUTS = {str(state): 0 for state in PayoutState if state not in FINISHED}


def read(tx: Tx, operators: Collection[str], ceilings: Ceilings, now: datetime) -> LedgerFigures:
    """Return the numbers of the ledger; `operators`: the operators' public keys."""
    before = now - delivery.SHOWN_AFTER
    stall = bot_state.longest_stall(tx)
    return LedgerFigures(
        payouts={**_NO_PAYOUTS, **queue.counts(tx)},
        oldest_due_at=queue.oldest_due_at(tx),
        overdue=queue.overdue_count(tx, now),
        needed_sat=sat_ceil(payout_need.need(tx, ceilings, now=now).needed_msat),
        polled_at=bot_state.last_poll_at(tx),
        open_holds=holds.open_count(tx),
        unsent_messages=outbox.unsent(tx),
        lost_operators=len(delivery.lost_operators(tx, operators, before=before)),
        lost_clients=len(delivery.lost_clients(tx, before=before)),
        clients=len(clients.pubkeys(tx)),
        distributions=_distributions(tx),
        backup_at=bot_state.moment(tx, bot_state.BACKUP_AT),
        ledger_bytes=_bytes(tx),
        longest_stall_ms=0 if stall is None else stall["ms"],
    )


def _distributions(tx: Tx) -> int:
    """Count the distributions by the last row's number: none is ever deleted."""
    return int(tx.execute("SELECT coalesce(max(rowid), 0) AS n FROM distribution").fetchone()["n"])


def _bytes(tx: Tx) -> int:
    pages, page_bytes = (
        tx.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * page_bytes)

"""Holds the source wallet's payments against the ledger.

The invariant: what LNbits knows and the ledger doesn't is never paid again by itself. That happens
when a backup was restored, or when two bots run on copies of one ledger.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dca_bot.chat.herald import Herald
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Payment, PaymentStatus, Wallet
from dca_bot.ledger import payouts
from dca_bot.ledger.database import Database, Tx
from dca_bot.ledger.holds import KNOWN_PAYOUT, Hold
from dca_bot.ledger.instant import micros
from dca_bot.ledger.payouts import Payout

_log = logging.getLogger(__name__)
_BATCH = 500
_UNSENT = (PayoutState.PLANNED, PayoutState.INVOICED)


async def reconcile(database: Database, wallet: Wallet, herald: Herald, *, now: datetime) -> int:
    """Read all payments that carry the bot's tag; return how many the ledger doesn't know.

    Raise LnbitsUnavailable if the list can't be read whole; what was recorded so far stands.
    """
    unknown, batch = 0, []
    async for payment in wallet.tagged_payments():
        batch.append(payment)
        if len(batch) == _BATCH:
            unknown += await _record(database, herald, batch, now)
            batch = []
    unknown += await _record(database, herald, batch, now)
    return unknown


def record_unknown(tx: Tx, payments: Iterable[Payment], *, now: datetime) -> tuple[int, list[Hold]]:
    """Record the payments that the ledger has no invoice of; hold unsent payouts they belong to."""
    unknown, opened = 0, []
    for payment in payments:
        if _is_recorded(tx, payment):
            continue
        unknown += 1
        _remember(tx, payment, now)
        payout = payouts.by_id(tx, payment.external_id)
        if payout is not None and payout.state in _UNSENT and not _is_settled(payout, payment):
            hold = payouts.hold(tx, payout, KNOWN_PAYOUT, now=now)
            opened += [hold] if hold else []
            _log.error("payout known to LNbits already payout=%s", payout.id[:8])
    return unknown, opened


def is_known_distribution(tx: Tx, distribution_id: str) -> bool:
    """Tell whether LNbits has a payment for a distribution that the ledger doesn't know of."""
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE distribution_id = ? LIMIT 1", (distribution_id,)
    )
    return row.fetchone() is not None


async def _record(database: Database, herald: Herald, batch: list[Payment], now: datetime) -> int:
    def work(tx: Tx) -> int:
        unknown, opened = record_unknown(tx, batch, now=now)
        for hold in opened:
            herald.hold_opened(tx, hold, now)
        return unknown

    return await database.transact(work) if batch else 0


def _is_recorded(tx: Tx, payment: Payment) -> bool:
    row = tx.execute("SELECT 1 FROM attempt WHERE payment_hash = ?", (payment.payment_hash,))
    return row.fetchone() is not None


def _is_settled(payout: Payout, payment: Payment) -> bool:
    """Tell whether the operator has let the payout go although this payment had failed."""
    return payout.approved and payment.status is PaymentStatus.FAILED


def _remember(tx: Tx, payment: Payment, now: datetime) -> None:
    for distribution_id in _distributions(payment.extra or {}):
        tx.execute(
            "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, amount_msat,"
            " fee_msat, status, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET status = excluded.status",
            (
                payment.payment_hash,
                payment.external_id,
                distribution_id,
                payment.amount_msat,
                payment.fee_msat,
                payment.status,
                micros(now),
            ),
        )


def _distributions(extra: Any) -> list[str]:
    listed = extra.get("distributions") if isinstance(extra, dict) else None
    ids = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return ids or [""]

"""Payments that LNbits knows and the ledger has no invoice of.

There are some when an old copy of the ledger was put back, or when two bots run on copies of one.
Nothing that they have paid is paid again by itself.
"""

from datetime import datetime

from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant, micros


def is_recorded(tx: Tx, payment: Payment) -> bool:
    """Tell whether the ledger knows that it sent a payment.

    It doesn't where it has the invoice but not that it was submitted: that copy is too old.
    """
    row = tx.execute(
        "SELECT 1 FROM attempt JOIN payout ON payout.id = payout_id WHERE payment_hash = ?"
        " AND (payout.state NOT IN ('PLANNED', 'INVOICED') OR ? = 'failed')",
        (payment.payment_hash, payment.status),
    )
    return row.fetchone() is not None


def remember(tx: Tx, payment: Payment, *, now: datetime) -> None:
    """Record a payment under each distribution that its `extra` names; or how it stands now."""
    for distribution_id in distributions_of(payment) or [""]:
        tx.execute(
            "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, amount_msat,"
            " fee_msat, status, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET status = excluded.status, fee_msat = excluded.fee_msat",
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


def of_payout(tx: Tx, payout_id: str) -> list[Payment]:
    """Return the payments with a payout's id; `created_at` is when they were first seen."""
    return _payments(tx, "external_id = ?", payout_id)


def of_distribution(tx: Tx, distribution_id: str) -> list[Payment]:
    """Return the payments for a distribution; `created_at` is when they were first seen."""
    return _payments(tx, "distribution_id = ?", distribution_id)


def _payments(tx: Tx, where: str, value: str) -> list[Payment]:
    rows = tx.execute(
        "SELECT payment_hash, external_id, amount_msat, fee_msat, status,"
        f" max(seen_at) AS seen_at FROM foreign_payment WHERE {where} GROUP BY payment_hash",
        (value,),
    )
    return [
        Payment(
            payment_hash=row["payment_hash"],
            external_id=row["external_id"],
            amount_msat=row["amount_msat"],
            fee_msat=row["fee_msat"],
            status=PaymentStatus(row["status"]),
            created_at=instant(row["seen_at"]),
        )
        for row in rows
    ]


def distributions_of(payment: Payment) -> list[str]:
    """Return the ids of the distributions that a payment was made for."""
    listed = (payment.extra or {}).get("distributions")
    return [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []

"""Unknown payments: payments that LNbits has and whose invoice the ledger lacks.

Unknown payments appear after a restored ledger, or when two bots run on copies of a ledger.

The invariant: a share for which LNbits has or may have an unknown payment is never paid again without an
operator's word. The table `foreign_payment` has one row for each unknown payment and each distribution
that the payment's `extra` names.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.attempt import FAILED_FOR_GOOD
from dca_bot.core.money import sat_floor
from dca_bot.core.payment_extra import client_of, distributions_of, fiat_of
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.payouts import IS_UNSENT
from dca_bot.ledger.programme import commission
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

_HASHES_MAX = 500
_IS_EXPECTED = (
    f"submitted_at IS NOT NULL AND number = payout.attempt AND NOT {IS_UNSENT}"
    " AND payout.state NOT IN ('MERGED', 'CANCELLED', 'VOID')"
)
"""SQL for an attempt whose payment the ledger expects: submitted, and not given up."""


@dataclass(frozen=True, slots=True)
class UnknownPayment:
    """An unknown payment, seen as a payment for one distribution.

    `client_name`: the client's `paid_as`. `minor`: the client's fiat that the payment's `extra` names, 0
    if none. `is_shared`: the payment covers several distributions, and nobody can tell how much of each.
    """

    external_id: str
    client_name: str
    minor: int
    payment: Payment
    is_shared: bool

    @property
    def sat(self) -> int:
        """Return the payment's amount in whole sats."""
        return sat_floor(-self.payment.amount_msat)

    @property
    def seen_at(self) -> datetime:
        """Return when the ledger first saw the payment."""
        assert self.payment.seen_at is not None
        return self.payment.seen_at

    def can_pay(self, share: tuple[int, int] | None) -> bool:
        """Tell whether the payment can have paid a share (fiat in minor units, sats); None for no share.

        A payment for several distributions can have paid any smaller share.
        """
        if share is None or not self.is_shared:
            return share == (self.minor, self.sat)
        return share[0] <= self.minor and share[1] <= self.sat


def is_recorded(tx: Tx, payment: Payment) -> bool:
    """Tell whether the ledger expects a payment: an attempt's invoice, submitted and not given up.

    False also for an invoice that the ledger has but never submitted (a restored ledger), and for an
    invoice that was given up and that LNbits pays after all. A failed payment needs the invoice alone.
    """
    row = tx.execute(
        "SELECT 1 FROM attempt JOIN payout ON payout.id = payout_id WHERE payment_hash = ?"
        f" AND ({_IS_EXPECTED} OR ? = 'failed')",
        (payment.payment_hash, payment.status),
    )
    return row.fetchone() is not None


def expected_hashes(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Return those hashes whose payment the ledger expects, whatever the payment's status (`is_recorded`)."""
    return _among(
        tx,
        "SELECT payment_hash FROM attempt JOIN payout ON payout.id = payout_id WHERE "
        + _IS_EXPECTED
        + " AND payment_hash IN ({marks})",
        hashes,
    )


def remembered_hashes(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Return those hashes whose payment was recorded as unknown."""
    return _among(
        tx, "SELECT payment_hash FROM foreign_payment WHERE payment_hash IN ({marks})", hashes
    )


def is_remembered(tx: Tx, payment_hash: str) -> bool:
    """Tell whether a payment was recorded as unknown."""
    row = tx.execute("SELECT 1 FROM foreign_payment WHERE payment_hash = ?", (payment_hash,))
    return row.fetchone() is not None


def remember(tx: Tx, payment: Payment, *, now: datetime) -> bool:
    """Record an unknown payment under each distribution that the payment's `extra` names.

    Return whether the payment is news: new to the ledger, or failed before and not failed now.
    """
    seen = tx.execute(
        "SELECT status FROM foreign_payment WHERE payment_hash = ?", (payment.payment_hash,)
    ).fetchone()
    for distribution_id in distributions_of(payment) or [""]:
        tx.execute(
            "INSERT INTO foreign_payment (payment_hash, external_id, distribution_id, client_name,"
            " amount_msat, fee_msat, status, seen_at, fiat_minor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET status = excluded.status, fee_msat = excluded.fee_msat",
            (
                payment.payment_hash,
                payment.external_id,
                distribution_id,
                client_of(payment),
                payment.amount_msat,
                payment.fee_msat,
                payment.status,
                micros(now),
                fiat_of(payment),
            ),
        )
    revived = payment.status is not PaymentStatus.FAILED
    return seen is None or (seen["status"] == PaymentStatus.FAILED and revived)


def renew(tx: Tx, payment: Payment) -> None:
    """Update status and fee of a recorded unknown payment; do nothing for any other payment."""
    tx.execute(
        "UPDATE foreign_payment SET status = ?, fee_msat = ? WHERE payment_hash = ?",
        (payment.status, payment.fee_msat, payment.payment_hash),
    )


def failed_for_good_at(tx: Tx, now: datetime) -> datetime:
    """Return up to when an unknown payment must have been seen that has failed for good by now.

    A clock that is ahead makes none older.
    """
    return clock.steady(tx, now) - FAILED_FOR_GOOD


def open_hashes(tx: Tx, *, now: datetime, limit: int) -> list[str]:
    """Return the hashes of unknown payments that may still change: pending, or failed lately."""
    rows = tx.execute(
        "SELECT DISTINCT payment_hash FROM foreign_payment WHERE status = 'pending'"
        " OR status = 'failed' AND seen_at > ? LIMIT ?",
        (micros(failed_for_good_at(tx, now)), limit),
    )
    return [row["payment_hash"] for row in rows]


def first_seen_at(tx: Tx, payment_hash: str) -> datetime | None:
    """Return when the ledger first saw an unknown payment; None for a payment that is not recorded."""
    row = tx.execute(
        "SELECT max(seen_at) AS seen_at FROM foreign_payment WHERE payment_hash = ?",
        (payment_hash,),
    ).fetchone()
    return None if row["seen_at"] is None else instant(row["seen_at"])


def was_let_go(tx: Tx, payout_id: str, payment: Payment) -> bool:
    """Tell whether an operator has let a payout go on after an unknown payment of the payout was seen."""
    row = tx.execute(
        "SELECT 1 FROM hold WHERE ref = ? AND reason = ? AND outcome = 'accepted' AND closed_at >="
        " (SELECT max(seen_at) FROM foreign_payment WHERE payment_hash = ?)",
        (payout_id, HoldReason.KNOWN_PAYOUT, payment.payment_hash),
    )
    return row.fetchone() is not None


def covers_share(tx: Tx, payout: Payout, *, now: datetime) -> bool:
    """Tell whether LNbits has or may have paid a share of a payout under another payout's id.

    A payment that failed lately may still succeed. A payment to a name that no client has could have been
    for this payout's client, unless an operator has accepted the distribution.
    """
    lately = micros(failed_for_good_at(tx, now))
    return any(
        tx.execute(
            "SELECT 1 FROM foreign_payment WHERE distribution_id = ?1 AND external_id <> ?2"
            " AND (status <> 'failed' OR seen_at > ?5)"
            " AND (client_name = ?3 OR client_name NOT IN (SELECT coalesce(paid_as, name) FROM client)"
            " AND NOT EXISTS"
            " (SELECT 1 FROM hold WHERE ref = ?6 AND reason = ?4 AND outcome = 'accepted')) LIMIT 1",
            (
                distribution_id,
                payout.id,
                payout.paid_as,
                HoldReason.KNOWN_DISTRIBUTION,
                lately,
                commission.cash_out_of(distribution_id),
            ),
        ).fetchone()
        for distribution_id in payout.distribution_ids
    )


def may_concern(tx: Tx, paid_as: str, *, now: datetime) -> bool:
    """Tell whether LNbits has or may have paid a client for a distribution that the ledger lacks.

    `paid_as`: the client's name in payments. A payment to a name that no client has could have been for the
    client. What an operator has settled by hand doesn't count.
    """
    row = tx.execute(
        "SELECT 1 FROM foreign_payment AS one WHERE distribution_id <> '' AND settled_at IS NULL"
        " AND (status <> 'failed' OR seen_at > ?)"
        " AND (client_name = ? OR client_name NOT IN (SELECT coalesce(paid_as, name) FROM client))"
        " AND NOT EXISTS (SELECT 1 FROM distribution WHERE id = one.distribution_id) LIMIT 1",
        (micros(failed_for_good_at(tx, now)), paid_as),
    )
    return row.fetchone() is not None


def paid_for(tx: Tx, distribution_id: str) -> list[UnknownPayment]:
    """Return a distribution's succeeded unknown payments that no operator has settled by hand."""
    return _unsettled(tx, "status = 'success'", distribution_id)


def still_paying(tx: Tx, distribution_id: str, *, now: datetime) -> list[UnknownPayment]:
    """Return a distribution's unknown payments that may still succeed: pending, or failed lately."""
    lately = micros(failed_for_good_at(tx, now))
    return _unsettled(
        tx, "(status = 'pending' OR status = 'failed' AND seen_at > ?)", distribution_id, lately
    )


def may_still_cover(tx: Tx, payout: Payout, *, now: datetime) -> bool:
    """Tell whether LNbits may still pay a share of a payout under another payout's id, to that client."""
    return any(
        one.external_id != payout.id and one.client_name.casefold() == payout.paid_as.casefold()
        for distribution_id in payout.distribution_ids
        for one in still_paying(tx, distribution_id, now=now)
    )


def settle_distribution(tx: Tx, distribution_id: str, *, now: datetime) -> None:
    """Record that the operator settles a distribution's succeeded unknown payments by hand."""
    tx.execute(
        "UPDATE foreign_payment SET settled_at = ? WHERE settled_at IS NULL AND status = 'success'"
        " AND distribution_id IN (?, ?)",
        (micros(now), distribution_id, commission.split_id(distribution_id)),
    )


def settle_payout(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the operator settles the unknown payments of a payout's distributions by hand.

    The part of a payment that went to other clients stays unsettled.
    """
    tx.execute(
        "UPDATE foreign_payment SET settled_at = ?1 WHERE settled_at IS NULL AND status = 'success'"
        " AND (external_id = ?2 AND distribution_id = '' OR distribution_id IN"
        " (SELECT distribution_id FROM share WHERE payout_id = ?2)"
        " AND (external_id = ?2 OR client_name = ?3))",
        (micros(now), payout.id, payout.paid_as),
    )


def settled_hashes(tx: Tx) -> set[str]:
    """Return the hashes of unknown payments that the operator has settled by hand in full.

    In full: each distribution of the payment is settled, or recorded in the ledger.
    """
    rows = tx.execute(
        "SELECT payment_hash FROM foreign_payment AS one GROUP BY payment_hash"
        " HAVING max(settled_at) IS NOT NULL AND min(settled_at IS NOT NULL OR EXISTS"
        " (SELECT 1 FROM distribution WHERE id = one.distribution_id))"
    )
    return {str(row["payment_hash"]) for row in rows}


def of_payout(tx: Tx, payout_id: str) -> list[Payment]:
    """Return the unknown payments that carry a payout's id."""
    return _payments(tx, "external_id = ?", payout_id)


def of_distribution(tx: Tx, distribution_id: str) -> list[Payment]:
    """Return the unknown payments for a distribution."""
    return _payments(tx, "distribution_id = ?", distribution_id)


def of_cash_out(tx: Tx, cash_out_id: str) -> list[Payment]:
    """Return the unknown payments for a cash-out's principal and for the cash-out's commission."""
    ids = cash_out_id, commission.split_id(cash_out_id)
    return _payments(tx, "distribution_id IN (?, ?)", *ids)


def any_of_cash_out(tx: Tx, cash_out_id: str) -> bool:
    """Tell whether `of_cash_out` finds a payment."""
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE distribution_id IN (?, ?) LIMIT 1",
        (cash_out_id, commission.split_id(cash_out_id)),
    )
    return row.fetchone() is not None


def _among(tx: Tx, query: str, hashes: Sequence[str]) -> set[str]:
    """Return the hashes that a query finds; `{marks}` in the query stands for a number of hashes."""
    found: set[str] = set()
    for start in range(0, len(hashes), _HASHES_MAX):
        some = hashes[start : start + _HASHES_MAX]
        rows = tx.execute(query.format(marks=",".join("?" * len(some))), tuple(some))
        found.update(row["payment_hash"] for row in rows)
    return found


def _payments(tx: Tx, where: str, *values: str) -> list[Payment]:
    rows = tx.execute(
        "SELECT payment_hash, external_id, amount_msat, fee_msat, status,"
        f" max(seen_at) AS seen_at FROM foreign_payment WHERE {where} GROUP BY payment_hash",
        values,
    )
    return [_payment(row) for row in rows]


def _unsettled(
    tx: Tx, where: str, distribution_id: str, *values: str | int
) -> list[UnknownPayment]:
    rows = tx.execute(
        "SELECT *, EXISTS (SELECT 1 FROM foreign_payment AS other"
        "   WHERE other.payment_hash = one.payment_hash AND other.distribution_id <> one.distribution_id)"
        " AS is_shared FROM foreign_payment AS one"
        f" WHERE distribution_id = ? AND settled_at IS NULL AND {where}"
        " ORDER BY client_name, payment_hash",
        (distribution_id, *values),
    )
    return [
        UnknownPayment(
            row["external_id"],
            row["client_name"],
            row["fiat_minor"] or 0,
            _payment(row),
            is_shared=bool(row["is_shared"]),
        )
        for row in rows
    ]


def _payment(row: sqlite3.Row) -> Payment:
    return Payment(
        payment_hash=row["payment_hash"],
        external_id=row["external_id"],
        amount_msat=row["amount_msat"],
        fee_msat=row["fee_msat"],
        status=PaymentStatus(row["status"]),
        seen_at=instant(row["seen_at"]),
    )

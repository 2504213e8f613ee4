"""What a span of time brought: sales, commission, fixed runs, reversed payouts and fees.

The invariant: a query reads the rows of the span alone, and no share of a client.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.takings import Sale
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

Span = tuple[datetime, datetime]
"""From the first instant on, up to and without the second."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A number of things, with their fiat and sats."""

    count: int
    minor: int
    sat: int


def sales(tx: Tx, span: Span) -> list[Sale]:
    """Return the cash-outs that were shared out, by the distribution's time."""
    rows = tx.execute(
        "SELECT distribution.at, coalesce(device_id, '') AS device_id,"
        " distribution.principal_minor, distribution.principal_sat, shared_minor, unallocated_sat,"
        " distribution.commission_sat FROM distribution"
        " JOIN distribution_sum ON distribution_id = distribution.id"
        " LEFT JOIN cash_out ON cash_out.id = distribution.id"
        " WHERE distribution.at >= ? AND distribution.at < ? AND kind = 'flow'"
        " ORDER BY distribution.at",
        _micros(span),
    )
    return [
        Sale(
            at=instant(row["at"]),
            device_id=row["device_id"],
            minor=row["principal_minor"],
            sat=row["principal_sat"],
            shared_minor=row["shared_minor"],
            rest_sat=row["unallocated_sat"],
            commission_sat=row["commission_sat"],
        )
        for row in rows
    ]


def fixed_runs(tx: Tx, span: Span) -> Sum:
    """Return the runs of the fixed mode that bought for somebody."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(principal_minor), 0) AS minor,"
        " coalesce(sum(principal_sat), 0) AS sat FROM distribution"
        " WHERE at >= ? AND at < ? AND kind = 'fixed' AND principal_sat > 0",
        _micros(span),
    ).fetchone()
    return Sum(row["n"], row["minor"], row["sat"])


def split(tx: Tx, span: Span) -> list[tuple[str, int]]:
    """Return the name and the sats of each who got a part of the commission, the largest part first."""
    # CROSS JOIN: the span's few splits come first, not the shares.
    rows = tx.execute(
        "SELECT name, sum(sat) AS sat FROM distribution"
        " CROSS JOIN share ON distribution_id = distribution.id JOIN client ON client.id = client_id"
        " WHERE at >= ? AND at < ? AND kind = 'commission'"
        " GROUP BY client_id ORDER BY sat DESC, name",
        _micros(span),
    )
    return [(row["name"], row["sat"]) for row in rows]


def reversed_payouts(tx: Tx, span: Span) -> Sum:
    """Return the payouts that were cancelled in the span: fiat back to clients, sats to the operator."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat, coalesce(sum("
        "   (SELECT coalesce(sum(minor), 0) FROM share WHERE share.payout_id = payout.id)), 0) AS minor"
        " FROM posting JOIN payout ON payout.id = posting.payout_id"
        " WHERE posting.kind = 'cancel' AND posted_at >= ? AND posted_at < ?",
        _micros(span),
    ).fetchone()
    return Sum(row["n"], row["minor"], row["sat"])


def fees_msat(tx: Tx, span: Span) -> int:
    """Return the fees of the payouts that were finished in the span."""
    row = tx.execute(
        "SELECT coalesce(sum(fee_msat), 0) AS fee FROM payout"
        " WHERE done_at >= ? AND done_at < ? AND done_at IS NOT NULL AND fee_msat > 0",
        _micros(span),
    ).fetchone()
    return int(row["fee"])


def first_at(tx: Tx) -> datetime | None:
    """Return the time of the first distribution; None without one."""
    return instant_or_none(tx.execute("SELECT min(at) AS at FROM distribution").fetchone()["at"])


def _micros(span: Span) -> tuple[int, int]:
    return micros(span[0]), micros(span[1])

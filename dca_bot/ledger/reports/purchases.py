"""A client's purchases; cancelled purchases don't count."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from dca_bot.core.stats import Purchase
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

Span = tuple[datetime, datetime]
"""From the first instant on, up to and without the second."""


@dataclass(frozen=True, slots=True)
class Bought:
    """A client's purchases, newest recorded first; `commission_sat` came besides, for no fiat."""

    purchases: tuple[Purchase, ...]
    commission_sat: int


def since(tx: Tx, client_id: int, start: datetime | None) -> Bought:
    """Return a client's purchases since `start`, or all.

    Shares are read from the newest back to the first one recorded before `start`: no share recorded earlier
    has a later time.
    """
    rows = tx.execute(
        "SELECT distribution.at, processed_at, kind, minor, sat, payout_id, payout.state FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = ? ORDER BY share.id DESC",
        (client_id,),
    )
    start_us = micros(start) if start else 0
    recent = takewhile(lambda row: row["processed_at"] >= start_us, rows)
    return _bought(row for row in recent if row["at"] >= start_us and row["state"] != "CANCELLED")


def within(tx: Tx, client_id: int, span: Span) -> Bought:
    """Return a client's purchases of the distributions within a span of time, newest first.

    The distributions of the span are read, and not what came after the span.
    """
    rows = tx.execute(
        "SELECT distribution.at, kind, minor, sat, payout_id FROM distribution"
        # CROSS JOIN keeps the order of the two: by the index of the distributions' times.
        " CROSS JOIN share ON share.distribution_id = distribution.id AND share.client_id = ?"
        " LEFT JOIN payout ON payout.id = payout_id"
        " WHERE distribution.at >= ? AND distribution.at < ?"
        " AND coalesce(payout.state, '') <> 'CANCELLED' ORDER BY distribution.at DESC",
        (client_id, micros(span[0]), micros(span[1])),
    )
    return _bought(rows)


def sales_since(tx: Tx, start: datetime) -> tuple[int, datetime | None]:
    """Return the number of cash-outs shared out since `start`, and the time of the last; None without."""
    row = tx.execute(
        "SELECT count(*) AS n, max(at) AS at FROM distribution WHERE at >= ? AND kind = 'flow'",
        (micros(start),),
    ).fetchone()
    return row["n"], instant_or_none(row["at"])


def saving_since(tx: Tx, client_id: int) -> datetime | None:
    """Return when a client's first deposit was confirmed; None without one."""
    row = tx.execute(
        "SELECT min(confirmed_at) AS at FROM deposit WHERE client_id = ?", (client_id,)
    ).fetchone()
    return instant_or_none(row["at"])


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One share in a client's history; `kind` is the distribution's kind, `number` the share's own.

    `payout_state` is None while the share waits for more shares.
    """

    number: int
    at: datetime
    kind: str
    minor: int
    sat: int
    payout_state: str | None


def history(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[HistoryLine]:
    """Return a client's shares, newest first."""
    rows = tx.execute(
        "SELECT share.id, distribution.at, kind, minor, sat, payout.state FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = ? ORDER BY share.id DESC LIMIT ? OFFSET ?",
        (client_id, limit, offset),
    )
    return [
        HistoryLine(
            number=row["id"],
            at=instant(row["at"]),
            kind=row["kind"],
            minor=row["minor"],
            sat=row["sat"],
            payout_state=row["state"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Got:
    """A payee's sums without reversed shares: sats bought, fiat spent, sats of commission."""

    bought_sat: int = 0
    spent_minor: int = 0
    earned_sat: int = 0


def got(tx: Tx, client_id: int) -> Got:
    """Return a payee's sums, which the schema keeps beside the shares."""
    row = tx.execute("SELECT * FROM client_sum WHERE client_id = ?", (client_id,)).fetchone()
    if row is None:
        return Got()
    return Got(row["bought_sat"], row["spent_minor"], row["earned_sat"])


def _bought(rows: Iterable[sqlite3.Row]) -> Bought:
    """Tell the purchases among shares from the commission."""
    purchases, commission_sat = [], 0
    for row in rows:
        if row["kind"] == COMMISSION_SPLIT:
            commission_sat += row["sat"]
        else:
            at = instant(row["at"])
            purchases.append(Purchase(at, row["minor"], row["sat"], row["payout_id"]))
    return Bought(tuple(purchases), commission_sat)

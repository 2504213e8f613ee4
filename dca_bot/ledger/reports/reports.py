"""What people ask the ledger for; nothing here changes anything."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One share as its client sees it; `payout_state` is None while it waits for more shares.

    `kind` is its distribution's.
    """

    at: datetime
    kind: str
    minor: int
    sat: int
    payout_state: str | None


def history(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[HistoryLine]:
    """Return a client's shares, newest first."""
    rows = tx.execute(
        "SELECT distribution.at, kind, minor, sat, payout.state FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = ? ORDER BY share.id DESC LIMIT ? OFFSET ?",
        (client_id, limit, offset),
    )
    return [
        HistoryLine(
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
    """What somebody has got so far, reversed shares aside: bought for fiat, and of the commission."""

    bought_sat: int = 0
    spent_minor: int = 0
    earned_sat: int = 0


def got(tx: Tx, client_id: int) -> Got:
    """Return what somebody has got, from sums that the schema keeps beside the shares."""
    row = tx.execute("SELECT * FROM client_sum WHERE client_id = ?", (client_id,)).fetchone()
    if row is None:
        return Got()
    return Got(row["bought_sat"], row["spent_minor"], row["earned_sat"])


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be paid to somebody, in sats.

    `kept` waits until it is enough for the wallet, `held` for the operator, and `coming` is paid by
    itself.
    """

    kept: int
    held: int
    coming: int


def owed(tx: Tx, client_id: int, owed_sat: int) -> Owed:
    """Return why a client's sats aren't paid yet."""
    row = tx.execute(
        "SELECT (SELECT coalesce(sum(sat), 0) FROM share WHERE client_id = ?1 AND payout_id IS NULL)"
        " AS kept, (SELECT coalesce(sum(amount_sat), 0) FROM open_payout"
        "   WHERE client_id = ?1 AND state = 'HELD') AS held",
        (client_id,),
    ).fetchone()
    return Owed(row["kept"], row["held"], owed_sat - row["kept"] - row["held"])


def open_items(tx: Tx, client_id: int) -> tuple[int, int, int]:
    """Return (balance, open payouts and unplanned shares, pending deposits): what keeps a client."""
    row = tx.execute(
        "SELECT (SELECT balance FROM account WHERE kind = 'balance' AND client_id = ?1) AS minor,"
        " (SELECT count(*) FROM open_payout WHERE client_id = ?1)"
        " + (SELECT count(*) FROM share WHERE client_id = ?1 AND payout_id IS NULL) AS payouts,"
        " (SELECT count(*) FROM deposit WHERE client_id = ?1 AND state = 'pending') AS deposits",
        (client_id,),
    ).fetchone()
    return row["minor"], row["payouts"], row["deposits"]


def totals(tx: Tx) -> dict[str, int]:
    """Return the sum of each kind of account."""
    rows = tx.execute("SELECT kind, sum(balance) AS total FROM account GROUP BY kind")
    return {row["kind"]: row["total"] for row in rows}


def was_stranger(tx: Tx, sender: str) -> bool:
    """Tell whether a message of this sender was answered as a stranger's before."""
    row = tx.execute(
        "SELECT 1 FROM inbox INDEXED BY inbox_stranger"
        " WHERE sender = ? AND command = 'stranger' LIMIT 1",
        (sender,),
    )
    return row.fetchone() is not None


def holds_count(tx: Tx) -> int:
    """Return how many holds are open."""
    return int(tx.execute("SELECT count(*) FROM hold WHERE closed_at IS NULL").fetchone()[0])


def pending_deposits(tx: Tx) -> tuple[int, int]:
    """Return (count, minor units) of all pending deposits."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS minor FROM deposit"
        " WHERE state = 'pending'"
    ).fetchone()
    return row["n"], row["minor"]

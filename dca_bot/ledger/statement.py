"""A client's own account: what came in, what was bought, what went back, newest first."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant, micros


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line: `what` is deposit, withdrawal or a kind of distribution.

    `state` is the deposit's or the payout's, `collecting` for a share that waits for more.
    """

    at: datetime
    what: str
    minor: int
    sat: int
    state: str


def statement(
    tx: Tx, client_id: int, *, since: datetime | None, limit: int, offset: int
) -> list[StatementLine]:
    """Return a client's lines since an instant (None: all), newest first.

    Shares and withdrawals are read from the newest back, until one was recorded before `since`.
    """
    start = 0 if since is None else micros(since)
    leaving = _until(tx.execute(_LEAVING, (client_id,)), start)
    rows = [
        *_until(tx.execute(_SHARES, (client_id,)), start),
        *tx.execute(_DEPOSITS, (client_id, start)),
        *(row for row in leaving if row["what"] == "withdrawal"),
    ]
    rows.sort(key=lambda row: row["id"], reverse=True)
    rows.sort(key=lambda row: (-row["at"], row["what"]))
    return [
        StatementLine(instant(row["at"]), row["what"], row["minor"], row["sat"], row["state"])
        for row in rows[offset : offset + limit]
    ]


_SHARES = """
SELECT distribution.at, processed_at AS recorded_at, kind AS what, minor, sat,
  coalesce(payout.state, 'collecting') AS state, share.id
FROM share JOIN distribution ON distribution.id = distribution_id
LEFT JOIN payout ON payout.id = payout_id
WHERE share.client_id = ? ORDER BY share.id DESC
"""
_DEPOSITS = """
SELECT confirmed_at AS at, 'deposit' AS what, amount_minor AS minor, 0 AS sat, state, id
FROM deposit WHERE client_id = ?1 AND confirmed_at >= ?2
UNION ALL
SELECT created_at, 'deposit', amount_minor, 0, state, id
FROM deposit WHERE client_id = ?1 AND confirmed_at IS NULL AND created_at >= ?2
"""
_LEAVING = """
SELECT posted_at AS at, posted_at AS recorded_at, kind AS what, amount AS minor, 0 AS sat,
  'withdrawn' AS state, entry.id
FROM entry JOIN posting ON posting.id = posting_id
WHERE from_account = (SELECT id FROM account WHERE kind = 'balance' AND client_id = ?)
ORDER BY entry.id DESC
"""


def _until(rows: Iterable[sqlite3.Row], start: int) -> Iterator[sqlite3.Row]:
    """Yield rows that are of `start` or later; none recorded before then can be."""
    for row in rows:
        if row["recorded_at"] < start:
            return
        if row["at"] >= start:
            yield row

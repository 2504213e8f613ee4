"""A client's own account: deposits, purchases and withdrawals, newest first."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.payout import COLLECTING, PayoutState
from dca_bot.ledger.programme.machine_cash import DEPOSIT, WITHDRAWAL
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

CASH_KINDS = (DEPOSIT, WITHDRAWAL)
"""What a line is that moves cash, not a share."""
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line; `what` is one of CASH_KINDS or a distribution's kind.

    `state` is a deposit's state (WITHDRAWN for a withdrawal) or a payout's, COLLECTING before the payout.
    `number`: the number of the share, the deposit or the withdrawal. `payment_hash`: empty until paid.
    """

    at: datetime
    what: str
    minor: int
    sat: int
    state: str
    number: int
    payment_hash: str = ""


def statement(
    tx: Tx, client_id: int, *, since: datetime | None, before: datetime | None = None
) -> list[StatementLine]:
    """Return a client's lines since an instant and before another (None: no bound), newest first.

    Shares and withdrawals are read from the newest back to the first one recorded before `since`.
    """
    start, end = (0 if since is None else micros(since)), (before and micros(before))
    leaving = _until(tx.execute(_LEAVING, (client_id,)), start)
    rows = [
        *_until(tx.execute(_SHARES, (client_id,)), start),
        *tx.execute(_DEPOSITS, (client_id, start)),
        *(row for row in leaving if row["what"] == WITHDRAWAL),
    ]
    rows.sort(key=lambda row: row["id"], reverse=True)
    rows.sort(key=lambda row: (-row["at"], row["what"]))
    return [_line(row) for row in rows if end is None or row["at"] < end]


_SHARES = f"""
SELECT distribution.at, processed_at AS recorded_at, kind AS what, minor, sat,
  coalesce(payout.state, '{COLLECTING}') AS state, share.id,
  iif(payout.state IN ('{PayoutState.DEBITED}', '{PayoutState.DONE}'), payment_hash, NULL) AS payment_hash
FROM share JOIN distribution ON distribution.id = distribution_id
LEFT JOIN payout ON payout.id = share.payout_id
LEFT JOIN attempt ON attempt.payout_id = payout.id AND number = payout.attempt
WHERE share.client_id = ? ORDER BY share.id DESC
"""
_DEPOSITS = f"""
SELECT confirmed_at AS at, '{DEPOSIT}' AS what, amount_minor AS minor, 0 AS sat, state, id,
  NULL AS payment_hash
FROM deposit WHERE client_id = ?1 AND confirmed_at >= ?2
UNION ALL
SELECT created_at, '{DEPOSIT}', amount_minor, 0, state, id, NULL
FROM deposit WHERE client_id = ?1 AND confirmed_at IS NULL AND created_at >= ?2
"""
_LEAVING = f"""
SELECT posted_at AS at, posted_at AS recorded_at, kind AS what, amount AS minor, 0 AS sat,
  '{WITHDRAWN}' AS state, entry.id, NULL AS payment_hash
FROM entry JOIN posting ON posting.id = posting_id
WHERE from_account = (SELECT id FROM account WHERE kind = 'balance' AND client_id = ?)
ORDER BY entry.id DESC
"""


def _line(row: sqlite3.Row) -> StatementLine:
    return StatementLine(
        at=instant(row["at"]),
        what=row["what"],
        minor=row["minor"],
        sat=row["sat"],
        state=row["state"],
        number=row["id"],
        payment_hash=row["payment_hash"] or "",
    )


def _until(rows: Iterable[sqlite3.Row], start: int) -> Iterator[sqlite3.Row]:
    """Yield rows since `start`, up to the first row recorded before `start`."""
    for row in rows:
        if row["recorded_at"] < start:
            return
        if row["at"] >= start:
            yield row

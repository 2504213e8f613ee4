"""A client's own account: what came in, what was bought, what went back, newest first."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.payout import COLLECTING
from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant, micros
from dca_bot.ledger.machine_cash import DEPOSIT, WITHDRAWAL

CASH_KINDS = (DEPOSIT, WITHDRAWAL)
"""What a line is that moves cash, not a share."""
WITHDRAWN = "withdrawn"
_QUERY = f"""
SELECT distribution.at AS at, distribution.kind AS what, share.minor AS minor, share.sat AS sat,
       coalesce(payout.state, '{COLLECTING}') AS state, share.id AS id
  FROM share JOIN distribution ON distribution.id = distribution_id
  LEFT JOIN payout ON payout.id = payout_id WHERE share.client_id = ?1
UNION ALL
SELECT coalesce(confirmed_at, created_at), '{DEPOSIT}', amount_minor, 0, state, id
  FROM deposit WHERE client_id = ?1
UNION ALL
SELECT posted_at, '{WITHDRAWAL}', entry.amount, 0, '{WITHDRAWN}', entry.id
  FROM account JOIN entry ON from_account = account.id JOIN posting ON posting.id = posting_id
  WHERE account.client_id = ?1 AND account.kind = 'balance' AND posting.kind = 'withdrawal'
"""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line: `what` is in CASH_KINDS or a kind of distribution.

    `state` is the deposit's (WITHDRAWN for a withdrawal) or the payout's, COLLECTING before there is one.
    """

    at: datetime
    what: str
    minor: int
    sat: int
    state: str


def statement(
    tx: Tx, client_id: int, *, since: datetime | None, limit: int, offset: int
) -> list[StatementLine]:
    """Return a client's lines since an instant (None: all), newest first."""
    rows = tx.execute(
        f"SELECT * FROM ({_QUERY}) WHERE at >= ?2 ORDER BY at DESC, what, id DESC LIMIT ?3 OFFSET ?4",
        (client_id, 0 if since is None else micros(since), limit, offset),
    )
    return [
        StatementLine(instant(row["at"]), row["what"], row["minor"], row["sat"], row["state"])
        for row in rows
    ]

"""A client's own account: what came in, what was bought, what went back, newest first."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant, micros

_QUERY = """
SELECT distribution.at AS at, distribution.kind AS what, share.minor AS minor, share.sat AS sat,
       coalesce(payout.state, 'collecting') AS state, share.id AS id
  FROM share JOIN distribution ON distribution.id = distribution_id
  LEFT JOIN payout ON payout.id = payout_id WHERE share.client_id = ?1
UNION ALL
SELECT coalesce(confirmed_at, created_at), 'deposit', amount_minor, 0, state, id
  FROM deposit WHERE client_id = ?1
UNION ALL
SELECT posted_at, 'withdrawal', entry.amount, 0, 'withdrawn', entry.id
  FROM account JOIN entry ON from_account = account.id JOIN posting ON posting.id = posting_id
  WHERE account.client_id = ?1 AND account.kind = 'balance' AND posting.kind = 'withdrawal'
"""


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
    """Return a client's lines since an instant (None: all), newest first."""
    rows = tx.execute(
        f"SELECT * FROM ({_QUERY}) WHERE at >= ?2 ORDER BY at DESC, what, id DESC LIMIT ?3 OFFSET ?4",
        (client_id, 0 if since is None else micros(since), limit, offset),
    )
    return [
        StatementLine(instant(row["at"]), row["what"], row["minor"], row["sat"], row["state"])
        for row in rows
    ]

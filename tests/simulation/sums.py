"""What each client has and is owed, summed up a second time: from deposits, shares and payouts."""

import sqlite3
from collections import defaultdict

from simulation.promise import hold

_BALANCE = (
    "SELECT client_id, amount_minor FROM deposit WHERE state = 'confirmed'"
    " UNION ALL SELECT client_id, -minor FROM share"
    " UNION ALL SELECT client_id, minor FROM share WHERE payout_id IN"
    "   (SELECT id FROM payout WHERE state = 'CANCELLED')"
    " UNION ALL SELECT account.client_id, -entry.amount FROM entry"
    "   JOIN posting ON posting.id = posting_id AND posting.kind = 'withdrawal'"
    "   JOIN account ON account.id = from_account AND account.kind = 'balance'"
)
_OWED = (
    "SELECT client_id, sat FROM share"
    " UNION ALL SELECT client_id, -amount_sat FROM payout"
    "   WHERE state = 'CANCELLED' OR debited_at IS NOT NULL"
)


def check(ledger: sqlite3.Connection) -> None:
    """Check each client's balance, and what each is owed; raise Violation."""
    for kind, query in (("balance", _BALANCE), ("owed", _OWED)):
        sums: defaultdict[int, int] = defaultdict(int)
        for client_id, amount in ledger.execute(query):
            sums[client_id] += amount
        for client_id, amount in ledger.execute(
            "SELECT client_id, balance FROM account WHERE kind = ?", (kind,)
        ):
            hold(
                f"client {client_id} has {kind} {amount}, not {sums[client_id]}",
                is_kept=sums[client_id] == amount,
            )


def check_nothing_left(ledger: sqlite3.Connection) -> None:
    """Check that what a client is owed stands in open payouts, or is too little for the client's address."""
    for client_id, owed_sat, open_sat, min_sat in ledger.execute(
        "SELECT account.client_id, balance,"
        " (SELECT coalesce(sum(amount_sat), 0) FROM open_payout"
        "   WHERE client_id = account.client_id AND debited_at IS NULL), destination_min_sat"
        " FROM account JOIN client ON client.id = account.client_id WHERE account.kind = 'owed'"
    ):
        left_sat = owed_sat - open_sat
        # Commission and purchases are paid apart: each pile can be too small.
        hold(
            f"client {client_id} is owed {left_sat} sats that no payout brings",
            is_kept=0 <= left_sat < 2 * min_sat,
        )

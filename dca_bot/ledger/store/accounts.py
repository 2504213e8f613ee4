"""The accounts, and the entries that move amounts between accounts (double entry).

Every entry takes an amount from one account and gives the amount to another, so the sum of all accounts
is zero by construction. The schema keeps the balances and lets no client's balance fall below zero.

    minor   cash ──deposit──▶ balance(client) ──distribution──▶ converted
    sat     machine ──distribution──▶ owed(client) ──payout──▶ paid
               ├──▶ operator (given to no client)    ▲
               └──▶ commission ──its split───────────┤
            treasury ──fixed mode────────────────────┘
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class Account:
    """An account by its kind, and by its client if the account is a client's."""

    kind: str
    client_id: int | None = None


CASH = Account("cash")
CONVERTED = Account("converted")
MACHINE = Account("machine")
OPERATOR = Account("operator")
COMMISSION = Account("commission")
TREASURY = Account("treasury")
"""What the operator puts up for fixed mode."""
PAID = Account("paid")


def balance_of(client_id: int) -> Account:
    """Return the account of a client's fiat."""
    return Account("balance", client_id)


def owed_to(client_id: int) -> Account:
    """Return the account of the sats that a client was given and not yet paid."""
    return Account("owed", client_id)


@dataclass(frozen=True, slots=True)
class Move:
    """An entry to be made; an amount of 0 makes no entry."""

    source: Account
    target: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Cause:
    """The distribution, deposit or payout behind a posting; `message_id` is the operator's message."""

    distribution_id: str | None = None
    deposit_id: int | None = None
    payout_id: str | None = None
    note: str = ""
    message_id: str | None = None


def post(tx: Tx, kind: str, moves: Iterable[Move], *, cause: Cause, now: datetime) -> int:
    """Record a posting with its entries, and return the posting's id.

    Raise sqlite3.IntegrityError for a balance below zero.
    """
    posting_id = tx.execute(
        "INSERT INTO posting (kind, posted_at, distribution_id, deposit_id, payout_id, note, message_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            kind,
            micros(now),
            cause.distribution_id,
            cause.deposit_id,
            cause.payout_id,
            cause.note,
            cause.message_id,
        ),
    ).lastrowid
    made = [move for move in moves if move.amount]
    ids = _ids(tx, {account for move in made for account in (move.source, move.target)})
    tx.executemany(
        "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (?, ?, ?, ?)",
        [(posting_id, ids[move.source], ids[move.target], move.amount) for move in made],
    )
    return posting_id or 0


def balance(tx: Tx, account: Account) -> int:
    """Return an account's balance, in the account's unit."""
    row = tx.execute(
        "SELECT balance FROM account WHERE kind = ? AND coalesce(client_id, 0) = ?",
        (account.kind, account.client_id or 0),
    ).fetchone()
    return int(row["balance"])


def totals(tx: Tx) -> dict[str, int]:
    """Return the sum of the balances of each kind of account."""
    rows = tx.execute("SELECT kind, sum(balance) AS total FROM account GROUP BY kind")
    return {row["kind"]: row["total"] for row in rows}


def _ids(tx: Tx, accounts: Iterable[Account]) -> dict[Account, int]:
    """Return the ids of those accounts that exist."""
    wanted = json.dumps([(account.kind, account.client_id or 0) for account in accounts])
    rows = tx.execute(
        "SELECT account.id, kind, client_id FROM json_each(?) CROSS JOIN account"
        " ON kind = json_extract(json_each.value, '$[0]')"
        " AND coalesce(client_id, 0) = json_extract(json_each.value, '$[1]')",
        (wanted,),
    )
    return {Account(row["kind"], row["client_id"]): row["id"] for row in rows}

"""The accounts, and the entries that move amounts between accounts (double entry).

Every entry takes an amount from one account and gives the amount to another, so the sum of all accounts
is zero by construction. A posting's row comes after its entries: with the row the schema closes the posting,
moves the balances, and lets no client's balance fall below zero.

    minor   cash ──deposit──▶ balance(client) ──distribution──▶ converted
    sat     machine ──distribution──▶ owed(client) ──payout──▶ paid
               ├──▶ operator (given to no client)    ▲
               └──▶ commission ──its split───────────┤
            treasury ──fixed mode────────────────────┘
"""

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

    Raise sqlite3.IntegrityError for a balance below zero, or an account that doesn't exist.
    """
    posting_id = next_posting(tx)
    enter(tx, posting_id, moves)
    close(tx, posting_id, kind, cause=cause, now=now)
    return posting_id


def next_posting(tx: Tx) -> int:
    """Return the id of the next posting: its entries are recorded first.

    Entries that another transaction of the same COMMIT has left without a posting get none.
    """
    row = tx.execute(
        "SELECT max((SELECT coalesce(max(id), 0) FROM posting),"
        " (SELECT coalesce(max(posting_id), 0) FROM entry)) + 1 AS id"
    ).fetchone()
    return int(row["id"])


def enter(tx: Tx, posting_id: int, moves: Iterable[Move]) -> None:
    """Record entries of a posting that is not closed yet; they move no balance before it is."""
    tx.executemany(
        "INSERT INTO entry (posting_id, from_account, to_account, amount)"
        f" VALUES (?, {_ACCOUNT_ID}, {_ACCOUNT_ID}, ?)",
        [
            (
                posting_id,
                *(move.source.kind, move.source.client_id or 0),
                *(move.target.kind, move.target.client_id or 0),
                move.amount,
            )
            for move in moves
            if move.amount
        ],
    )


def close(tx: Tx, posting_id: int, kind: str, *, cause: Cause, now: datetime) -> None:
    """Record the posting of the entries so far: the schema checks them, and moves the balances.

    Raise sqlite3.IntegrityError for a balance below zero.
    """
    tx.execute(
        "INSERT INTO posting (id, kind, posted_at, distribution_id, deposit_id, payout_id, note,"
        " message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            posting_id,
            kind,
            micros(now),
            cause.distribution_id,
            cause.deposit_id,
            cause.payout_id,
            cause.note,
            cause.message_id,
        ),
    )


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


_ACCOUNT_ID = "(SELECT id FROM account WHERE kind = ? AND coalesce(client_id, 0) = ?)"

"""The accounts and what moves between them.

Every entry takes an amount from one account and gives it to another, so all entries add up to zero
by construction; the schema keeps the balances and lets no client's fall below zero.

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
    """An account: its kind, and whose it is if it is a client's."""

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
    """Return the account of the sats that a client has got and was not yet paid."""
    return Account("owed", client_id)


@dataclass(frozen=True, slots=True)
class Move:
    """One entry to be made; an amount of 0 makes none."""

    source: Account
    target: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Cause:
    """What a posting belongs to; `message_id` is the operator's message that ordered it."""

    distribution_id: str | None = None
    deposit_id: int | None = None
    payout_id: str | None = None
    note: str = ""
    message_id: str | None = None


def post(tx: Tx, kind: str, moves: Iterable[Move], *, cause: Cause, now: datetime) -> int:
    """Record a posting with its entries, and return its id.

    A balance that would fall below zero raises IntegrityError.
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
    for move in moves:
        if move.amount:
            tx.execute(
                "INSERT INTO entry (posting_id, from_account, to_account, amount) VALUES (?, ?, ?, ?)",
                (posting_id, _id(tx, move.source), _id(tx, move.target), move.amount),
            )
    return posting_id or 0


def balance(tx: Tx, account: Account) -> int:
    """Return an account's balance in its unit."""
    row = tx.execute(
        "SELECT balance FROM account WHERE kind = ? AND coalesce(client_id, 0) = ?",
        (account.kind, account.client_id or 0),
    ).fetchone()
    return int(row["balance"])


def totals(tx: Tx) -> dict[str, int]:
    """Return the sum of each kind of account."""
    rows = tx.execute("SELECT kind, sum(balance) AS total FROM account GROUP BY kind")
    return {row["kind"]: row["total"] for row in rows}


def _id(tx: Tx, account: Account) -> int:
    row = tx.execute(
        "SELECT id FROM account WHERE kind = ? AND coalesce(client_id, 0) = ?",
        (account.kind, account.client_id or 0),
    ).fetchone()
    return int(row["id"])

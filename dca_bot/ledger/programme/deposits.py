"""The clients' cash: deposits that are pending, confirmed or voided, and withdrawals."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.programme import machine_cash
from dca_bot.ledger.programme.machine_cash import DEPOSIT, WITHDRAWAL
from dca_bot.ledger.store.accounts import CASH, Cause, Move, balance_of, post
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

_SELECT = "SELECT deposit.*, client.name FROM deposit JOIN client ON client.id = client_id"


class DepositState(StrEnum):
    """Whether a deposit counts: PENDING until its cash is in the machine, then CONFIRMED."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Deposit:
    """A client's cash."""

    id: int
    client_id: int
    client_name: str
    amount_minor: int
    state: DepositState
    machine: str | None
    note: str
    created_at: datetime
    confirmed_at: datetime | None


def add(
    tx: Tx,
    client_id: int,
    *,
    amount_minor: int,
    note: str,
    replaces: int | None = None,
    now: datetime,
) -> Deposit:
    """Record a pending deposit, perhaps in place of a voided one; no balance changes."""
    deposit_id = tx.execute(
        "INSERT INTO deposit (client_id, amount_minor, note, replaces, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (client_id, amount_minor, note, replaces, micros(now)),
    ).lastrowid
    found = by_id(tx, deposit_id or 0)
    assert found is not None
    return found


def by_id(tx: Tx, deposit_id: int) -> Deposit | None:
    """Find a deposit."""
    row = tx.execute(f"{_SELECT} WHERE deposit.id = ?", (deposit_id,)).fetchone()
    return None if row is None else _deposit(row)


def confirm(
    tx: Tx, deposit: Deposit, *, machine: str | None, now: datetime, message_id: str | None = None
) -> None:
    """Give a pending deposit to the client's balance, as of `now`; the cash is in `machine`.

    Raise StateChanged if the deposit is not pending any more.
    """
    done = tx.execute(
        "UPDATE deposit SET state = 'confirmed', machine = ?, confirmed_at = ?"
        " WHERE id = ? AND state = 'pending'",
        (machine, micros(now), deposit.id),
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.DEPOSIT_NOT_PENDING, id=deposit.id)
    move = Move(CASH, balance_of(deposit.client_id), deposit.amount_minor)
    cause = Cause(deposit_id=deposit.id, message_id=message_id)
    post(tx, "deposit", [move], cause=cause, now=now)
    ref, amount_minor = str(deposit.id), deposit.amount_minor
    machine_cash.move(tx, DEPOSIT, ref, machine=machine, amount_minor=amount_minor, now=now)


def void(tx: Tx, deposit: Deposit, *, now: datetime, message_id: str | None = None) -> None:
    """Strike a deposit out; a confirmed deposit is taken from the balance, which must cover the amount.

    Raise StateChanged if the deposit has changed meanwhile.
    """
    done = tx.execute(
        "UPDATE deposit SET state = 'voided', voided_at = ?"
        " WHERE id = ? AND state = ? AND state <> 'voided'",
        (micros(now), deposit.id, deposit.state),
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.DEPOSIT, id=deposit.id)
    if deposit.state is DepositState.CONFIRMED:
        move = Move(balance_of(deposit.client_id), CASH, deposit.amount_minor)
        cause = Cause(deposit_id=deposit.id, message_id=message_id)
        post(tx, "deposit void", [move], cause=cause, now=now)
        machine_cash.undo(tx, DEPOSIT, str(deposit.id), now=now)


def withdraw(
    tx: Tx,
    client_id: int,
    *,
    amount_minor: int,
    note: str,
    machine: str | None = None,
    now: datetime,
    message_id: str | None = None,
) -> None:
    """Record cash that is paid out from a client's balance and from a machine.

    IntegrityError if the balance doesn't cover it.
    """
    move = Move(balance_of(client_id), CASH, amount_minor)
    cause = Cause(note=note, message_id=message_id)
    ref = str(post(tx, "withdrawal", [move], cause=cause, now=now))
    machine_cash.move(tx, WITHDRAWAL, ref, machine=machine, amount_minor=-amount_minor, now=now)


def edit(
    tx: Tx,
    deposit: Deposit,
    *,
    amount_minor: int,
    now: datetime,
    message_id: str | None = None,
) -> Deposit:
    """Record a pending deposit of another amount in place of a pending deposit, which is voided.

    Raise StateChanged if the deposit is not pending any more.
    """
    if deposit.state is not DepositState.PENDING:
        raise StateChanged(Changed.DEPOSIT_NOT_PENDING, id=deposit.id)
    void(tx, deposit, now=now, message_id=message_id)
    return add(
        tx,
        deposit.client_id,
        amount_minor=amount_minor,
        note=deposit.note,
        replaces=deposit.id,
        now=now,
    )


def recent(
    tx: Tx, *, pending_only: bool = False, limit: int = 10, offset: int = 0
) -> list[Deposit]:
    """Return the newest deposits."""
    where = "WHERE deposit.state = 'pending'" if pending_only else ""
    rows = tx.execute(
        f"{_SELECT} {where} ORDER BY deposit.id DESC LIMIT ? OFFSET ?", (limit, offset)
    )
    return [_deposit(row) for row in rows]


def recent_of(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[Deposit]:
    """Return a client's newest deposits."""
    rows = tx.execute(
        f"{_SELECT} WHERE client_id = ? ORDER BY deposit.id DESC LIMIT ? OFFSET ?",
        (client_id, limit, offset),
    )
    return [_deposit(row) for row in rows]


def pending_of(tx: Tx, client_id: int) -> list[Deposit]:
    """Return a client's pending deposits, the oldest first."""
    rows = tx.execute(
        f"{_SELECT} WHERE client_id = ? AND deposit.state = 'pending' ORDER BY deposit.id",
        (client_id,),
    )
    return [_deposit(row) for row in rows]


def pending_between(tx: Tx, first: int, last: int, *, limit: int) -> list[int]:
    """Return the numbers of the pending deposits from a number through another, the lowest first."""
    return _ids(tx, "state = 'pending'", first, last, limit)


def standing_between(tx: Tx, first: int, last: int, *, limit: int) -> list[int]:
    """Return the numbers of the deposits that are not voided, from a number through another."""
    return _ids(tx, "state <> 'voided'", first, last, limit)


def pending_minor(tx: Tx, client_id: int) -> int:
    """Return the sum of a client's pending deposits."""
    row = tx.execute(
        "SELECT coalesce(sum(amount_minor), 0) AS total FROM deposit"
        " WHERE client_id = ? AND state = 'pending'",
        (client_id,),
    ).fetchone()
    return int(row["total"])


def pending_totals(tx: Tx) -> tuple[int, int]:
    """Return (count, minor units) of all pending deposits."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS minor FROM deposit"
        " WHERE state = 'pending'"
    ).fetchone()
    return row["n"], row["minor"]


def _ids(tx: Tx, where: str, first: int, last: int, limit: int) -> list[int]:
    rows = tx.execute(
        f"SELECT id FROM deposit WHERE {where} AND id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (first, last, limit),
    )
    return [row["id"] for row in rows]


def _deposit(row: sqlite3.Row) -> Deposit:
    return Deposit(
        id=row["id"],
        client_id=row["client_id"],
        client_name=row["name"],
        amount_minor=row["amount_minor"],
        state=DepositState(row["state"]),
        machine=row["machine"],
        note=row["note"],
        created_at=instant(row["created_at"]),
        confirmed_at=instant_or_none(row["confirmed_at"]),
    )

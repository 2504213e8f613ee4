"""Tasks: clients' messages and requests to the operators, each open until an operator has answered.

The invariant: a client has at most one open request for cash, and no task changes a balance.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


class TaskKind(StrEnum):
    """The kind of a task: a message to the operators, or a request for cash back."""

    CONTACT = "contact"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class Task:
    """A client's message, with `text`, or request for cash, with `amount_minor`."""

    id: int
    client_id: int
    client_name: str
    kind: TaskKind
    text: str
    amount_minor: int
    asked_at: datetime


def contact(tx: Tx, client_id: int, text: str, *, now: datetime) -> None:
    """Record a client's message to the operators."""
    tx.execute(
        "INSERT INTO task (client_id, kind, text, asked_at) VALUES (?, ?, ?, ?)",
        (client_id, TaskKind.CONTACT, text, micros(now)),
    )


def request_cash(tx: Tx, client_id: int, amount_minor: int, *, by: str, now: datetime) -> None:
    """Record a client's request for cash, in place of an earlier open request; `by` is the client's key."""
    close(tx, client_id, TaskKind.WITHDRAWAL, by=by, now=now)
    tx.execute(
        "INSERT INTO task (client_id, kind, amount_minor, asked_at) VALUES (?, ?, ?, ?)",
        (client_id, TaskKind.WITHDRAWAL, amount_minor, micros(now)),
    )


def close(tx: Tx, client_id: int, *kinds: TaskKind, by: str, now: datetime) -> list[Task]:
    """Close a client's open tasks of some kinds, and return these tasks.

    `by`: the public key of the answering operator; the client's own for a request taken back.
    """
    closed = [task for task in open_of(tx, client_id) if task.kind in kinds]
    for task in closed:
        tx.execute(
            "UPDATE task SET answered_at = ?, answered_by = ? WHERE id = ?",
            (micros(now), by, task.id),
        )
    return closed


def open_tasks(tx: Tx) -> list[Task]:
    """Return the open tasks of all clients, oldest first."""
    return _read(tx, "answered_at IS NULL")


def open_of(tx: Tx, client_id: int) -> list[Task]:
    """Return a client's open tasks, oldest first."""
    return _read(tx, "client_id = ? AND answered_at IS NULL", (client_id,))


def open_counts(tx: Tx) -> Mapping[TaskKind, int]:
    """Return the number of open tasks of each kind that has some."""
    rows = tx.execute(
        "SELECT kind, count(*) AS n FROM task INDEXED BY task_open"
        " WHERE answered_at IS NULL GROUP BY kind"
    )
    return {TaskKind(row["kind"]): row["n"] for row in rows}


def requested_cash(tx: Tx, client_id: int) -> Task | None:
    """Return a client's open request for cash; None without one."""
    found = (task for task in open_of(tx, client_id) if task.kind is TaskKind.WITHDRAWAL)
    return next(found, None)


def asked_since(tx: Tx, client_id: int, kind: TaskKind, since: datetime) -> int:
    """Return the number of a client's tasks of a kind after an instant, answered ones among them."""
    row = tx.execute(
        "SELECT count(*) AS n FROM task WHERE client_id = ? AND asked_at > ? AND kind = ?",
        (client_id, micros(since), kind),
    ).fetchone()
    return int(row["n"])


def _read(tx: Tx, where: str, values: Sequence[object] = ()) -> list[Task]:
    rows = tx.execute(
        "SELECT task.*, client.name FROM task INDEXED BY task_open JOIN client ON client.id = client_id"
        f" WHERE {where} ORDER BY task.id",
        values,
    )
    return [_task(row) for row in rows]


def _task(row: sqlite3.Row) -> Task:
    return Task(
        id=row["id"],
        client_id=row["client_id"],
        client_name=row["name"],
        kind=TaskKind(row["kind"]),
        text=row["text"],
        amount_minor=row["amount_minor"] or 0,
        asked_at=instant(row["asked_at"]),
    )

"""The log of commands: who, when, by which message; written with the effect, never altered."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """A command that was carried out; `client_name` is None for an operator's command.

    `done`: the report to the operators, or else the answer to the sender.
    """

    at: datetime
    actor: str
    client_name: str | None
    message_id: str
    command: str
    done: str


def record(
    tx: Tx,
    *,
    actor: str,
    client_id: int | None,
    message_id: str,
    command: str,
    done: str,
    now: datetime,
    about: Iterable[int] = (),
) -> None:
    """Log a command, in the transaction that carries the command out.

    `about`: the ids of the clients and recipients whom an operator's command is about. A client's command is
    about the client.
    """
    command_id = tx.execute(
        "INSERT INTO command_log (at, actor, client_id, message_id, command, done)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (micros(now), actor, client_id, message_id, command, done),
    ).lastrowid
    subjects = {*about} if client_id is None else {client_id}
    tx.executemany(
        "INSERT INTO command_subject (client_id, command_id) VALUES (?, ?)",
        [(one, command_id) for one in sorted(subjects)],
    )


def recent(tx: Tx, *, limit: int, offset: int = 0) -> list[LoggedCommand]:
    """Return the logged commands, newest first."""
    rows = tx.execute(
        "SELECT command_log.*, client.name FROM command_log"
        " LEFT JOIN client ON client.id = client_id ORDER BY command_log.id DESC LIMIT ? OFFSET ?",
        (limit, offset),
    )
    return [_logged(row) for row in rows]


def recent_about(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[LoggedCommand]:
    """Return the logged commands by a client, or about a client or recipient, newest first."""
    rows = tx.execute(
        "SELECT command_log.*, client.name FROM command_subject"
        " JOIN command_log ON command_log.id = command_id"
        " LEFT JOIN client ON client.id = command_log.client_id"
        " WHERE command_subject.client_id = ? ORDER BY command_id DESC LIMIT ? OFFSET ?",
        (client_id, limit, offset),
    )
    return [_logged(row) for row in rows]


def _logged(row: sqlite3.Row) -> LoggedCommand:
    return LoggedCommand(
        at=instant(row["at"]),
        actor=row["actor"],
        client_name=row["name"],
        message_id=row["message_id"],
        command=row["command"],
        done=row["done"],
    )

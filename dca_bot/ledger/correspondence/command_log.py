"""The log of commands: who, when, by which message; written with the effect, never altered."""

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
) -> None:
    """Log a command, in the transaction that carries the command out."""
    tx.execute(
        "INSERT INTO command_log (at, actor, client_id, message_id, command, done)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (micros(now), actor, client_id, message_id, command, done),
    )


def recent(tx: Tx, *, limit: int, offset: int = 0) -> list[LoggedCommand]:
    """Return the logged commands, newest first."""
    rows = tx.execute(
        "SELECT command_log.*, client.name FROM command_log"
        " LEFT JOIN client ON client.id = client_id ORDER BY command_log.id DESC LIMIT ? OFFSET ?",
        (limit, offset),
    )
    return [
        LoggedCommand(
            at=instant(row["at"]),
            actor=row["actor"],
            client_name=row["name"],
            message_id=row["message_id"],
            command=row["command"],
            done=row["done"],
        )
        for row in rows
    ]

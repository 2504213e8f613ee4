"""Messages to be sent: each one that was written leaves, or is given up after a week of tries."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

KEEP_TRYING = timedelta(days=7)
TRIES_MIN = 900
"""So often at least is a message tried in seven days: a clock that leaps makes it old, but not tried."""
AHEAD_MAX_S = 120
_OPEN = "sent_at IS NULL AND dropped_at IS NULL"


class Urgency(IntEnum):
    """Whose turn it is: the lower, the sooner."""

    ANSWER = 0
    NOTICE = 1
    BULK = 2
    """What goes to many at once: broadcasts and digests."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message to be sent; `relay` is where the message it answers came from."""

    id: int
    recipient: str
    text: str
    created_at: datetime
    urgency: Urgency
    protocol: DmProtocol | None
    relay: str
    event: str | None
    tries: int


def write(
    tx: Tx,
    recipient: str,
    text: str,
    *,
    now: datetime,
    urgency: Urgency = Urgency.NOTICE,
    protocol: DmProtocol | None = None,
    relay: str = "",
    alarm: str = "",
) -> None:
    """Put a message into the outbox; without a protocol it is chosen when it is sent.

    Messages to one person get rising whole seconds, as apps show them in that order; after those
    from a clock that was ahead they begin anew.
    """
    second = int(now.timestamp())
    row = tx.execute(
        "SELECT max(created_at) AS last FROM outbox WHERE recipient = ? AND created_at <= ?",
        (recipient, second + AHEAD_MAX_S),
    ).fetchone()
    created_at = min(max(second, (row["last"] or 0) + 1), second + AHEAD_MAX_S)
    tx.execute(
        "INSERT INTO outbox (recipient, text, created_at, urgency, protocol, relay, alarm, try_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (recipient, text, created_at, urgency, protocol, relay, alarm, micros(now)),
    )


def open_of(tx: Tx, alarm: str) -> list[int]:
    """Return the ids of an alarm's messages that have not left."""
    rows = tx.execute(f"SELECT id FROM outbox WHERE {_OPEN} AND alarm = ?", (alarm,))
    return [row["id"] for row in rows]


def withdraw(tx: Tx, alarm: str, *, now: datetime) -> set[str]:
    """Drop an alarm's messages that have not left; return to whom they would have gone."""
    rows = tx.execute(
        f"UPDATE outbox SET dropped_at = ? WHERE {_OPEN} AND alarm = ? RETURNING recipient",
        (micros(now), alarm),
    ).fetchall()
    return {row["recipient"] for row in rows}


def hurry(tx: Tx, now: datetime, *, alarms_at: datetime) -> None:
    """Have all that waits for its next try sent now, as relays are back; alarms a little later.

    Some of what they tell of may have ended meanwhile too.
    """
    tx.execute(
        f"UPDATE outbox SET try_at = CASE alarm WHEN '' THEN ? ELSE ? END WHERE {_OPEN}",
        (micros(now), micros(alarms_at)),
    )


def due(
    tx: Tx, now: datetime, *, urgency: Urgency, limit: int = 50, busy: Sequence[str] = ()
) -> list[OutboxMessage]:
    """Return what is to be sent now for letters of this urgency: one letter to each of `limit` persons.

    Nothing goes to those who are `busy`. Each person's letters leave as they were written, so what
    is returned may be an older one than the urgent one behind it; only BULK lets others pass.
    """
    found: dict[str, OutboxMessage] = {}
    for recipient in _recipients(tx, now, urgency, busy) if limit > 0 else ():
        if recipient not in found:
            found[recipient] = _first(tx, recipient, now)
        if len(found) == limit:
            break
    return list(found.values())


def next_try_at(tx: Tx) -> datetime | None:
    """Return when something is to be sent next, or None."""
    row = tx.execute(f"SELECT min(try_at) AS at FROM outbox WHERE {_OPEN}").fetchone()
    return None if row["at"] is None else instant(row["at"])


def fix_protocol(tx: Tx, message: OutboxMessage, protocol: DmProtocol, event: str | None) -> None:
    """Record how a message is sent, and its event if that must stay the same at every try."""
    tx.execute(
        "UPDATE outbox SET protocol = ?, event = ? WHERE id = ?", (protocol, event, message.id)
    )


def mark_sent(tx: Tx, message: OutboxMessage, *, now: datetime) -> None:
    """Record that a relay took the message."""
    tx.execute("UPDATE outbox SET sent_at = ? WHERE id = ?", (micros(now), message.id))


def mark_failed(tx: Tx, message: OutboxMessage, *, delay_s: int, now: datetime) -> bool:
    """Record that no relay took it; True if it is given up, after KEEP_TRYING and TRIES_MIN tries.

    What was withdrawn meanwhile stays so.
    """
    clock.see(tx, now)
    over = now - message.created_at > KEEP_TRYING and message.tries + 1 >= TRIES_MIN
    tx.execute(
        "UPDATE outbox SET tries = tries + 1, try_at = ?, dropped_at = coalesce(dropped_at, ?)"
        " WHERE id = ?",
        (micros(now + timedelta(seconds=delay_s)), micros(now) if over else None, message.id),
    )
    return over


def unsent(tx: Tx) -> int:
    """Return how many messages wait to be sent."""
    row = tx.execute(f"SELECT count(*) AS n FROM outbox WHERE {_OPEN}").fetchone()
    return int(row["n"])


def _recipients(tx: Tx, now: datetime, urgency: Urgency, busy: Sequence[str]) -> Iterator[str]:
    """Yield for whom a letter of this urgency is due, as often as there is one."""
    marks = ",".join("?" * len(busy))
    rows = tx.execute(
        f"SELECT recipient FROM outbox INDEXED BY outbox_turn WHERE {_OPEN} AND urgency = ?"
        f" AND try_at <= ? AND recipient NOT IN ({marks}) ORDER BY try_at, id",
        (urgency, micros(now), *busy),
    )
    yield from (row["recipient"] for row in rows)


def _first(tx: Tx, recipient: str, now: datetime) -> OutboxMessage:
    """Return the letter to this person whose turn it is; there is one."""
    row = tx.execute(
        f"SELECT * FROM outbox INDEXED BY outbox_waiting WHERE {_OPEN} AND recipient = ?"
        " AND try_at <= ? ORDER BY urgency = ?, id LIMIT 1",
        (recipient, micros(now), Urgency.BULK),
    ).fetchone()
    return _message(row)


def _message(row: sqlite3.Row) -> OutboxMessage:
    return OutboxMessage(
        id=row["id"],
        recipient=row["recipient"],
        text=row["text"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        urgency=Urgency(row["urgency"]),
        protocol=None if row["protocol"] is None else DmProtocol(row["protocol"]),
        relay=row["relay"],
        event=row["event"],
        tries=row["tries"],
    )

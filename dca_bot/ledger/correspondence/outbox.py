"""Messages to be sent: each leaves, or is given up after a week of tries, and is forgotten 90 days later."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.conditions import UNSENT_MESSAGE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

_KEEP_TRYING = timedelta(days=7)
TRIES_MIN = 900
"""The fewest tries before a message is given up: a leap of the clock ages a message without a try."""
AHEAD_MAX_S = 120
KEPT = timedelta(days=90)
_FORGOTTEN_AT_ONCE = 100


class Urgency(IntEnum):
    """The order of messages: the lower, the sooner."""

    ANSWER = 0
    NOTICE = 1
    BULK = 2
    """Messages to many persons at once: broadcasts and digests."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message to be sent; `relay`: for a reply, the relay from which the question came.

    `expires_at`: when the message is worthless; None: never.
    `taken_beside`: a relay that accepted the message without counting (`core/routing`), '' for none.
    `file`: for a file message (NIP-17), the tags by which an app opens the file; `text` is its URL.
    """

    id: int
    recipient: str
    text: str
    created_at: datetime
    urgency: Urgency
    protocol: DmProtocol | None
    relay: str
    event: str | None
    tries: int
    expires_at: datetime | None = None
    taken_beside: str = ""
    file: tuple[tuple[str, str], ...] = ()


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
) -> int:
    """Put a message into the outbox and return its id; without a protocol the sender chooses one later.

    Messages to one person get rising whole seconds, because apps sort by seconds. Messages from a clock that
    was ahead are left out of that order.
    """
    second = int(now.timestamp())
    row = tx.execute(
        "SELECT max(created_at) AS last FROM outbox WHERE recipient = ? AND created_at <= ?",
        (recipient, second + AHEAD_MAX_S),
    ).fetchone()
    created_at = min(max(second, (row["last"] or 0) + 1), second + AHEAD_MAX_S)
    added = tx.execute(
        "INSERT INTO outbox (recipient, text, created_at, urgency, protocol, relay, alarm, try_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (recipient, text, created_at, urgency, protocol, relay, alarm, micros(now)),
    )
    return added.lastrowid or 0


def expire(tx: Tx, message_id: int, expires_at: datetime | None) -> None:
    """Record when a message becomes worthless (NIP-40); None: never."""
    if expires_at is not None:
        tx.execute(
            "UPDATE outbox SET expires_at = ? WHERE id = ?", (micros(expires_at), message_id)
        )


def attach(tx: Tx, message_id: int, file: tuple[tuple[str, str], ...]) -> None:
    """Make a message whose text is a URL bring a file, by the tags that open the file."""
    tx.execute("UPDATE outbox SET file = ? WHERE id = ?", (json.dumps(file), message_id))


def delete_file_message(tx: Tx, message_id: int) -> None:
    """Delete the message of a file that is no more, with the file's key."""
    tx.execute("DELETE FROM outbox WHERE id = ? AND file <> ''", (message_id,))


def open_of(tx: Tx, alarm: str) -> list[int]:
    """Return the ids of an alarm's messages that have not left."""
    rows = tx.execute(f"SELECT id FROM outbox WHERE {UNSENT_MESSAGE} AND alarm = ?", (alarm,))
    return [row["id"] for row in rows]


def withdraw(tx: Tx, alarm: str, *, now: datetime) -> set[str]:
    """Drop an alarm's messages that have not left; return the recipients that no relay has a message for."""
    rows = tx.execute(
        f"UPDATE outbox SET dropped_at = ? WHERE {UNSENT_MESSAGE} AND alarm = ?"
        " RETURNING recipient, taken_beside",
        (micros(now), alarm),
    ).fetchall()
    return {row["recipient"] for row in rows if not row["taken_beside"]}


def hurry(tx: Tx, now: datetime, *, alarms_at: datetime) -> None:
    """Retry all waiting messages now, because the relays are back; alarms at `alarms_at`.

    Some outages may have ended meanwhile too, and their alarms need not leave.
    """
    tx.execute(
        f"UPDATE outbox SET try_at = CASE alarm WHEN '' THEN ? ELSE ? END WHERE {UNSENT_MESSAGE}",
        (micros(now), micros(alarms_at)),
    )


def hurry_person(tx: Tx, pubkey: str, now: datetime) -> None:
    """Retry a person's waiting messages now, because other relays are known or messages arrive again."""
    tx.execute(
        f"UPDATE outbox SET try_at = ? WHERE {UNSENT_MESSAGE} AND recipient = ? AND try_at > ?",
        (micros(now), pubkey, micros(now)),
    )


def resend_since(tx: Tx, pubkey: str, since: datetime, *, now: datetime) -> None:
    """Have the NIP-17 messages to a person that were written since a time leave once more.

    The rumors stay the same, so an app that has a message already shows no second one. Messages that are
    worthless by now (NIP-40) are left out.
    """
    tx.execute(
        "UPDATE outbox SET sent_at = NULL, tries = tries + 1, try_at = ?1"
        " WHERE recipient = ?2 AND created_at >= ?3"
        " AND sent_at IS NOT NULL AND dropped_at IS NULL AND protocol = ?4"
        " AND (expires_at IS NULL OR expires_at > ?1)",
        (micros(now), pubkey, int(since.timestamp()), DmProtocol.NIP17),
    )


def end_codes(tx: Tx, pubkey: str, *, now: datetime) -> None:
    """Have no message leave any more that brings a person a code."""
    oldest = now - max(clock.CODE_LIFE, clock.KNOCK_LIFE)
    tx.execute(
        "UPDATE outbox SET expires_at = ?1, dropped_at = CASE WHEN sent_at IS NULL"
        " THEN coalesce(dropped_at, ?1) ELSE dropped_at END"
        " WHERE recipient = ?2 AND created_at >= ?3 AND expires_at > ?1",
        (micros(now), pubkey, int(oldest.timestamp())),
    )


def due(
    tx: Tx, now: datetime, *, urgency: Urgency, limit: int = 50, busy: Sequence[str] = ()
) -> list[OutboxMessage]:
    """Return the messages to send now for messages of this urgency: one to each of `limit` persons.

    `busy` persons get nothing. A person's messages leave in the order of writing, so an older message may be
    returned in place of the urgent one behind; only BULK messages let others pass. Messages that a relay has
    already are `taken_and_due`.
    """
    found: dict[str, OutboxMessage] = {}
    for recipient in _recipients(tx, now, urgency, busy) if limit > 0 else ():
        if recipient not in found:
            found[recipient] = _first(tx, recipient, now)
        if len(found) == limit:
            break
    return list(found.values())


def taken_and_due(
    tx: Tx, now: datetime, *, limit: int, busy: Sequence[str] = ()
) -> list[OutboxMessage]:
    """Return messages to try again now that a relay has already, one to each of `limit` persons.

    `busy` persons get nothing.
    """
    marks = ",".join("?" * len(busy))
    rows = tx.execute(
        f"SELECT * FROM outbox INDEXED BY outbox_open WHERE {UNSENT_MESSAGE} AND try_at <= ?"
        f" AND taken_beside <> '' AND recipient NOT IN ({marks}) ORDER BY try_at, id",
        (micros(now), *busy),
    )
    found: dict[str, OutboxMessage] = {}
    for row in rows:
        if len(found) >= limit:
            break
        found.setdefault(row["recipient"], _message(row))
    return list(found.values())


def next_try_at(tx: Tx) -> datetime | None:
    """Return the time of the next try; None with an empty outbox."""
    row = tx.execute(f"SELECT min(try_at) AS at FROM outbox WHERE {UNSENT_MESSAGE}").fetchone()
    return None if row["at"] is None else instant(row["at"])


def fix_protocol(tx: Tx, message: OutboxMessage, protocol: DmProtocol, event: str | None) -> None:
    """Record the protocol of a message, and the event if all tries must send the same event."""
    tx.execute(
        "UPDATE outbox SET protocol = ?, event = ? WHERE id = ?", (protocol, event, message.id)
    )


def mark_sent(tx: Tx, message: OutboxMessage, *, now: datetime) -> None:
    """Record that the message has reached the recipient (`core/routing`), and forget some old messages."""
    tx.execute("UPDATE outbox SET sent_at = ? WHERE id = ?", (micros(now), message.id))
    forget(tx, message.recipient, now=now)


def forget(tx: Tx, recipient: str, *, now: datetime) -> int:
    """Delete a person's oldest messages that were sent or dropped KEPT ago, _FORGOTTEN_AT_ONCE at most.

    Return how many. A message that was sent just now stays, so whoever was reached stays known as reached.
    """
    before = now - KEPT
    return tx.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE recipient = ? AND created_at <= ?"
        " AND coalesce(dropped_at, sent_at) <= ? ORDER BY created_at LIMIT ?)",
        (recipient, int(before.timestamp()), micros(before), _FORGOTTEN_AT_ONCE),
    ).rowcount


def drop_expired(tx: Tx, message: OutboxMessage, *, now: datetime) -> bool:
    """Drop a message that is worthless by now (NIP-40); return whether the message was dropped."""
    if message.expires_at is None or message.expires_at > now:
        return False
    tx.execute("UPDATE outbox SET dropped_at = ? WHERE id = ?", (micros(now), message.id))
    return True


def mark_failed(
    tx: Tx, message: OutboxMessage, *, delay_s: int, now: datetime, taken_beside: str = ""
) -> bool:
    """Record a failed try; return whether the message is given up (_KEEP_TRYING and TRIES_MIN).

    `taken_beside`: a relay that accepted the message without counting. A message that was withdrawn meanwhile
    stays withdrawn.
    """
    clock.see(tx, now)
    over = now - message.created_at > _KEEP_TRYING and message.tries + 1 >= TRIES_MIN
    tx.execute(
        "UPDATE outbox SET tries = tries + 1, try_at = ?, dropped_at = coalesce(dropped_at, ?),"
        " taken_beside = coalesce(nullif(?, ''), taken_beside) WHERE id = ?",
        (
            micros(now + timedelta(seconds=delay_s)),
            micros(now) if over else None,
            taken_beside,
            message.id,
        ),
    )
    return over


def put_off_taken(tx: Tx, pubkey: str, *, delay_s: int, now: datetime) -> None:
    """Put off a person's other messages that a relay has already: one try tells enough about the person.

    Each put off counts as a try.
    """
    at = micros(now + timedelta(seconds=delay_s))
    tx.execute(
        f"UPDATE outbox SET try_at = ?1, tries = tries + 1 WHERE {UNSENT_MESSAGE} AND recipient = ?2"
        " AND taken_beside <> '' AND try_at < ?1",
        (at, pubkey),
    )


def taken_beside(tx: Tx, recipient: str) -> str:
    """Return the relay that has a person's waiting messages although that doesn't count; '' for none."""
    row = tx.execute(
        "SELECT taken_beside FROM outbox INDEXED BY outbox_waiting"
        f" WHERE {UNSENT_MESSAGE} AND recipient = ? AND taken_beside <> '' ORDER BY id DESC LIMIT 1",
        (recipient,),
    ).fetchone()
    return str(row["taken_beside"]) if row else ""


def unsent(tx: Tx) -> int:
    """Return the number of waiting messages."""
    row = tx.execute(f"SELECT count(*) AS n FROM outbox WHERE {UNSENT_MESSAGE}").fetchone()
    return int(row["n"])


def _recipients(tx: Tx, now: datetime, urgency: Urgency, busy: Sequence[str]) -> Iterator[str]:
    """Yield the recipients of due messages of this urgency, once for each message."""
    marks = ",".join("?" * len(busy))
    rows = tx.execute(
        f"SELECT recipient FROM outbox INDEXED BY outbox_turn WHERE {UNSENT_MESSAGE} AND urgency = ?"
        f" AND try_at <= ? AND taken_beside = '' AND recipient NOT IN ({marks}) ORDER BY try_at, id",
        (urgency, micros(now), *busy),
    )
    yield from (row["recipient"] for row in rows)


def _first(tx: Tx, recipient: str, now: datetime) -> OutboxMessage:
    """Return the person's next message; there is one."""
    row = tx.execute(
        f"SELECT * FROM outbox INDEXED BY outbox_waiting WHERE {UNSENT_MESSAGE} AND recipient = ?"
        " AND try_at <= ? AND taken_beside = '' ORDER BY urgency = ?, id LIMIT 1",
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
        expires_at=instant_or_none(row["expires_at"]),
        taken_beside=row["taken_beside"],
        file=tuple((name, value) for name, value in json.loads(row["file"] or "[]")),
    )

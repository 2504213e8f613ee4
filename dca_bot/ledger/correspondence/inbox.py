"""Received messages: each runs once.

One transaction records the inbox row, the effects of the command, and the reply. The inbox keeps no
message's text.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Person:
    """The protocol and the relay of the last message from a person."""

    protocol: DmProtocol
    relay: str


def is_received(tx: Tx, message: IncomingMessage) -> bool:
    """Tell whether a message was handled already."""
    row = tx.execute(
        "SELECT 1 FROM inbox WHERE sender = ? AND message_id = ?", (message.sender, message.id)
    )
    return row.fetchone() is not None


def receive(tx: Tx, message: IncomingMessage, *, command: str, now: datetime) -> bool:
    """Record a message as handled; return False for a message that was handled before."""
    done = tx.execute(
        "INSERT INTO inbox (sender, message_id, received_at, command) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (message.sender, message.id, micros(now), command),
    )
    return done.rowcount == 1


def note_person(tx: Tx, message: IncomingMessage, *, now: datetime) -> None:
    """Record a person's protocol and relay, by the message's own time: a replay changes nothing.

    A time in the future counts as now, or else the person's messages up to that time would not count.
    A message that a relay passed on as new also shows how far the clock of the person's phone is behind.
    """
    tx.execute(
        "INSERT INTO person (pubkey, protocol, protocol_at, relay) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (pubkey) DO UPDATE SET protocol = excluded.protocol,"
        " protocol_at = excluded.protocol_at, relay = excluded.relay"
        " WHERE excluded.protocol_at > person.protocol_at",
        (message.sender, message.protocol, micros(min(message.sent_at, now)), message.relay),
    )
    if message.arrived_at is not None:
        behind_s = (message.arrived_at - message.sent_at) // _SECOND
        tx.execute("UPDATE person SET behind_s = ? WHERE pubkey = ?", (behind_s, message.sender))


def wrote_later(tx: Tx, message: IncomingMessage) -> bool:
    """Tell whether a message was handled that the person has written later, by the messages' own times."""
    row = tx.execute(
        "SELECT protocol_at > ? AS yes FROM person WHERE pubkey = ?",
        (micros(message.sent_at), message.sender),
    ).fetchone()
    return row is not None and bool(row["yes"])


def clock_behind(tx: Tx, pubkey: str) -> timedelta | None:
    """Return how far the clock of a person's phone was behind, below 0 for ahead; None if not known."""
    row = tx.execute("SELECT behind_s FROM person WHERE pubkey = ?", (pubkey,)).fetchone()
    if row is None or row["behind_s"] is None:
        return None
    return int(row["behind_s"]) * _SECOND


def person(tx: Tx, pubkey: str) -> Person | None:
    """Return how a person wrote last; None for a person who never wrote."""
    row = tx.execute("SELECT * FROM person WHERE pubkey = ?", (pubkey,)).fetchone()
    return None if row is None else Person(DmProtocol(row["protocol"]), row["relay"])


def reached(tx: Tx, pubkey: str) -> bool:
    """Tell whether a person has written to the bot, or a relay has accepted a message to the person."""
    row = tx.execute(
        "SELECT EXISTS (SELECT 1 FROM person WHERE pubkey = ?1)"
        " OR EXISTS (SELECT 1 FROM outbox WHERE recipient = ?1 AND sent_at IS NOT NULL) AS yes",
        (pubkey,),
    ).fetchone()
    return bool(row["yes"])

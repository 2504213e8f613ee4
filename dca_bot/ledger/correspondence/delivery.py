"""How messages to each person fare: when a message last arrived, and since when messages do not arrive.

A row is written in the transaction that marks the message. Strangers have no row.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.delivery import Undelivered
from dca_bot.ledger.programme.clients import OPEN_CLIENT
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

SHOWN_AFTER = timedelta(minutes=5)
"""How long a loss lasts before lists name the person; retries mend a shorter loss."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Messages do not reach a person.

    `since`: the first message in a row that did not arrive. `reason`: why not, as of the last try;
    `said`: the relay's own words, '' for none.
    """

    pubkey: str
    since: datetime
    reason: Undelivered
    said: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages to one person fare.

    `reached_at`: when a counting relay (`core/routing`) last accepted a message; `relay`: that relay.
    `loss`: None while messages reach the person.
    """

    pubkey: str
    reached_at: datetime | None
    relay: str
    loss: Loss | None


def note_reached(tx: Tx, pubkey: str, relay: str, *, now: datetime) -> bool:
    """Record that a message reached a person; return whether messages did not before."""
    found = of(tx, pubkey)
    tx.execute(
        "INSERT INTO delivery (pubkey, reached_at, relay) VALUES (?, ?, ?)"
        " ON CONFLICT (pubkey) DO UPDATE SET reached_at = excluded.reached_at,"
        " relay = excluded.relay, lost_at = NULL, reason = NULL, detail = ''",
        (pubkey, micros(now), relay),
    )
    return found is not None and found.loss is not None


def note_lost(tx: Tx, pubkey: str, reason: Undelivered, said: str, *, now: datetime) -> None:
    """Record that a message did not reach a person; the loss begins with the first such message in a row."""
    tx.execute(
        "INSERT INTO delivery (pubkey, lost_at, reason, detail) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (pubkey) DO UPDATE SET lost_at = coalesce(lost_at, excluded.lost_at),"
        " reason = excluded.reason, detail = excluded.detail",
        (pubkey, micros(now), reason, said),
    )


def of(tx: Tx, pubkey: str) -> Delivery | None:
    """Return how messages to a person fare; None if no message was tried."""
    row = tx.execute("SELECT * FROM delivery WHERE pubkey = ?", (pubkey,)).fetchone()
    return None if row is None else _delivery(row)


def loss_of(tx: Tx, pubkey: str) -> Loss | None:
    """Return the loss of a person, from the first failed message on; None if messages arrive."""
    found = of(tx, pubkey)
    return None if found is None else found.loss


def lost_operators(tx: Tx, pubkeys: Iterable[str], *, before: datetime) -> list[Loss]:
    """Return the losses of the operators `pubkeys` that began at `before` or earlier, the longest first."""
    found = [loss for pubkey in pubkeys if (loss := loss_of(tx, pubkey)) and loss.since <= before]
    return sorted(found, key=lambda loss: (loss.since, loss.pubkey))


def lost_clients(
    tx: Tx, *, before: datetime, limit: int = -1, offset: int = 0
) -> list[tuple[str, Loss]]:
    """Return name and loss of the open clients whose loss began at `before` or earlier, the longest first."""
    rows = tx.execute(
        "SELECT name, delivery.* FROM delivery JOIN client USING (pubkey)"
        f" WHERE {OPEN_CLIENT} AND lost_at <= ? ORDER BY lost_at, name LIMIT ? OFFSET ?",
        (micros(before), limit, offset),
    )
    return [(row["name"], _loss(row)) for row in rows]


def _delivery(row: sqlite3.Row) -> Delivery:
    loss = None if row["lost_at"] is None else _loss(row)
    return Delivery(row["pubkey"], instant_or_none(row["reached_at"]), row["relay"], loss)


def _loss(row: sqlite3.Row) -> Loss:
    reason = Undelivered(row["reason"])
    return Loss(row["pubkey"], instant(row["lost_at"]), reason, row["detail"])

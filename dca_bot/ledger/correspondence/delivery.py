"""How messages to each person fare: when a message last arrived, and since when messages do not arrive.

A row is written in the transaction that marks the message. Strangers have no row.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.delivery import Undelivered
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant_or_none, micros


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages to one person fare.

    `reached_at`: when a counting relay (`core/routing`) last accepted a message; `relay`: that relay.
    `lost_at`: since when messages do not reach the person; None while messages do. `reason`: why not, as of
    the last try; `detail`: the relay's own words, '' for none. `told_at`: when the operators were told.
    """

    pubkey: str
    reached_at: datetime | None
    relay: str
    lost_at: datetime | None
    reason: Undelivered | None
    detail: str
    told_at: datetime | None


def note_reached(tx: Tx, pubkey: str, relay: str, *, now: datetime) -> bool:
    """Record that a message reached a person; return whether messages did not before.

    `told_at` stays for the all-clear of `jobs/alarms`.
    """
    found = of(tx, pubkey)
    tx.execute(
        "INSERT INTO delivery (pubkey, reached_at, relay) VALUES (?, ?, ?)"
        " ON CONFLICT (pubkey) DO UPDATE SET reached_at = excluded.reached_at,"
        " relay = excluded.relay, lost_at = NULL, reason = NULL, detail = ''",
        (pubkey, micros(now), relay),
    )
    return found is not None and found.lost_at is not None


def note_lost(tx: Tx, pubkey: str, reason: Undelivered, detail: str, *, now: datetime) -> None:
    """Record that a message did not reach a person; the loss begins with the first such message in a row."""
    tx.execute(
        "INSERT INTO delivery (pubkey, lost_at, reason, detail) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (pubkey) DO UPDATE SET lost_at = coalesce(lost_at, excluded.lost_at),"
        " reason = excluded.reason, detail = excluded.detail",
        (pubkey, micros(now), reason, detail),
    )


def of(tx: Tx, pubkey: str) -> Delivery | None:
    """Return how messages to a person fare; None if no message was tried."""
    row = tx.execute("SELECT * FROM delivery WHERE pubkey = ?", (pubkey,)).fetchone()
    return None if row is None else _delivery(row)


def lost(tx: Tx) -> list[Delivery]:
    """Return everybody whom messages do not reach, those lost for longest first."""
    rows = tx.execute("SELECT * FROM delivery WHERE lost_at IS NOT NULL ORDER BY lost_at, pubkey")
    return [_delivery(row) for row in rows]


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
        pubkey=row["pubkey"],
        reached_at=instant_or_none(row["reached_at"]),
        relay=row["relay"],
        lost_at=instant_or_none(row["lost_at"]),
        reason=None if row["reason"] is None else Undelivered(row["reason"]),
        detail=row["detail"],
        told_at=instant_or_none(row["told_at"]),
    )

"""People whom the bot's messages don't reach, by the losses in the table `delivery`."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.ledger.programme.clients import OPEN_CLIENT
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros

SHOWN_AFTER = timedelta(minutes=5)
"""How long a loss lasts before lists name the person; retries mend a shorter loss."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """A person whom messages don't reach.

    `since`: the start of the loss. `reason`: why, a slug of the schema. `said`: the relays' own words.
    `reached_at`: the last message that arrived, on `relay`; None if no message ever arrived.
    """

    pubkey: str
    since: datetime
    reason: str
    said: str
    reached_at: datetime | None
    relay: str


def of(tx: Tx, pubkey: str) -> Unreached | None:
    """Return the loss of a person, from the first failed message on; None if messages arrive."""
    row = tx.execute(
        "SELECT * FROM delivery WHERE pubkey = ? AND lost_at IS NOT NULL", (pubkey,)
    ).fetchone()
    return None if row is None else _unreached(row)


def operators(tx: Tx, pubkeys: Collection[str], *, before: datetime) -> list[Unreached]:
    """Return the operators of `pubkeys` whose loss began at `before` or earlier, the longest first."""
    found = [loss for pubkey in pubkeys if (loss := of(tx, pubkey)) and loss.since <= before]
    return sorted(found, key=lambda loss: (loss.since, loss.pubkey))


def clients(
    tx: Tx, *, before: datetime, limit: int = -1, offset: int = 0
) -> list[tuple[str, Unreached]]:
    """Return name and loss of the open clients whose loss began at `before` or earlier, the longest first."""
    rows = tx.execute(
        "SELECT delivery.*, name FROM delivery JOIN client USING (pubkey)"
        f" WHERE {OPEN_CLIENT} AND lost_at <= ? ORDER BY lost_at, name LIMIT ? OFFSET ?",
        (micros(before), limit, offset),
    )
    return [(row["name"], _unreached(row)) for row in rows]


def _unreached(row: sqlite3.Row) -> Unreached:
    return Unreached(
        pubkey=row["pubkey"],
        since=instant(row["lost_at"]),
        reason=row["reason"],
        said=row["detail"],
        reached_at=instant_or_none(row["reached_at"]),
        relay=row["relay"],
    )

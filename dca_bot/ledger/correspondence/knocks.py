"""Knocks: the answers to strangers, and the codes by which an operator adds a stranger as a client.

The invariant: a code belongs to one npub, is used at most once, and lives for a day. All strangers together
get at most ANSWERS_MAX answers an hour, and at most OPEN_MAX codes are open: a flood makes neither the
ledger nor the operators' work grow.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from dca_bot.core import knock
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.store.clock import KNOCK_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

STRANGER = "stranger"
"""The command of an answered stranger's message in the inbox."""
ANSWERS_MAX = 20
OPEN_MAX = 100
_WINDOW = timedelta(hours=1)
_OPEN = "used_at IS NULL AND expires_at > ?"


@dataclass(frozen=True, slots=True)
class Knock:
    """An open knock; `profile_name` is empty until a profile was found."""

    code: str
    pubkey: str
    profile_name: str
    knocked_at: datetime
    expires_at: datetime


def may_answer(tx: Tx, pubkey: str, *, now: datetime) -> bool:
    """Tell whether a stranger is answered now: once an hour, while the answers of the hour last."""
    answered = _answered(tx, now)
    return pubkey not in answered and len(answered) < ANSWERS_MAX


def is_flooded(tx: Tx, *, now: datetime) -> bool:
    """Tell whether so many strangers write that no further stranger gets a code."""
    return len(_answered(tx, now)) >= ANSWERS_MAX or open_count(tx, now=now) >= OPEN_MAX


def give(tx: Tx, pubkey: str, *, now: datetime, random: Random) -> Knock | None:
    """Return a stranger's open knock, or a new knock; None while too many knocks are open."""
    tx.execute("DELETE FROM knock WHERE expires_at <= ?", (micros(now - KNOCK_LIFE),))
    found = _first(tx, "pubkey = ?", pubkey, now)
    if found is not None or open_count(tx, now=now) >= OPEN_MAX:
        return found
    taken = {row["code"] for row in tx.execute("SELECT code FROM knock")}
    code = knock.make(random)
    while code in taken:
        code = knock.make(random)
    tx.execute(
        "INSERT INTO knock (code, pubkey, knocked_at, expires_at) VALUES (?, ?, ?, ?)",
        (code, pubkey, micros(now), micros(now + KNOCK_LIFE)),
    )
    return _first(tx, "code = ?", code, now)


def find(tx: Tx, code: str, *, now: datetime) -> Knock | None:
    """Return the open knock with a code; None for a code that is unknown, used or too old."""
    return _first(tx, "code = ?", code, now)


def close(tx: Tx, pubkey: str, *, now: datetime) -> None:
    """Mark the knock of a new client as used; answers that bring the code leave no more."""
    tx.execute(
        "UPDATE knock SET used_at = ? WHERE pubkey = ? AND used_at IS NULL", (micros(now), pubkey)
    )
    outbox.end_codes(tx, pubkey, now=now)


def void_all(tx: Tx) -> None:
    """Void all open knocks: a restored ledger may hold a knock that was used since the copy."""
    tx.execute("DELETE FROM knock WHERE used_at IS NULL")


def note_profile(tx: Tx, found: Knock, name: str) -> None:
    """Record the name in the profile behind a knock."""
    tx.execute("UPDATE knock SET profile_name = ? WHERE code = ?", (name, found.code))


def open_knocks(tx: Tx, *, now: datetime, limit: int, offset: int = 0) -> list[Knock]:
    """Return the open knocks, newest first."""
    rows = tx.execute(
        f"SELECT * FROM knock WHERE {_OPEN} ORDER BY knocked_at DESC, code LIMIT ? OFFSET ?",
        (micros(now), limit, offset),
    )
    return [_knock(row) for row in rows]


def open_count(tx: Tx, *, now: datetime) -> int:
    """Return the number of open knocks."""
    row = tx.execute(f"SELECT count(*) AS n FROM knock WHERE {_OPEN}", (micros(now),)).fetchone()
    return int(row["n"])


def since(tx: Tx, start: datetime) -> list[str]:
    """Return the pubkeys behind the unused knocks since an instant, the oldest first."""
    rows = tx.execute(
        "SELECT pubkey FROM knock WHERE knocked_at > ? AND used_at IS NULL ORDER BY knocked_at, code",
        (micros(start),),
    )
    return list(dict.fromkeys(row["pubkey"] for row in rows))


def _answered(tx: Tx, now: datetime) -> list[str]:
    """Return the strangers answered within the hour; an instant in the future doesn't count."""
    rows = tx.execute(
        "SELECT sender FROM inbox INDEXED BY inbox_stranger_at"
        f" WHERE command = '{STRANGER}' AND received_at > ? AND received_at <= ?",
        (micros(now - _WINDOW), micros(now)),
    )
    return [row["sender"] for row in rows]


def _first(tx: Tx, which: str, value: str, now: datetime) -> Knock | None:
    row = tx.execute(f"SELECT * FROM knock WHERE {which} AND {_OPEN}", (value, micros(now)))
    found = row.fetchone()
    return None if found is None else _knock(found)


def _knock(row: sqlite3.Row) -> Knock:
    return Knock(
        code=row["code"],
        pubkey=row["pubkey"],
        profile_name=row["profile_name"],
        knocked_at=instant(row["knocked_at"]),
        expires_at=instant(row["expires_at"]),
    )

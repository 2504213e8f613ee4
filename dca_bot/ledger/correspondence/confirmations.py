"""Confirmation codes: each bound to a person and an effect, good for ten minutes, used once."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from random import Random

from dca_bot.ledger.store.clock import CODE_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An unused code: the command as written, and the words in which the effect was told."""

    code: str
    command: str
    effect: str
    expires_at: datetime


def issue(tx: Tx, pubkey: str, *, command: str, effect: str, now: datetime, random: Random) -> str:
    """Make a code for an effect; the person's earlier codes become void."""
    withdraw(tx, pubkey)
    tx.execute("DELETE FROM confirmation WHERE expires_at < ?", (micros(now - CODE_LIFE),))
    taken = {row["code"] for row in tx.execute("SELECT code FROM confirmation")}
    code = _new_code(random)
    while code in taken:
        code = _new_code(random)
    tx.execute(
        "INSERT INTO confirmation (code, pubkey, command, effect, expires_at) VALUES (?, ?, ?, ?, ?)",
        (code, pubkey, command, effect, micros(now + CODE_LIFE)),
    )
    return code


def still_open(tx: Tx, pubkey: str, *, now: datetime) -> Confirmation | None:
    """Return a person's only open code; None without one."""
    row = tx.execute(
        "SELECT * FROM confirmation WHERE pubkey = ? AND used_at IS NULL AND expires_at >= ?",
        (pubkey, micros(now)),
    ).fetchone()
    return None if row is None else _confirmation(row)


def find(tx: Tx, pubkey: str, code: str, *, now: datetime) -> Confirmation | None:
    """Return a person's open code if `code` is that code."""
    found = still_open(tx, pubkey, now=now)
    return found if found is not None and found.code == code.upper() else None


def use(tx: Tx, confirmation: Confirmation, *, now: datetime) -> bool:
    """Mark a code as used; return False for a code that was used meanwhile."""
    done = tx.execute(
        "UPDATE confirmation SET used_at = ? WHERE code = ? AND used_at IS NULL",
        (micros(now), confirmation.code),
    )
    return done.rowcount == 1


def withdraw(tx: Tx, pubkey: str) -> int:
    """Void a person's open codes; return their number."""
    return tx.execute(
        "DELETE FROM confirmation WHERE pubkey = ? AND used_at IS NULL", (pubkey,)
    ).rowcount


def _confirmation(row: sqlite3.Row) -> Confirmation:
    return Confirmation(
        code=row["code"],
        command=row["command"],
        effect=row["effect"],
        expires_at=instant(row["expires_at"]),
    )


def _new_code(random: Random) -> str:
    return "".join(random.choice(_LETTERS) for _ in range(4))

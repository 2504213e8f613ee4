"""Confirmation codes: each bound to a person and an effect, good for ten minutes, used once.

A person can have several open codes; the same command again makes the command's earlier code void.
"""

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from random import Random

from dca_bot.ledger.store.clock import CODE_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

OPEN_MAX = 8
"""A person's open codes, as many as a message may have commands; a further code makes the oldest void."""
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PRODUCT = re.compile("[0-9]+X[0-9]+")
"""A code that would be read as a product: `2X50`."""
_OPEN = "pubkey = ? AND used_at IS NULL AND expires_at >= ?"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An unused code: the command as written, and the words in which the effect was told."""

    code: str
    command: str
    effect: str
    expires_at: datetime


def issue(tx: Tx, pubkey: str, *, command: str, effect: str, now: datetime, random: Random) -> str:
    """Make a code for an effect; an earlier code of the person for the same command becomes void."""
    tx.execute(
        "DELETE FROM confirmation WHERE pubkey = ? AND command = ? AND used_at IS NULL",
        (pubkey, command),
    )
    for oldest in open_codes(tx, pubkey, now=now)[: -(OPEN_MAX - 1)]:
        tx.execute("DELETE FROM confirmation WHERE code = ?", (oldest.code,))
    tx.execute("DELETE FROM confirmation WHERE expires_at < ?", (micros(now - CODE_LIFE),))
    taken = {row["code"] for row in tx.execute("SELECT code FROM confirmation")}
    code = _new_code(random)
    while code in taken or _PRODUCT.fullmatch(code):
        code = _new_code(random)
    tx.execute(
        "INSERT INTO confirmation (code, pubkey, command, effect, expires_at) VALUES (?, ?, ?, ?, ?)",
        (code, pubkey, command, effect, micros(now + CODE_LIFE)),
    )
    return code


def open_codes(tx: Tx, pubkey: str, *, now: datetime) -> list[Confirmation]:
    """Return a person's open codes, the oldest first."""
    rows = tx.execute(
        f"SELECT * FROM confirmation WHERE {_OPEN} ORDER BY expires_at, code", (pubkey, micros(now))
    )
    return [_confirmation(row) for row in rows]


def find(tx: Tx, pubkey: str, code: str, *, now: datetime) -> Confirmation | None:
    """Return a person's open code if `code`, in any case, is one."""
    found = (one for one in open_codes(tx, pubkey, now=now) if one.code == code.upper())
    return next(found, None)


def use(tx: Tx, confirmation: Confirmation, *, now: datetime) -> bool:
    """Mark a code as used; return False for a code that was used meanwhile."""
    done = tx.execute(
        "UPDATE confirmation SET used_at = ? WHERE code = ? AND used_at IS NULL",
        (micros(now), confirmation.code),
    )
    return done.rowcount == 1


def drop(tx: Tx, confirmation: Confirmation) -> None:
    """Void an open code."""
    tx.execute("DELETE FROM confirmation WHERE code = ? AND used_at IS NULL", (confirmation.code,))


def withdraw(tx: Tx, pubkey: str) -> int:
    """Void a person's open codes; return their number."""
    return tx.execute(
        "DELETE FROM confirmation WHERE pubkey = ? AND used_at IS NULL", (pubkey,)
    ).rowcount


def void_all(tx: Tx) -> None:
    """Void everybody's open codes: a restored ledger may hold a code that was used since the copy."""
    tx.execute("DELETE FROM confirmation WHERE used_at IS NULL")


def _confirmation(row: sqlite3.Row) -> Confirmation:
    return Confirmation(
        code=row["code"],
        command=row["command"],
        effect=row["effect"],
        expires_at=instant(row["expires_at"]),
    )


def _new_code(random: Random) -> str:
    return "".join(random.choice(_LETTERS) for _ in range(4))

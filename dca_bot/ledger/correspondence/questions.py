"""The bot's last question to each person, who wrote in plain words: `yes` runs the command asked about."""

from datetime import datetime

from dca_bot.ledger.store.clock import CODE_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


def put(tx: Tx, pubkey: str, command: str, *, now: datetime) -> None:
    """Keep the question to a person, in place of an earlier question; `command` as commands are written.

    Everybody's questions that are over go, as a question may have a person's own words.
    """
    tx.execute("DELETE FROM question WHERE expires_at < ?", (micros(now),))
    tx.execute(
        "INSERT INTO question (pubkey, command, expires_at) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (pubkey) DO UPDATE SET command = ?2, expires_at = ?3",
        (pubkey, command, micros(now + CODE_LIFE)),
    )


def still_open(tx: Tx, pubkey: str, *, now: datetime) -> str:
    """Return the command of the open question to a person; empty without one."""
    row = tx.execute(
        "SELECT command FROM question WHERE pubkey = ? AND expires_at >= ?", (pubkey, micros(now))
    ).fetchone()
    return "" if row is None else str(row["command"])


def close(tx: Tx, pubkey: str) -> bool:
    """End the question to a person; return False if none was open."""
    return tx.execute("DELETE FROM question WHERE pubkey = ?", (pubkey,)).rowcount > 0


def void_all(tx: Tx) -> None:
    """End everybody's question: a restored ledger may hold a question that was answered since the copy."""
    tx.execute("DELETE FROM question")

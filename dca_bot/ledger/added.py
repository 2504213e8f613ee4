"""Cash-outs that were settled outside Lamassu, and that the operator adds by hand.

The id comes from the message that confirmed it, so one message adds one cash-out.
"""

import hashlib
from datetime import datetime

from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import micros

_COIN = "BTC"


def cash_out_id(sender: str, message_id: str) -> str:
    """Derive the id from the confirming message: what tells it from others comes first, to be typed."""
    text = f"dca-bot cash-out|{sender}|{message_id}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-added"


def record(tx: Tx, id_: str, *, device_id: str, currency: str, note: str, now: datetime) -> None:
    """Record a cash-out of now, which is to be distributed in the same transaction.

    IntegrityError if it was added before.
    """
    tx.execute(
        "INSERT INTO cash_out (id, device_id, state, created_at, at, fiat_code, crypto_code,"
        " first_seen_at, changed_at, note) VALUES (:id, :device, 'waiting', :now, :now, :fiat, :coin,"
        " :now, :now, :note)",
        {
            "id": id_,
            "device": device_id,
            "now": micros(now),
            "fiat": currency,
            "coin": _COIN,
            "note": note,
        },
    )


def find_machine(tx: Tx, written: str) -> tuple[str, str] | None:
    """Find (device id, name) of a machine by its name as one word, whatever the case."""
    rows = tx.execute("SELECT device_id, name FROM machine ORDER BY device_id")
    wanted = as_word(written).casefold()
    return next(
        (
            (row["device_id"], row["name"])
            for row in rows
            if as_word(row["name"]).casefold() == wanted
        ),
        None,
    )


def as_word(name: str) -> str:
    """Write a machine's name as the one word that a command takes: `Zona 10` is `Zona10`."""
    return "".join(name.split())

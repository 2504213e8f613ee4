"""Cash-outs that were settled outside Lamassu and that an operator adds by hand.

The cash-out's id derives from the confirming message: a message adds a single cash-out.
"""

import hashlib
from datetime import datetime

from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.programme import machine_cash, machines
from dca_bot.ledger.programme.machine_cash import CASH_OUT, Flow
from dca_bot.ledger.store.database import Tx


def cash_out_id(sender: str, message_id: str, place: int = 0) -> str:
    """Derive a cash-out's id from the confirming message; the distinctive part comes first, to be typed."""
    text = f"dca-bot cash-out|{sender}|{message_id}" + (f"|{place}" if place else "")
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-added"


def record(
    tx: Tx,
    id_: str,
    *,
    device_id: str,
    fiat_minor: int,
    currency: str,
    note: str,
    now: datetime,
) -> None:
    """Record a cash-out of now, to be distributed in the same transaction, and the cash that left.

    Before any machine is known, the cash leaves no named machine. Raise sqlite3.IntegrityError if the
    cash-out was added before.
    """
    cash_outs.record_added(tx, id_, device_id=device_id, currency=currency, note=note, now=now)
    place = device_id if machines.everything(tx) else machines.UNNAMED
    cash = Flow(CASH_OUT, id_, place, -fiat_minor, now)
    machine_cash.follow(tx, [cash], now=now)

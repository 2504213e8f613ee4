"""The newest price of a coin that the Lamassu server was seen to use."""

from datetime import datetime
from decimal import Decimal

from dca_bot.core.rate import Ticker
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def newest(tx: Tx) -> Ticker | None:
    """Return the newest ticker; None if no poll has read a ticker yet."""
    row = tx.execute("SELECT at, price FROM ticker").fetchone()
    return None if row is None else Ticker(Decimal(row["price"]), instant(row["at"]))


def note(tx: Tx, ticker: Ticker, *, now: datetime) -> None:
    """Record a ticker in place of an older one, or of one from the future (the clock was ahead)."""
    known = newest(tx)
    if known is None or known.at < ticker.at or known.at > now:
        tx.execute(
            "INSERT OR REPLACE INTO ticker (id, at, price) VALUES (1, ?, ?)",
            (micros(ticker.at), str(ticker.price)),
        )

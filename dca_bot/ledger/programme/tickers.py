"""The newest price of a coin that the Lamassu server was seen to use."""

from datetime import datetime
from decimal import Decimal

from dca_bot.core.rate import Ticker
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx


def newest(tx: Tx) -> Ticker | None:
    """Return the newest ticker that was noted."""
    noted = bot_state.get(tx, bot_state.TICKER)
    if noted is None:
        return None
    at, price = noted.split()
    return Ticker(Decimal(price), datetime.fromisoformat(at))


def note(tx: Tx, ticker: Ticker, *, now: datetime) -> None:
    """Remember a ticker if it is newer than the one that is known.

    One of the future was noted while the clock was ahead: it gives way.
    """
    known = newest(tx)
    if known is None or known.at < ticker.at or known.at > now:
        bot_state.put(tx, bot_state.TICKER, f"{ticker.at.isoformat()} {ticker.price}")

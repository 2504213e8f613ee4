"""The last notice to the operators about the source wallet's funds."""

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def told(tx: Tx) -> TopUp | None:
    """Return the last notice; None if the source wallet has enough."""
    value = bot_state.get(tx, bot_state.TOP_UP)
    if value is None:
        return None
    trouble, expires_at, balance_msat, asked_sat = value.split()
    return TopUp(Trouble(trouble), instant(int(expires_at)), int(balance_msat), int(asked_sat))


def note(tx: Tx, top_up: TopUp) -> None:
    """Record a notice in place of the last notice."""
    expires_at = micros(top_up.expires_at)
    value = f"{top_up.trouble} {expires_at} {top_up.balance_msat} {top_up.asked_sat}"
    bot_state.put(tx, bot_state.TOP_UP, value)


def forget(tx: Tx) -> bool:
    """Record that the source wallet has enough; tell whether a notice was in force."""
    return bot_state.drop(tx, bot_state.TOP_UP)

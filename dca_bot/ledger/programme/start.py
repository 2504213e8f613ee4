"""The instant from which on cash-outs count: `lamassu.start_at`, or else the bot's first start.

The invariant: once a programme runs, an earlier instant than before counts only after an operator has agreed,
because the cash-outs in between would be distributed and the commission paid.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class Start:
    """Cash-outs count from `at` on.

    `asks`: the operators are to be asked, because cash-outs counted from the later instant `used` on so far.
    """

    at: datetime
    asks: bool
    used: datetime


def foresee(tx: Tx, configured: datetime | None, now: datetime) -> Start:
    """Return what a start of the bot would find now; record nothing.

    A ledger from before 0.2.0 doesn't have the used instant: the configured instant counts as used.
    """
    at = configured or bot_state.moment(tx, bot_state.START_AT) or now
    used = bot_state.moment(tx, bot_state.START_USED) or at
    return Start(at, at < used, used)


def has_begun(tx: Tx) -> bool:
    """Tell whether a bot was ever started on a ledger."""
    return bot_state.moment(tx, bot_state.START_AT) is not None


def begin(tx: Tx, configured: datetime | None, now: datetime) -> Start:
    """Record a start of the bot; if older cash-outs would count, everything waits for an operator."""
    found = foresee(tx, configured, now)
    if not has_begun(tx):
        bot_state.put(tx, bot_state.START_AT, now.isoformat())
    if found.asks:
        bot_state.put(tx, bot_state.START_ASKED, found.at.isoformat())
    else:
        bot_state.put(tx, bot_state.START_USED, found.at.isoformat())
        bot_state.drop(tx, bot_state.START_ASKED)
    return found


def asked(tx: Tx) -> datetime | None:
    """Return the earlier instant that the operators are asked about; None without a question."""
    return bot_state.moment(tx, bot_state.START_ASKED)


def accept(tx: Tx) -> None:
    """Record an operator's word that older cash-outs count."""
    at = asked(tx)
    if at is not None:
        bot_state.put(tx, bot_state.START_USED, at.isoformat())
        bot_state.drop(tx, bot_state.START_ASKED)


def ahead(tx: Tx, now: datetime) -> datetime | None:
    """Return the instant from which on cash-outs count if the instant is in the future; else None."""
    used = bot_state.moment(tx, bot_state.START_USED)
    return used if used is not None and used > now else None

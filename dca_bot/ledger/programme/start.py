"""The instant from which on cash-outs count: `lamassu.start_at`, or an import's, or the bot's first start.

The invariant: once a programme runs, an earlier instant than before counts only after an operator has agreed,
because the cash-outs in between would be distributed and the commission paid.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.errors import LedgerError
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
    at = configured or unconfigured(tx) or now
    used = bot_state.moment(tx, bot_state.START_USED) or at
    return Start(at, at < used, used)


def unconfigured(tx: Tx) -> datetime | None:
    """Return the start without a configured one: the import's, or the bot's first start; None for neither."""
    return imported(tx) or bot_state.moment(tx, bot_state.START_AT)


def imported(tx: Tx) -> datetime | None:
    """Return the instant of the oldest cash-out that the source of an import has processed."""
    return bot_state.moment(tx, bot_state.START_IMPORTED)


def begin_with_import(tx: Tx, oldest_at: datetime) -> datetime:
    """Record that an import's cash-outs count from their oldest on, and return the start.

    The start is never moved ahead. Nobody is asked, because an import's cash-outs are all held.
    """
    known = (
        bot_state.moment(tx, name) for name in (bot_state.START_USED, bot_state.START_IMPORTED)
    )
    at = min([oldest_at, *filter(None, known)])
    for name in (bot_state.START_IMPORTED, bot_state.START_USED):
        bot_state.put(tx, name, at.isoformat())
    return at


def refuse_later(configured: datetime | None, imported_at: datetime | None) -> None:
    """Raise LedgerError for a configured start after the import's: cash-outs in between would be lost."""
    if configured is not None and imported_at is not None and configured > imported_at:
        raise LedgerError(
            f"lamassu.start_at is {configured:%Y-%m-%d %H:%M} UTC, but cash-outs since"
            f" {imported_at:%Y-%m-%d %H:%M} UTC count by the import. Remove lamassu.start_at."
        )


def has_begun(tx: Tx) -> bool:
    """Tell whether a bot was ever started on a ledger."""
    return bot_state.moment(tx, bot_state.START_AT) is not None


def begin(tx: Tx, configured: datetime | None, now: datetime) -> Start:
    """Record a start of the bot; if older cash-outs would count, everything waits for an operator.

    Raise LedgerError if cash-outs of an import would not count any more.
    """
    refuse_later(configured, imported(tx))
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

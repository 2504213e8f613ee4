"""From which instant on cash-outs count: `lamassu.start_at`, or else the bot's first start.

The invariant: once a programme runs, an earlier instant than the one before counts only after the
operator's word, because the cash-outs in between would be shared out and their commission paid.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger import facts
from dca_bot.ledger.database import Tx


@dataclass(frozen=True, slots=True)
class Start:
    """Cash-outs count from `at` on.

    `asks`: the operators are to be asked, as cash-outs counted from the later instant `used` on until now.
    """

    at: datetime
    asks: bool
    used: datetime


def counts_from(tx: Tx, configured: datetime | None, now: datetime) -> datetime:
    """Return from when on cash-outs count for a bot that is started now; nothing is recorded."""
    return configured or facts.moment(tx, facts.START_AT) or now


def begin(tx: Tx, configured: datetime | None, now: datetime) -> Start:
    """Record a start of the bot; where older cash-outs would count, everything waits for the operator."""
    at = counts_from(tx, configured, now)
    if facts.moment(tx, facts.START_AT) is None:
        facts.put(tx, facts.START_AT, now.isoformat())
    used = facts.moment(tx, facts.START_USED) or at
    if at < used:
        facts.put(tx, facts.START_ASKED, at.isoformat())
    else:
        facts.put(tx, facts.START_USED, at.isoformat())
        facts.drop(tx, facts.START_ASKED)
    return Start(at, at < used, used)


def asked(tx: Tx) -> datetime | None:
    """Return the earlier instant that the operators are asked about; None if they are asked nothing."""
    return facts.moment(tx, facts.START_ASKED)


def accept(tx: Tx) -> None:
    """Take the operator's word that older cash-outs count."""
    at = asked(tx)
    if at is not None:
        facts.put(tx, facts.START_USED, at.isoformat())
        facts.drop(tx, facts.START_ASKED)


def ahead(tx: Tx, now: datetime) -> datetime | None:
    """Return from when on cash-outs count if that is still to come; else None."""
    used = facts.moment(tx, facts.START_USED)
    return used if used is not None and used > now else None

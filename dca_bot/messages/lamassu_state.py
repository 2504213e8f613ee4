"""Says how old the last reading of Lamassu is, and why an outside part is out of reach."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.core.freshness import is_stale
from dca_bot.core.reach import Reach
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Moment, Say, Word


def part_state(part: Reach) -> Say:
    """Say whether an outside part is in reach; out of reach, also since when and why."""
    if part.reachable:
        return Say("status.in_reach", part=Word("reach", part.part))
    lost = Say("status.out_of_reach", part=Word("reach", part.part), since=Moment(part.since))
    why = Say("status.why", detail=describe.failure(part)) if part.detail else NOTHING
    return Say("lines", lines=(lost, why))


def lost_parts(parts: Sequence[Reach]) -> tuple[Say, ...]:
    """Say the outside parts out of reach."""
    return tuple(part_state(part) for part in parts if not part.reachable)


def age_lines(tx: Tx, now: datetime) -> tuple[Say, ...]:
    """Say the age of the last reading: the copy's date, and the newest transaction's time."""
    newest_at = readings.newest_transaction_at(tx)
    newest = Say("status.newest", at=Moment(newest_at)) if newest_at else NOTHING
    return copy_age(tx, now), newest


def copy_age(tx: Tx, now: datetime, *, only_stale: bool = False) -> Say:
    """Say the date of the copy of Lamassu that was read, and whether the copy is stale.

    NOTHING if Lamassu itself was read; with `only_stale`, NOTHING for a fresh copy.
    """
    copy = readings.oldest_copy(tx)
    if copy is None or (only_stale and not is_stale(copy, now)):
        return NOTHING
    key = "status.copy_stale" if is_stale(copy, now) else "status.copy"
    return Say(key, copy=Word("copy", copy.name), at=Moment(copy.as_of))

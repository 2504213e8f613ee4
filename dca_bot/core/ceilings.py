"""The ceilings on automatic payouts, and the payouts that would be held, in the order of sending.

The invariant: a single rule decides for the payout worker, before sending, and for the count of the
source wallet's need. So the operators are never asked for a top-up for a payout that is about to be
held.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Ceiling(StrEnum):
    """A ceiling that a payout breaks, as it stands in the ledger's `reason` of a hold."""

    PAYOUT = "ceiling_payout"
    DAY = "ceiling_day"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The operator's limits: on a payout, and on all payouts sent within 24 hours."""

    payout_max_sat: int
    day_max_sat: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A payout that is still to be sent.

    `accepted`: the ceilings that the operator has waived for this payout. `counted_sat`: the part
    of the last 24 hours' sum that is the payout's own earlier attempt, proven unpaid. `is_aside`:
    the destination failed at the last try, so later payouts may be sent first.
    """

    id: str
    amount_sat: int
    accepted: frozenset[str] = frozenset()
    counted_sat: int = 0
    is_aside: bool = False


def broken(
    amount_sat: int, *, sent_sat: int, ceilings: Ceilings, accepted: Collection[str]
) -> Ceiling | None:
    """Return the first ceiling that a payout breaks, other than those in `accepted`.

    `sent_sat`: the sum sent within 24 hours, without the payout itself.
    """
    if amount_sat > ceilings.payout_max_sat and Ceiling.PAYOUT not in accepted:
        return Ceiling.PAYOUT
    if sent_sat + amount_sat > ceilings.day_max_sat and Ceiling.DAY not in accepted:
        return Ceiling.DAY
    return None


def to_be_held(turns: Iterable[Turn], *, sent_sat: int, ceilings: Ceilings) -> frozenset[str]:
    """Return the ids of the payouts that would be held if all others were sent in the order given.

    `sent_sat`: the sum sent within the last 24 hours, including earlier attempts of these payouts.
    """
    held = set()
    for turn in turns:
        beside_sat = sent_sat - turn.counted_sat
        if broken(turn.amount_sat, sent_sat=beside_sat, ceilings=ceilings, accepted=turn.accepted):
            held.add(turn.id)
        elif not turn.is_aside:
            sent_sat = beside_sat + turn.amount_sat
    return frozenset(held)

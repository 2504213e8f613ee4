"""The ceilings on what leaves by itself: which payouts would be held, in the order of their turns.

The invariant: one rule decides for the payout worker, before it sends, and for whoever counts what the
source wallet needs; so a payout that is about to be held is never asked a top-up for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Ceiling(StrEnum):
    """A ceiling that a payout breaks, as it stands in the ledger's `reason` of a hold."""

    PAYOUT = "above payout_max_sat"
    DAY = "above day_max_sat in 24 hours"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the operator allows: one payout, and all payouts that are sent within 24 hours."""

    payout_max_sat: int
    day_max_sat: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A payout that is still to be sent.

    `accepted` are the ceilings that the operator has let it break. `counted_sat` is what its own
    earlier attempt, proven unpaid, adds to the last 24 hours. `is_aside`: its destination didn't take
    it when it was tried last, so payouts behind it may be sent first.
    """

    id: str
    amount_sat: int
    accepted: frozenset[str] = frozenset()
    counted_sat: int = 0
    is_aside: bool = False


def broken(
    amount_sat: int, *, sent_sat: int, ceilings: Ceilings, accepted: Collection[str]
) -> Ceiling | None:
    """Return the first ceiling that a payout breaks and that the operator has not let it break.

    `sent_sat` is what was sent within 24 hours beside the payout itself.
    """
    found = {
        Ceiling.PAYOUT: amount_sat > ceilings.payout_max_sat,
        Ceiling.DAY: sent_sat + amount_sat > ceilings.day_max_sat,
    }
    return next((one for one, is_so in found.items() if is_so and one not in accepted), None)


def to_be_held(turns: Iterable[Turn], *, sent_sat: int, ceilings: Ceilings) -> frozenset[str]:
    """Return the ids of the payouts that would be held, if all others were sent in this order.

    `sent_sat` is what was sent within the last 24 hours, earlier attempts of these payouts included.
    """
    held = set()
    for turn in turns:
        beside_sat = sent_sat - turn.counted_sat
        if broken(turn.amount_sat, sent_sat=beside_sat, ceilings=ceilings, accepted=turn.accepted):
            held.add(turn.id)
        elif not turn.is_aside:
            sent_sat = beside_sat + turn.amount_sat
    return frozenset(held)

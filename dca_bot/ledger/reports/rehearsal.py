"""What a rehearsal would have paid: the payouts that nobody sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ceilings import Ceiling, Ceilings, Turn, broken, to_be_held
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT, FLOW
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.payouts import select
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

_PAYOUTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Payee:
    """What one person would have been paid: bought sats for `minor` of fiat, or commission."""

    name: str
    count: int
    minor: int
    sat: int
    is_commission: bool


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would have been paid in a span of time.

    `payees` come by larger amount. `held`: the payouts that a ceiling would have held. `needed_msat`: what
    the source wallet must have had, with LNbits' fee reserve.
    """

    payees: Sequence[Payee]
    held: Sequence[tuple[Payout, Ceiling]]
    needed_msat: int


@dataclass(frozen=True, slots=True)
class OperatorsPart:
    """The sats of cash-outs that no client buys.

    `rest_sat`: the part of the principals in no share. `given_sat`: the part of `commission_sat` that goes to
    recipients.
    """

    rest_sat: int
    commission_sat: int
    given_sat: int


def would_have_paid(tx: Tx, since: datetime, *, now: datetime, ceilings: Ceilings) -> Rehearsed:
    """Return what would have been paid after `since` until `now`; payouts without a wallet are left out.

    The ceiling of 24 hours counts for the span as a whole.
    """
    # A rehearsal never tries a payout again: `try_at` is when the payout was planned.
    planned = [
        payout
        for payout in select(
            tx,
            "payout.state = 'PLANNED' AND payout.try_at > ? AND payout.try_at <= ?",
            (micros(since), micros(now)),
            among="open_payout",
            limit=_PAYOUTS_MAX,
        )
        if payout.destination is not None
    ]
    turns = (Turn(payout.id, payout.amount_sat) for payout in planned)
    held = to_be_held(turns, sent_sat=0, ceilings=ceilings)
    paid = [payout for payout in planned if payout.id not in held]
    return Rehearsed(
        payees=_payees(paid),
        held=[(payout, _ceiling(payout, ceilings)) for payout in planned if payout.id in held],
        needed_msat=sum(payout.needed_msat for payout in paid),
    )


def operators_part(tx: Tx, since: datetime, *, now: datetime) -> OperatorsPart:
    """Return the operator's sats of the cash-outs that were shared out after `since` until `now`."""
    row = tx.execute(
        "SELECT coalesce(sum(iif(kind = ?1, unallocated_sat, 0)), 0) AS rest,"
        " coalesce(sum(iif(kind = ?1, commission_sat, 0)), 0) AS commission,"
        " coalesce(sum(iif(kind = ?2, principal_sat - unallocated_sat, 0)), 0) AS given"
        " FROM distribution WHERE processed_at > ?3 AND processed_at <= ?4",
        (FLOW, COMMISSION_SPLIT, micros(since), micros(now)),
    ).fetchone()
    return OperatorsPart(row["rest"], row["commission"], row["given"])


def _payees(paid: Sequence[Payout]) -> list[Payee]:
    sums = dict[tuple[int, bool], list[Payout]]()
    for payout in paid:
        sums.setdefault((payout.client_id, payout.is_commission), []).append(payout)
    found = (
        Payee(
            name=some[0].client_name,
            count=len(some),
            minor=sum(payout.minor for payout in some),
            sat=sum(payout.amount_sat for payout in some),
            is_commission=is_commission,
        )
        for (_, is_commission), some in sums.items()
    )
    return sorted(found, key=lambda payee: (-payee.sat, payee.name))


def _ceiling(payout: Payout, ceilings: Ceilings) -> Ceiling:
    """Return the ceiling that holds a payout: its own amount's, else the sum's."""
    alone = broken(payout.amount_sat, sent_sat=0, ceilings=ceilings, accepted=())
    return alone or Ceiling.DAY

"""What a rehearsal would have paid: the payouts that nobody sends."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.ceilings import Ceiling, Ceilings, Turn, broken, to_be_held
from dca_bot.core.payout import needed_msat
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT, FLOW
from dca_bot.ledger.programme.clients import is_internal
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


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

    `payees` come by larger amount. `held`: the ids of payouts that a ceiling would have held.
    `needed_msat`: what the source wallet must have had, with LNbits' fee reserve.
    """

    payees: Sequence[Payee]
    held: Sequence[tuple[str, Ceiling]]
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
    planned = tx.execute(
        "SELECT payout.id, client_id, client.name, amount_sat, client.destination_kind AS kind,"
        " (SELECT sum(minor) FROM share WHERE payout_id = payout.id) AS minor"
        " FROM open_payout AS payout JOIN client ON client.id = client_id"
        " WHERE payout.state = 'PLANNED' AND try_at > ? AND try_at <= ? AND client.destination IS NOT NULL"
        " ORDER BY payout.due_at, payout.id",
        (micros(since), micros(now)),
    ).fetchall()
    turns = (Turn(row["id"], row["amount_sat"]) for row in planned)
    held = to_be_held(turns, sent_sat=0, ceilings=ceilings)
    paid = [row for row in planned if row["id"] not in held]
    return Rehearsed(
        payees=_payees(paid),
        held=[(row["id"], _ceiling(row, ceilings)) for row in planned if row["id"] in held],
        needed_msat=sum(
            needed_msat(row["amount_sat"], is_internal=is_internal(row["kind"])) for row in paid
        ),
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


def _payees(paid: Sequence[sqlite3.Row]) -> list[Payee]:
    piles = dict[tuple[int, bool], list[sqlite3.Row]]()
    for row in paid:
        # No payout mixes commission with bought sats.
        piles.setdefault((row["client_id"], row["minor"] == 0), []).append(row)
    found = (
        Payee(
            name=pile[0]["name"],
            count=len(pile),
            minor=sum(row["minor"] for row in pile),
            sat=sum(row["amount_sat"] for row in pile),
            is_commission=is_commission,
        )
        for (_, is_commission), pile in piles.items()
    )
    return sorted(found, key=lambda payee: (-payee.sat, payee.name))


def _ceiling(row: sqlite3.Row, ceilings: Ceilings) -> Ceiling:
    """Return the ceiling that holds a payout: its own amount's, else the sum's."""
    alone = broken(row["amount_sat"], sent_sat=0, ceilings=ceilings, accepted=())
    return alone or Ceiling.DAY

"""The distributions of cash-outs, fixed runs and commissions, with the shares of the clients and recipients.

The invariant: a distribution is recorded at most once, ever, by id; shares and entries are recorded in the
distribution's transaction or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from dca_bot.ledger.payouts import planning
from dca_bot.ledger.store.accounts import CONVERTED, Account, Cause, Move, balance_of, owed_to, post
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

FLOW = "flow"
FIXED = "fixed"
COMMISSION_SPLIT = "commission"


@dataclass(frozen=True, slots=True)
class Share:
    """The fiat and sats of a payee in a distribution."""

    client_id: int
    minor: int
    sat: int


@dataclass(frozen=True, slots=True)
class RecordedShare:
    """A share in the ledger, with the payee's name and the payout that brings the sats."""

    client_id: int
    client_name: str
    minor: int
    sat: int
    payout_id: str | None
    payout_state: str | None


AnyShare = TypeVar("AnyShare", Share, RecordedShare)


@dataclass(frozen=True, slots=True)
class Distribution(Generic[AnyShare]):
    """A distribution with its shares; `unallocated_sat` is the operator's.

    `kind`: FLOW (of a cash-out), FIXED (of a fixed run) or COMMISSION_SPLIT (of a commission).
    `commission_id`: the commission version of a COMMISSION_SPLIT.
    """

    id: str
    kind: str
    at: datetime
    principal_sat: int
    principal_minor: int
    shares: tuple[AnyShare, ...]
    commission_sat: int = 0
    unallocated_sat: int = 0
    commission_id: int | None = None

    @property
    def client_ids(self) -> list[int]:
        """Return who has a share, in the order of the shares."""
        return [share.client_id for share in self.shares]


def record(
    tx: Tx,
    distribution: Distribution[Share],
    *,
    source: Account,
    rest: Sequence[Move] = (),
    day: str | None = None,
    cause: Cause,
    now: datetime,
) -> None:
    """Record a distribution with its shares and entries; plan no payouts.

    `source`: the account that the shares' sats come from. `rest`: the moves of the sats in no share.
    `day`: the local date that the shares of a fixed run count for. Raise sqlite3.IntegrityError if the
    distribution is recorded already, or a client's balance doesn't cover the client's share.
    """
    shares = distribution.shares
    tx.executemany(
        "INSERT INTO share (distribution_id, client_id, minor, sat, day) VALUES (?, ?, ?, ?, ?)",
        [(distribution.id, share.client_id, share.minor, share.sat, day) for share in shares],
    )
    # After the shares: the schema closes a distribution, and checks its sums, with this row.
    tx.execute(
        "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
        " commission_sat, unallocated_sat, terms_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            distribution.id,
            distribution.kind,
            micros(distribution.at),
            micros(now),
            distribution.principal_sat,
            distribution.principal_minor,
            distribution.commission_sat,
            distribution.unallocated_sat,
            distribution.commission_id,
        ),
    )
    moves = [Move(source, owed_to(share.client_id), share.sat) for share in shares]
    moves += [Move(balance_of(share.client_id), CONVERTED, share.minor) for share in shares]
    post(tx, "distribution", [*moves, *rest], cause=cause, now=now)


def plan_payouts(tx: Tx, distribution: Distribution[Share], *, now: datetime) -> None:
    """Plan the payouts of a recorded distribution."""
    planning.plan(tx, distribution.client_ids, now=now)


def by_id(tx: Tx, distribution_id: str) -> Distribution[RecordedShare] | None:
    """Find a distribution; its shares come by larger fiat, then in the order of recording."""
    row = tx.execute("SELECT * FROM distribution WHERE id = ?", (distribution_id,)).fetchone()
    if row is None:
        return None
    shares = tx.execute(
        "SELECT share.*, client.name, payout.state AS payout_state FROM share"
        " JOIN client ON client.id = share.client_id LEFT JOIN payout ON payout.id = payout_id"
        " WHERE distribution_id = ? ORDER BY minor DESC, share.id",
        (distribution_id,),
    )
    return Distribution(
        id=row["id"],
        kind=row["kind"],
        at=instant(row["at"]),
        principal_sat=row["principal_sat"],
        principal_minor=row["principal_minor"],
        commission_sat=row["commission_sat"],
        unallocated_sat=row["unallocated_sat"],
        shares=tuple(
            RecordedShare(
                client_id=share["client_id"],
                client_name=share["name"],
                minor=share["minor"],
                sat=share["sat"],
                payout_id=share["payout_id"],
                payout_state=share["payout_state"],
            )
            for share in shares
        ),
        commission_id=row["terms_id"],
    )

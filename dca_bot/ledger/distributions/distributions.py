"""What cash-outs, fixed runs and commissions gave to whom.

The invariant: a cash-out is distributed at most once, ever, by its id; its shares, its entries, its
payouts and its state are recorded in one transaction or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.allotment import Allotment, allot
from dca_bot.core.cash_out import Amounts
from dca_bot.core.commission import Split, split_commission
from dca_bot.ledger.distributions import cash_outs, missed
from dca_bot.ledger.payouts import transitions, unknown_payments
from dca_bot.ledger.programme import commission
from dca_bot.ledger.store.accounts import (
    COMMISSION,
    CONVERTED,
    MACHINE,
    OPERATOR,
    Account,
    Cause,
    Move,
    balance_of,
    owed_to,
    post,
)
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

FLOW = "flow"
FIXED = "fixed"
COMMISSION_SPLIT = "commission"


@dataclass(frozen=True, slots=True)
class RecordedShare:
    """What one client got of a distribution, with the payout that brings it."""

    client_id: int
    client_name: str
    minor: int
    sat: int
    payout_id: str | None
    payout_state: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """What a distribution is to give to one payee."""

    client_id: int
    minor: int
    sat: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution with its shares; `unallocated_sat` is the operator's.

    `kind` is FLOW (a cash-out's), FIXED (a run's) or COMMISSION_SPLIT (a commission's), which has
    `terms_id`, the version that it went by.
    """

    id: str
    kind: str
    at: datetime
    principal_sat: int
    principal_minor: int
    commission_sat: int
    unallocated_sat: int
    shares: tuple[RecordedShare, ...] = ()
    terms_id: int | None = None


def eligible(tx: Tx, at: datetime) -> dict[int, int]:
    """Return the balance as of `at`, in minor units, of each client who takes part in flow mode.

    As of `at` means: less the standing deposits confirmed after it. Nobody with 0 is returned.
    """
    rows = tx.execute(
        "SELECT id, balance_minor - (SELECT coalesce(sum(amount_minor), 0) FROM deposit"
        "   WHERE client_id = participant.id AND confirmed_at > ? AND state = 'confirmed')"
        " AS then_minor FROM participant WHERE mode = 'flow'",
        (micros(at),),
    )
    return {row["id"]: row["then_minor"] for row in rows if row["then_minor"] > 0}


def work_out(tx: Tx, amounts: Amounts, *, at: datetime, flow_enabled: bool) -> Allotment[int]:
    """Work out who would get what of a cash-out's principal now, by the clients' ids."""
    balances = eligible(tx, at) if flow_enabled else {}
    return allot(amounts.principal_sat, amounts.principal_minor, balances)


def work_out_split(tx: Tx, cash_out_id: str, commission_sat: int, *, now: datetime) -> Split | None:
    """Work out who would get what of a cash-out's commission now, by name; None if nobody would.

    So it is, too, where LNbits has paid parts of it that this split doesn't have: an old copy of the
    ledger knows other terms, and nothing is paid beside what was paid by those.
    """
    terms, id_ = commission.in_force(tx), commission.split_id(cash_out_id)
    if not terms.parts or commission_sat == 0:
        return None
    split = split_commission(commission_sat, {part.name: part.percent_bp for part in terms.parts})
    given = {name.casefold(): (0, sat) for name, sat in split.sats.items()}
    known = [*unknown_payments.paid_for(tx, id_), *unknown_payments.still_paying(tx, id_, now=now)]
    is_same = all(one.can_bring(given.get(one.client_name.casefold())) for one in known)
    return split if is_same else None


def distribute(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    *,
    at: datetime,
    now: datetime,
    flow_enabled: bool,
    message_id: str | None = None,
) -> Distribution:
    """Share a recorded cash-out out; everything that it changes is part of this transaction.

    Return the distribution of its principal. Raise StateChanged if it is distributed already.
    """
    allotment = work_out(tx, amounts, at=at, flow_enabled=flow_enabled)
    shares = [Share(one.id, minor=one.minor, sat=one.sat) for one in allotment.shares if one.sat]
    cause = Cause(distribution_id=cash_out_id, message_id=message_id)
    recorded = record_cash_out_shares(tx, cash_out_id, amounts, shares, at=at, cause=cause, now=now)
    if flow_enabled:
        missed.record(tx, cash_out_id, missed.would_miss(tx, at))
    for one in shares:
        transitions.plan(tx, one.client_id, now=now)
    give_commission(tx, recorded, now=now, message_id=message_id)
    return _recorded_distribution(tx, cash_out_id)


def record_cash_out_shares(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    shares: Sequence[Share],
    *,
    at: datetime,
    cause: Cause,
    now: datetime,
) -> Distribution:
    """Record what a cash-out gives to whom, and plan no payouts; what no grant brings is the operator's.

    Raise StateChanged if it is distributed already.
    """
    cash_outs.note_distributed(tx, cash_out_id, amounts, at=at, now=now)
    given = Distribution(
        id=cash_out_id,
        kind=FLOW,
        at=at,
        principal_sat=amounts.principal_sat,
        principal_minor=amounts.principal_minor,
        commission_sat=amounts.commission_sat,
        unallocated_sat=amounts.principal_sat - sum(one.sat for one in shares),
    )
    rest = [
        Move(MACHINE, OPERATOR, given.unallocated_sat),
        Move(MACHINE, COMMISSION, amounts.commission_sat),
    ]
    return record_shares(tx, given, shares, source=MACHINE, rest=rest, cause=cause, now=now)


def give(
    tx: Tx,
    distribution: Distribution,
    shares: Sequence[Share],
    *,
    source: Account,
    rest: Sequence[Move] = (),
    day: str | None = None,
    cause: Cause,
    now: datetime,
) -> Distribution:
    """Record a distribution with its shares, entries and payouts; return it as recorded.

    The grants' sats come from `source`; `rest` are the moves of what no share brings. `day` is the
    local date that fixed mode's shares count for. IntegrityError if it is recorded already, or a
    balance doesn't cover its grant.
    """
    record_shares(tx, distribution, shares, source=source, rest=rest, day=day, cause=cause, now=now)
    for one in shares:
        transitions.plan(tx, one.client_id, now=now)
    return _recorded_distribution(tx, distribution.id)


def record_shares(
    tx: Tx,
    distribution: Distribution,
    shares: Sequence[Share],
    *,
    source: Account,
    rest: Sequence[Move] = (),
    day: str | None = None,
    cause: Cause,
    now: datetime,
) -> Distribution:
    """Record a distribution with its shares and entries, and plan no payouts; as `give` does."""
    tx.executemany(
        "INSERT INTO share (distribution_id, client_id, minor, sat, day) VALUES (?, ?, ?, ?, ?)",
        [(distribution.id, one.client_id, one.minor, one.sat, day) for one in shares],
    )
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
            distribution.terms_id,
        ),
    )
    moves = [Move(source, owed_to(one.client_id), one.sat) for one in shares]
    moves += [Move(balance_of(one.client_id), CONVERTED, one.minor) for one in shares]
    post(tx, "distribution", [*moves, *rest], cause=cause, now=now)
    return _recorded_distribution(tx, distribution.id)


def by_id(tx: Tx, distribution_id: str) -> Distribution | None:
    """Find a distribution with its shares."""
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
        terms_id=row["terms_id"],
    )


def _recorded_distribution(tx: Tx, distribution_id: str) -> Distribution:
    found = by_id(tx, distribution_id)
    assert found is not None
    return found


def give_commission(
    tx: Tx, distribution: Distribution, *, now: datetime, message_id: str | None
) -> None:
    """Give the recipients of a cash-out's commission what is theirs; the rest stays where it is.

    Where it isn't split, what LNbits has paid of it is the operator's to settle.
    """
    split = work_out_split(tx, distribution.id, distribution.commission_sat, now=now)
    if split is None:
        unknown_payments.settle_distribution(tx, commission.split_id(distribution.id), now=now)
        return
    terms = commission.in_force(tx)
    given = Distribution(
        id=commission.split_id(distribution.id),
        kind=COMMISSION_SPLIT,
        at=distribution.at,
        principal_sat=distribution.commission_sat,
        principal_minor=0,
        commission_sat=0,
        unallocated_sat=split.rest_sat,
        terms_id=terms.id,
    )
    shares = [
        Share(part.client_id, minor=0, sat=split.sats[part.name])
        for part in terms.parts
        if part.name in split.sats
    ]
    assert sum(one.sat for one in shares) + split.rest_sat == distribution.commission_sat
    cause = Cause(distribution_id=given.id, message_id=message_id)
    give(tx, given, shares, source=COMMISSION, cause=cause, now=now)

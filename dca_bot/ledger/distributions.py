"""What cash-outs have become, and what they gave to whom.

The invariant: a cash-out is distributed at most once, ever, by its id; its shares, its entries, its
payouts and its state are recorded in one transaction or not at all.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.allotment import Allotment, allot
from dca_bot.core.cash_out import Amounts, CashOut, Decision, Reason, received_sat
from dca_bot.core.commission import Split, split_commission
from dca_bot.errors import StateChanged
from dca_bot.ledger import commission, foreign, payout_moves
from dca_bot.ledger.books import (
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
from dca_bot.ledger.database import Tx
from dca_bot.ledger.instant import instant, micros

WAITING = "waiting"
HELD = "held"
IGNORED = "ignored"
DISTRIBUTED = "distributed"
RECOVERED = "recorded as LNbits had paid it"
FLOW = "flow"
FIXED = "fixed"
COMMISSION_SPLIT = "commission"


@dataclass(frozen=True, slots=True)
class RecordedCashOut:
    """A cash-out as last recorded: `state` is waiting, held, distributed or ignored.

    `terms` is what Lamassu said of its amounts, as `core.change.terms` writes it; None if never read.
    """

    id: str
    machine: str
    state: str
    reason: str
    created_at: datetime
    at: datetime
    amounts: Amounts | None
    dispensed_minor: int | None
    received_sat: int | None
    note: str
    terms: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """What one client got of a distribution, with the payout that brings it."""

    client_id: int
    client_name: str
    minor: int
    sat: int
    payout_id: str | None
    payout_state: str | None


@dataclass(frozen=True, slots=True)
class Grant:
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
    shares: tuple[Share, ...] = ()
    terms_id: int | None = None


def states(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (state, reason) of those cash-outs that are recorded."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        marks = ",".join("?" * len(some))
        rows = tx.execute(f"SELECT id, state, reason FROM cash_out WHERE id IN ({marks})", some)
        found.update({row["id"]: (row["state"], row["reason"]) for row in rows})
    return found


def record(
    tx: Tx, cash_out: CashOut, decision: Decision, *, state: str, reason: str, now: datetime
) -> None:
    """Record what a cash-out has been found to be, unless it is distributed already."""
    amounts = decision.amounts
    tx.execute(
        "INSERT INTO cash_out (id, device_id, state, reason, created_at, at, fiat_code, crypto_code,"
        " principal_minor, principal_sat, commission_sat, dispensed_minor, received_sat, first_seen_at,"
        " changed_at)"
        " VALUES (:id, :device, :state, :reason, :created, :at, :fiat, :coin, :minor, :sat, :commission,"
        " :dispensed, :received, :now, :now) ON CONFLICT (id) DO UPDATE SET state = :state,"
        " reason = :reason,"
        " at = :at, principal_minor = :minor, principal_sat = :sat, commission_sat = :commission,"
        " dispensed_minor = :dispensed, received_sat = :received, changed_at = :now"
        " WHERE state <> 'distributed'",
        {
            "id": cash_out.id,
            "device": cash_out.device_id,
            "state": state,
            "reason": reason,
            "created": micros(cash_out.created_at),
            "at": micros(decision.at),
            "fiat": cash_out.fiat_code or "",
            "coin": cash_out.crypto_code or "",
            "minor": amounts.principal_minor if amounts else None,
            "sat": amounts.principal_sat if amounts else None,
            "commission": amounts.commission_sat if amounts else None,
            "dispensed": decision.dispensed_minor,
            "received": received_sat(cash_out) if decision.reason is Reason.SHORT else None,
            "now": micros(now),
        },
    )


def record_machines(tx: Tx, machines: dict[str, str]) -> None:
    """Remember the machines' names, also those of machines that are no longer listed."""
    tx.executemany(
        "INSERT INTO machine (device_id, name) VALUES (?, ?)"
        " ON CONFLICT (device_id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        sorted(machines.items()),
    )


def record_recovered(tx: Tx, given: Distribution, *, now: datetime) -> None:
    """Record the cash-out of a distribution that is known from LNbits' payments alone."""
    tx.execute(
        "INSERT INTO cash_out (id, device_id, state, created_at, at, fiat_code, crypto_code,"
        " principal_minor, principal_sat, commission_sat, first_seen_at, changed_at, note)"
        " VALUES (?1, '', 'distributed', ?2, ?2, '', '', ?3, ?4, 0, ?5, ?5, ?6)",
        (
            given.id,
            micros(given.at),
            given.principal_minor,
            given.principal_sat,
            micros(now),
            RECOVERED,
        ),
    )


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
    given = {name.casefold(): sat for name, sat in split.sats.items()}
    known = [*foreign.paid_for(tx, id_), *foreign.still_paying(tx, id_, now=now)]
    return split if all(given.get(one.client_name.casefold()) == one.sat for one in known) else None


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
    grants = [Grant(one.id, minor=one.minor, sat=one.sat) for one in allotment.shares if one.sat]
    cause = Cause(distribution_id=cash_out_id, message_id=message_id)
    recorded = record_cash_out_shares(tx, cash_out_id, amounts, grants, at=at, cause=cause, now=now)
    for one in grants:
        payout_moves.plan(tx, one.client_id, now=now)
    give_commission(tx, recorded, now=now, message_id=message_id)
    return _recorded_distribution(tx, cash_out_id)


def record_cash_out_shares(
    tx: Tx,
    cash_out_id: str,
    amounts: Amounts,
    grants: Sequence[Grant],
    *,
    at: datetime,
    cause: Cause,
    now: datetime,
) -> Distribution:
    """Record what a cash-out gives to whom, and plan no payouts; what no grant brings is the operator's.

    Raise StateChanged if it is distributed already.
    """
    done = tx.execute(
        "UPDATE cash_out SET state = 'distributed', reason = '', at = ?, principal_minor = ?,"
        " principal_sat = ?, commission_sat = ?, changed_at = ?"
        " WHERE id = ? AND state <> 'distributed'",
        (
            micros(at),
            amounts.principal_minor,
            amounts.principal_sat,
            amounts.commission_sat,
            micros(now),
            cash_out_id,
        ),
    )
    if done.rowcount != 1:
        raise StateChanged("This cash-out is distributed already.")
    given = Distribution(
        id=cash_out_id,
        kind=FLOW,
        at=at,
        principal_sat=amounts.principal_sat,
        principal_minor=amounts.principal_minor,
        commission_sat=amounts.commission_sat,
        unallocated_sat=amounts.principal_sat - sum(one.sat for one in grants),
    )
    rest = [
        Move(MACHINE, OPERATOR, given.unallocated_sat),
        Move(MACHINE, COMMISSION, amounts.commission_sat),
    ]
    return record_shares(tx, given, grants, source=MACHINE, rest=rest, cause=cause, now=now)


def give(
    tx: Tx,
    distribution: Distribution,
    grants: Sequence[Grant],
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
    record_shares(tx, distribution, grants, source=source, rest=rest, day=day, cause=cause, now=now)
    for one in grants:
        payout_moves.plan(tx, one.client_id, now=now)
    return _recorded_distribution(tx, distribution.id)


def record_shares(
    tx: Tx,
    distribution: Distribution,
    grants: Sequence[Grant],
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
        [(distribution.id, one.client_id, one.minor, one.sat, day) for one in grants],
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
    moves = [Move(source, owed_to(one.client_id), one.sat) for one in grants]
    moves += [Move(balance_of(one.client_id), CONVERTED, one.minor) for one in grants]
    post(tx, "distribution", [*moves, *rest], cause=cause, now=now)
    return _recorded_distribution(tx, distribution.id)


def ignore(tx: Tx, cash_out_id: str, *, now: datetime) -> None:
    """Record that the operator gives a held cash-out to nobody."""
    tx.execute(
        "UPDATE cash_out SET state = 'ignored', reason = ?, changed_at = ?"
        " WHERE id = ? AND state = 'held'",
        (Reason.BY_OPERATOR, micros(now), cash_out_id),
    )


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
            Share(
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


def cash_out_by_id(tx: Tx, cash_out_id: str) -> RecordedCashOut | None:
    """Find a cash-out by its whole id."""
    row = tx.execute(f"{_CASH_OUT} WHERE cash_out.id = ?", (cash_out_id,)).fetchone()
    return None if row is None else _recorded(row)


def cash_out_by_prefix(tx: Tx, prefix: str, limit: int = 2) -> list[RecordedCashOut]:
    """Find cash-outs whose id starts with `prefix`."""
    rows = tx.execute(
        f"{_CASH_OUT} WHERE cash_out.id >= ?1 AND cash_out.id < ?1 || char(127)"
        " ORDER BY cash_out.id LIMIT ?2",
        (prefix.lower(), limit),
    )
    return [_recorded(row) for row in rows]


def recent_cash_outs(tx: Tx, *, limit: int, offset: int = 0) -> list[RecordedCashOut]:
    """Return the newest cash-outs by the distribution's time, ignored ones too."""
    rows = tx.execute(
        f"{_CASH_OUT} ORDER BY cash_out.at DESC, cash_out.id LIMIT ? OFFSET ?", (limit, offset)
    )
    return [_recorded(row) for row in rows]


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
        foreign.settle_distribution(tx, commission.split_id(distribution.id), now=now)
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
    grants = [
        Grant(part.client_id, minor=0, sat=split.sats[part.name])
        for part in terms.parts
        if part.name in split.sats
    ]
    assert sum(one.sat for one in grants) + split.rest_sat == distribution.commission_sat
    cause = Cause(distribution_id=given.id, message_id=message_id)
    give(tx, given, grants, source=COMMISSION, cause=cause, now=now)


_CASH_OUT = (
    "SELECT cash_out.*, coalesce(machine_label.label,"
    " substr(cash_out.device_id, 1, iif(length(cash_out.device_id) < 32, 32, 8))) AS machine"
    " FROM cash_out LEFT JOIN machine_label USING (device_id)"
)


def _recorded(row: sqlite3.Row) -> RecordedCashOut:
    amounts = None
    if row["principal_sat"] is not None:
        amounts = Amounts(
            principal_sat=row["principal_sat"],
            principal_minor=row["principal_minor"],
            commission_sat=row["commission_sat"],
        )
    return RecordedCashOut(
        id=row["id"],
        machine=row["machine"],
        state=row["state"],
        reason=row["reason"],
        created_at=instant(row["created_at"]),
        at=instant(row["at"]),
        amounts=amounts,
        dispensed_minor=row["dispensed_minor"],
        received_sat=row["received_sat"],
        note=row["note"],
        terms=row["terms"],
    )

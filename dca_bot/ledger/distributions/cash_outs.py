"""The recorded cash-outs: found by Lamassu's rows, added by an operator, or known from LNbits' payments.

The invariant: a distributed cash-out stays distributed, with the amounts that were distributed.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from dca_bot.core.cash_out import Amounts, CashOut, Decision, Reason
from dca_bot.core.row_amounts import RowAmounts
from dca_bot.core.sale_amounts import received_sat
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions import changes
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

WAITING = "waiting"
HELD = "held"
IGNORED = "ignored"
DISTRIBUTED = "distributed"


@dataclass(frozen=True, slots=True)
class RecordedCashOut:
    """A cash-out as last recorded. `state`: waiting, held, distributed or ignored.

    `row`: the amounts of Lamassu's row; None if never read. `fixed_fee`: of the whole sale, in whole units of
    fiat. `reported_minor`: the machine's report, if the report contradicts the sale and the operators know.
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
    row: RowAmounts | None
    fixed_fee: Decimal | None
    reported_minor: int | None
    reason_said: str = ""
    is_recovered: bool = False


def states(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (state, reason) of the recorded cash-outs among some ids, by id."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        marks = ",".join("?" * len(some))
        rows = tx.execute(f"SELECT id, state, reason FROM cash_out WHERE id IN ({marks})", some)
        found.update({row["id"]: (row["state"], row["reason"]) for row in rows})
    return found


def record(
    tx: Tx,
    cash_out: CashOut,
    decision: Decision,
    *,
    state: str,
    reason: str = "",
    row: RowAmounts | None = None,
    now: datetime,
) -> bool:
    """Record a decision about a cash-out; return False, and record nothing, if the recorded state is final.

    Final: the cash-out is distributed, or an operator ignores it. `row`: the amounts of Lamassu's row; None
    leaves the recorded amounts.
    """
    values = {
        **_decided(cash_out, decision),
        "state": state,
        "reason": reason,
        "reason_said": "",
        "changed_at": micros(now),
        **(changes.columns_of(row) if row else {}),
    }
    first = {
        "id": cash_out.id,
        "device_id": cash_out.device_id,
        "created_at": micros(cash_out.created_at),
        "fiat_code": cash_out.fiat_code or "",
        "crypto_code": cash_out.crypto_code or "",
        "first_seen_at": micros(now),
    }
    done = tx.execute(
        _recording(tuple(first), tuple(values)),
        {**first, **values, "by_operator": Reason.BY_OPERATOR},
    )
    return done.rowcount == 1


def record_added(
    tx: Tx, cash_out_id: str, *, device_id: str, currency: str, note: str, now: datetime
) -> None:
    """Record a cash-out of now that an operator adds; sqlite3.IntegrityError if added before."""
    tx.execute(
        "INSERT INTO cash_out (id, device_id, state, created_at, at, fiat_code, crypto_code,"
        " first_seen_at, changed_at, note) VALUES (?1, ?2, 'waiting', ?3, ?3, ?4, 'BTC', ?3, ?3, ?5)",
        (cash_out_id, device_id, micros(now), currency, note),
    )


def record_recovered(
    tx: Tx, cash_out_id: str, amounts: Amounts, *, at: datetime, now: datetime
) -> None:
    """Record as distributed a cash-out that a restored ledger knows from LNbits' payments alone."""
    tx.execute(
        "INSERT INTO cash_out (id, device_id, state, created_at, at, fiat_code, crypto_code,"
        " principal_minor, principal_sat, commission_sat, first_seen_at, changed_at,"
        " recovered) VALUES (?1, '', 'distributed', ?2, ?2, '', '', ?3, ?4, ?5, ?6, ?6, 1)",
        (
            cash_out_id,
            micros(at),
            amounts.principal_minor,
            amounts.principal_sat,
            amounts.commission_sat,
            micros(now),
        ),
    )


def note_distributed(
    tx: Tx, cash_out_id: str, amounts: Amounts, *, at: datetime, now: datetime
) -> None:
    """Record a cash-out as distributed, with the amounts; raise StateChanged if already distributed."""
    done = tx.execute(
        "UPDATE cash_out SET state = 'distributed', reason = '', reason_said = '', at = ?,"
        " principal_minor = ?, principal_sat = ?, commission_sat = ?, changed_at = ?"
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
        raise StateChanged(Changed.CASH_OUT)


def tell_report(tx: Tx, cash_out_id: str, reported_minor: int, *, now: datetime) -> bool:
    """Record that the operators are told of a contradictory report; return False if told before."""
    done = tx.execute(
        "UPDATE cash_out SET report_told_at = ?, reported_minor = ?"
        " WHERE id = ? AND report_told_at IS NULL",
        (micros(now), reported_minor, cash_out_id),
    )
    return done.rowcount == 1


def ignore(tx: Tx, cash_out_id: str, *, now: datetime) -> None:
    """Record that an operator ignores a held cash-out: nobody gets a share."""
    tx.execute(
        "UPDATE cash_out SET state = 'ignored', reason = ?, reason_said = '', changed_at = ?"
        " WHERE id = ? AND state = 'held'",
        (Reason.BY_OPERATOR, micros(now), cash_out_id),
    )


def by_id(tx: Tx, cash_out_id: str) -> RecordedCashOut | None:
    """Find a cash-out by the complete id."""
    row = tx.execute(f"{_CASH_OUT} WHERE cash_out.id = ?", (cash_out_id,)).fetchone()
    return None if row is None else _recorded(row)


def by_prefix(tx: Tx, prefix: str, limit: int = 2) -> list[RecordedCashOut]:
    """Find cash-outs whose id starts with `prefix`."""
    rows = tx.execute(
        f"{_CASH_OUT} WHERE cash_out.id >= ?1 AND cash_out.id < ?1 || char(127)"
        " ORDER BY cash_out.id LIMIT ?2",
        (prefix.lower(), limit),
    )
    return [_recorded(row) for row in rows]


def recent(
    tx: Tx,
    where: str = "true",
    values: Sequence[str | int] = (),
    *,
    order: str = "cash_out.at",
    limit: int,
    offset: int = 0,
) -> list[RecordedCashOut]:
    """Return the newest cash-outs for which a condition of SQL holds, by the distribution's time."""
    rows = tx.execute(
        f"{_CASH_OUT} WHERE {where} ORDER BY {order} DESC, cash_out.id LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [_recorded(row) for row in rows]


_CASH_OUT = (
    "SELECT cash_out.*, coalesce(machine_label.label,"
    " substr(cash_out.device_id, 1, iif(length(cash_out.device_id) < 32, 32, 8))) AS machine"
    " FROM cash_out LEFT JOIN machine_label USING (device_id)"
)


@cache
def _recording(first: tuple[str, ...], later: tuple[str, ...]) -> str:
    """Return the statement of `record`; `first`: the columns that are set only with a new row."""
    columns = [*first, *later]
    return (
        f"INSERT INTO cash_out ({', '.join(columns)})"
        f" VALUES ({', '.join(f':{column}' for column in columns)})"
        f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = :{column}' for column in later)}"
        " WHERE state <> 'distributed' AND reason <> :by_operator"
    )


def _decided(cash_out: CashOut, decision: Decision) -> dict[str, int | str | None]:
    """Return the columns that a decision about a cash-out sets."""
    amounts = decision.amounts
    return {
        "at": micros(decision.at),
        "principal_minor": amounts.principal_minor if amounts else None,
        "principal_sat": amounts.principal_sat if amounts else None,
        "commission_sat": amounts.commission_sat if amounts else None,
        "fixed_fee": f"{cash_out.fixed_fee:f}" if amounts and cash_out.fixed_fee else None,
        "dispensed_minor": decision.dispensed_minor,
        "received_sat": received_sat(cash_out) if decision.reason is Reason.SHORT else None,
    }


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
        row=changes.amounts_in(row),
        fixed_fee=None if row["fixed_fee"] is None else Decimal(row["fixed_fee"]),
        reported_minor=row["reported_minor"],
        reason_said=row["reason_said"],
        is_recovered=bool(row["recovered"]),
    )

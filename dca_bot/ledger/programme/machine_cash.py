"""The cash that should be in each machine: every move of cash, and the counts.

The invariant: a move is never altered, and the schema keeps the sums. A row that is read again moves only the
difference, so the row's cash is never counted twice. A count sets the machine's cash: a move from before the
count that is recorded later changes the count's difference, not the machine's cash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core import machine_cash as rules
from dca_bot.ledger.programme import machines
from dca_bot.ledger.programme.machines import UNNAMED, Machine
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

DEPOSIT = "deposit"
WITHDRAWAL = "withdrawal"
CASH_IN = "cash-in"
CASH_OUT = "cash-out"
_COUNT = "count"


@dataclass(frozen=True, slots=True)
class Flow:
    """Cash that a row of Lamassu has moved. `kind`: CASH_IN or CASH_OUT; `ref`: the row's id.

    `amount_minor`: positive for cash into the machine, negative for cash out of the machine.
    """

    kind: str
    ref: str
    device_id: str
    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Count:
    """A count. `difference_minor`: counted less expected cash; None for a machine's first count."""

    counted_at: datetime
    counted_minor: int
    difference_minor: int | None


@dataclass(frozen=True, slots=True)
class MachineCash:
    """The expected cash of a machine, and the cash moved since the last count, by kind of move."""

    machine: Machine
    expected_minor: int
    since_minor: Mapping[str, int]
    last_count: Count | None


def follow(tx: Tx, flows: Sequence[Flow], *, now: datetime) -> None:
    """Bring the recorded cash of rows in line with the rows' present amounts."""
    recorded = {
        kind: _recorded_minor(tx, kind, [flow.ref for flow in flows if flow.kind == kind])
        for kind in (CASH_IN, CASH_OUT)
    }
    for flow in {(flow.kind, flow.ref): flow for flow in flows}.values():
        change_minor = flow.amount_minor - recorded[flow.kind].get(flow.ref, 0)
        if change_minor:
            machines.note(tx, flow.device_id)
            _move(tx, flow.kind, flow.ref, flow.device_id, change_minor, at=flow.at, now=now)


def move(
    tx: Tx, kind: str, ref: str, *, machine: str | None, amount_minor: int, now: datetime
) -> None:
    """Record cash that an operator reports: into a machine, or out of a machine if negative."""
    if amount_minor:
        place = machines.place_of(tx, machine)
        _move(tx, kind, ref, place, amount_minor, at=now, now=now)


def undo(tx: Tx, kind: str, ref: str, *, now: datetime) -> None:
    """Undo the moves of a deposit: the cash leaves its present places now, whenever the cash came."""
    for place, amount_minor in _standing(tx, kind, ref).items():
        _move(tx, kind, ref, place, -amount_minor, at=now, now=now)


def find_places(tx: Tx, *, now: datetime) -> None:
    """Move cash of no named machine to the machine, if the machine is known by now."""
    rows = tx.execute(
        "SELECT cash_move.kind, ref, sum(cash_move.amount_minor) AS minor, min(at) AS at,"
        " deposit.machine FROM cash_move INDEXED BY cash_move_unnamed"
        " LEFT JOIN deposit ON cash_move.kind = 'deposit' AND deposit.id = CAST(ref AS INTEGER)"
        " WHERE device_id = '' AND cash_move.kind <> 'count' GROUP BY cash_move.kind, ref"
        " HAVING minor <> 0 ORDER BY min(cash_move.id)"
    ).fetchall()
    for row in rows:
        place = machines.place_of(tx, row["machine"])
        if place != UNNAMED:
            kind, ref, at = row["kind"], row["ref"], instant(row["at"])
            _move(tx, kind, ref, UNNAMED, -row["minor"], at=at, now=now)
            _move(tx, kind, ref, place, row["minor"], at=at, now=now)


def count(
    tx: Tx, device_id: str, counted_minor: int, *, now: datetime, message_id: str | None = None
) -> None:
    """Record the counted cash of a machine; the expected cash goes on from the count.

    Once every machine was counted, cash of no named machine from before the oldest of the last counts must be
    in the counted machines: the cash of no named machine is set to the moves after that count.
    """
    _count(tx, device_id, counted_minor, at=now, message_id=message_id)
    oldest = tx.execute(
        "SELECT min(last) AS at, count(*) = count(last) AS all_counted FROM (SELECT"
        " (SELECT max(counted_at) FROM cash_count WHERE device_id = machine.device_id) AS last"
        " FROM machine)"
    ).fetchone()
    if (
        oldest["all_counted"]
        and tx.execute("SELECT 1 FROM cash_sum WHERE device_id = ''").fetchone()
    ):
        later = tx.execute(
            "SELECT coalesce(sum(amount_minor), 0) AS minor FROM cash_move"
            " WHERE device_id = '' AND at >= ? AND kind <> 'count'",
            (oldest["at"],),
        ).fetchone()
        _count(tx, UNNAMED, later["minor"], at=instant(oldest["at"]), message_id=message_id)


def of_all(tx: Tx) -> list[MachineCash]:
    """Return the expected cash of each machine, by label."""
    return [of_machine(tx, machine) for machine in machines.everything(tx)]


def of_machine(tx: Tx, machine: Machine) -> MachineCash:
    """Return the expected cash of a machine."""
    sums = tx.execute("SELECT * FROM cash_sum WHERE device_id = ?", (machine.device_id,)).fetchall()
    return MachineCash(
        machine=machine,
        expected_minor=sum(row["total_minor"] for row in sums),
        since_minor={row["kind"]: row["since_minor"] for row in sums if row["kind"] != _COUNT},
        last_count=_last_count(tx, machine.device_id),
    )


def unnamed_minor(tx: Tx) -> int:
    """Return the cash of no named machine."""
    row = tx.execute(
        "SELECT coalesce(sum(total_minor), 0) AS minor FROM cash_sum WHERE device_id = ''"
    ).fetchone()
    return int(row["minor"])


def uncovered_minor(tx: Tx) -> int | None:
    """Return by how much the clients' balances exceed the cash, as `core.machine_cash.uncovered_minor`."""
    balances = tx.execute(
        "SELECT coalesce(sum(balance), 0) AS minor FROM account WHERE kind = 'balance'"
    ).fetchone()
    in_machines = [cash.expected_minor if cash.last_count else None for cash in of_all(tx)]
    elsewhere_minor = unnamed_minor(tx) + undecided_minor(tx)
    return rules.uncovered_minor(balances["minor"], in_machines, elsewhere_minor)


def left_minor(tx: Tx, cash_out_id: str) -> int | None:
    """Return the recorded cash that a cash-out took out of the machine; None if no cash is recorded."""
    found = _recorded_minor(tx, CASH_OUT, [cash_out_id])
    return -found[cash_out_id] if cash_out_id in found else None


def undecided_minor(tx: Tx) -> int:
    """Return the cash that has left the machines for waiting and held cash-outs."""
    # Summed here: what a server claims may be more than SQLite can add up. CROSS JOIN: the few
    # cash-outs come first, not all moves.
    rows = tx.execute(
        "SELECT amount_minor FROM cash_out CROSS JOIN cash_move"
        " ON kind = 'cash-out' AND ref = cash_out.id WHERE state IN ('waiting', 'held')"
    )
    return -sum(int(row["amount_minor"]) for row in rows)


def _recorded_minor(tx: Tx, kind: str, refs: Sequence[str]) -> dict[str, int]:
    """Return the recorded cash of rows, with the moves' sign, by ref."""
    found: dict[str, int] = {}
    for start in range(0, len(refs), 500):
        some = refs[start : start + 500]
        marks = ",".join("?" * len(some))
        rows = tx.execute(
            "SELECT ref, sum(amount_minor) AS minor FROM cash_move"
            f" WHERE kind = ? AND ref IN ({marks}) GROUP BY ref",
            (kind, *some),
        )
        found.update({row["ref"]: row["minor"] for row in rows})
    return found


def _standing(tx: Tx, kind: str, ref: str) -> dict[str, int]:
    """Return the cash of a deposit in each place."""
    rows = tx.execute(
        "SELECT device_id, sum(amount_minor) AS minor FROM cash_move WHERE kind = ? AND ref = ?"
        " GROUP BY device_id HAVING minor <> 0",
        (kind, ref),
    )
    return {row["device_id"]: row["minor"] for row in rows}


def _move(
    tx: Tx, kind: str, ref: str, place: str, amount_minor: int, *, at: datetime, now: datetime
) -> None:
    tx.execute(
        "INSERT INTO cash_move (kind, ref, device_id, amount_minor, at, recorded_at, count_id)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT id FROM cash_count WHERE device_id = ?3"
        "   AND counted_at > ?5 ORDER BY counted_at, id LIMIT 1))",
        (kind, ref, place, amount_minor, micros(at), micros(now)),
    )


def _count(tx: Tx, place: str, counted_minor: int, *, at: datetime, message_id: str | None) -> None:
    """Record a count; a count before the last (the clock went back) is dated to the last."""
    tx.execute(
        "INSERT INTO cash_count (device_id, counted_minor, counted_at, after_move, message_id)"
        " SELECT ?1, ?2, max(?3, coalesce((SELECT max(counted_at) FROM cash_count"
        "   WHERE device_id = ?1), ?3)), coalesce(max(id), 0), ?4 FROM cash_move",
        (place, counted_minor, micros(at), message_id),
    )


def _last_count(tx: Tx, device_id: str) -> Count | None:
    row = tx.execute(
        "SELECT *, (SELECT coalesce(sum(amount_minor), 0) FROM cash_move"
        "   WHERE kind = 'count' AND count_id = cash_count.id) AS difference,"
        " EXISTS (SELECT 1 FROM cash_count earlier WHERE earlier.device_id = cash_count.device_id"
        "   AND earlier.id < cash_count.id) AS has_earlier"
        " FROM cash_count WHERE device_id = ? ORDER BY counted_at DESC, id DESC LIMIT 1",
        (device_id,),
    ).fetchone()
    if row is None:
        return None
    return Count(
        counted_at=instant(row["counted_at"]),
        counted_minor=row["counted_minor"],
        difference_minor=row["difference"] if row["has_earlier"] else None,
    )

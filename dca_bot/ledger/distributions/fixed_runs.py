"""The states of fixed mode's runs (done, waiting, lapsed, held), and the reasons.

The invariant: a run is done once, ever, by id.

    (none) ─▶ waiting ─▶ done        the clients' shares are recorded (ledger/distributions/fixed_mode)
       │         ├─────▶ lapsed      the run's day is over; undone if the clock was ahead then
       └─────────┴─────▶ held        LNbits knows payments for the run that the ledger lacks
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from dca_bot.core.fixed_schedule import PREFIX, Run, day_of, is_settling
from dca_bot.core.rate import Quote, RateProblem
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions.distributions import Distribution, Share
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

WAITING = "waiting"
DONE = "done"
LAPSED = "lapsed"
HELD = "held"


class RunReason(StrEnum):
    """Why a run waits or has lapsed, beside RateProblem and HoldReason (`PutOff` is all three)."""

    PAUSED = "everything_paused"
    MISSED = "bot_not_at_work"
    UNKNOWN_PAID = "unknown_runs_paid"


PutOff = RunReason | HoldReason | RateProblem


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run in the ledger. `minor` and `sat`: the sums that the run gave to `clients` clients.

    `settled`: the name of the client whose whole balance the run gave; empty for other runs.
    """

    id: str
    due_at: datetime
    state: str
    reason: str
    changed_at: datetime
    is_told: bool
    clients: int
    minor: int
    sat: int
    settled: str
    reason_said: str = ""

    def is_open(self, now: datetime) -> bool:
        """Tell whether the run may still be done: waiting, or lapsed by a clock that was ahead."""
        return self.state == WAITING or (self.state == LAPSED and self.changed_at > now)


def note_done(
    tx: Tx,
    run: Run,
    quote: Quote | None,
    *,
    clients: int,
    ceiling_minor: int | None = None,
    settles_client: int | None = None,
    now: datetime,
) -> None:
    """Record a run as done, with rate and number of clients; raise StateChanged unless the run is open.

    `settles_client`: whose whole balance the run gives; such a run has no `ceiling_minor`.
    """
    done = tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, price, price_source, margin_bp, clients,"
        " ceiling_minor, settles_client)"
        " VALUES (:id, :day, :due, 'done', :now, :price, :source, :margin, :clients, :ceiling, :settles)"
        " ON CONFLICT (id) DO UPDATE SET state = 'done', reason = '', reason_said = '', changed_at = :now,"
        " price = :price, price_source = :source, margin_bp = :margin, clients = :clients,"
        " ceiling_minor = :ceiling"
        f" WHERE {_OPEN}",
        {
            "id": run.id,
            "day": run.day.isoformat(),
            "due": micros(run.at),
            "now": micros(now),
            "price": str(quote.price) if quote else None,
            "source": quote.source if quote else None,
            "clients": clients,
            "ceiling": ceiling_minor,
            "margin": quote.margin_bp if quote else None,
            "settles": settles_client,
        },
    )
    if done.rowcount != 1:
        raise StateChanged(Changed.RUN)


def record_recovered(tx: Tx, given: Distribution[Share], *, clients: int, now: datetime) -> None:
    """Record as done a run that a restored ledger knows from LNbits' payments alone."""
    settled = given.client_ids[0] if is_settling(given.id) else None
    tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients, settles_client)"
        " VALUES (?1, ?2, ?3, 'done', ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE"
        " SET state = 'done', reason = '', reason_said = '', changed_at = ?4, clients = ?5",
        (given.id, day_of(given.id), micros(given.at), micros(now), clients, settled),
    )


def put_off(tx: Tx, run: Run, state: str, reason: PutOff, *, now: datetime) -> bool:
    """Record that an open run waits, has lapsed or is held, and why; return whether anything changed."""
    done = tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, reason, changed_at)"
        " VALUES (:id, :day, :due, :state, :reason, :now)"
        " ON CONFLICT (id) DO UPDATE SET state = :state, reason = :reason, reason_said = '',"
        " changed_at = :now"
        f" WHERE {_OPEN} AND (fixed_run.state, fixed_run.reason) <> (:state, :reason)",
        {
            "id": run.id,
            "day": run.day.isoformat(),
            "due": micros(run.at),
            "state": state,
            "reason": reason,
            "now": micros(now),
        },
    )
    return done.rowcount == 1


def hold_paid(tx: Tx, *, reason: str, now: datetime) -> list[datetime]:
    """Hold the waiting runs that LNbits knows payments for; return the due instants."""
    rows = tx.execute(
        "UPDATE fixed_run SET state = 'held', reason = ?, reason_said = '', changed_at = ?"
        " WHERE state = 'waiting'"
        " AND EXISTS (SELECT 1 FROM foreign_payment WHERE distribution_id = fixed_run.id)"
        " RETURNING due_at",
        (reason, micros(now)),
    )
    return [instant(row["due_at"]) for row in rows.fetchall()]


def lapse_before(tx: Tx, day: date, *, now: datetime) -> list[RecordedRun]:
    """Let the waiting runs of earlier dates lapse; return the runs as before."""
    waiting = "SELECT id FROM fixed_run WHERE state = 'waiting' AND day < ?"
    before = _runs(tx, f"fixed_run.id IN ({waiting})", (day.isoformat(),))
    tx.execute(
        "UPDATE fixed_run SET state = 'lapsed', changed_at = ? WHERE state = 'waiting' AND day < ?",
        (micros(now), day.isoformat()),
    )
    return before


def note_told(tx: Tx, run_id: str, *, now: datetime) -> None:
    """Record that the operators were told that a run waits."""
    tx.execute("UPDATE fixed_run SET told_at = ? WHERE id = ?", (micros(now), run_id))


def known(tx: Tx, runs: Iterable[Run]) -> dict[str, RecordedRun]:
    """Return the recorded runs among some runs, by id."""
    ids = [run.id for run in runs]
    if not ids:
        return {}
    marks = ",".join("?" * len(ids))
    return {run.id: run for run in _runs(tx, f"fixed_run.id IN ({marks})", ids)}


def by_prefix(tx: Tx, wanted: str, *, limit: int = 2) -> list[RecordedRun]:
    """Find runs whose id starts with `wanted`, in any case; a complete id finds that run alone."""
    # Of a run's id the T between date and time alone is a capital.
    size = len(PREFIX)
    start = wanted[:size].lower() + wanted[size:].lower().replace("t", "T", 1)
    exact = _runs(tx, "fixed_run.id = ?", (start,))
    where = "fixed_run.id >= ?1 AND fixed_run.id < ?1 || char(127)"
    return exact or _runs(tx, where, (start,), order="fixed_run.id", limit=limit)


def recent(tx: Tx, *, limit: int) -> list[RecordedRun]:
    """Return the newest runs."""
    return _runs(tx, "true", (), limit=limit)


def has_unknown_paid(tx: Tx, day: date) -> bool:
    """Tell whether LNbits has unsettled payments for runs of a date that the ledger lacks."""
    first = f"{PREFIX}{day.isoformat()}"
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE distribution_id >= ?1 AND distribution_id < ?1 || 'U'"
        " AND settled_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM distribution d WHERE d.id = distribution_id) LIMIT 1",
        (first,),
    )
    return row.fetchone() is not None


_NEWEST = "due_at DESC, fixed_run.id DESC"
# As `RecordedRun.is_open`.
_OPEN = (
    "(fixed_run.state = 'waiting' OR fixed_run.state = 'lapsed' AND fixed_run.changed_at > :now)"
)


def _runs(
    tx: Tx, where: str, values: Sequence[str], *, order: str = _NEWEST, limit: int = 10_000
) -> list[RecordedRun]:
    rows = tx.execute(
        "SELECT fixed_run.*, coalesce(principal_minor, 0) AS minor, coalesce(principal_sat, 0) AS sat,"
        " coalesce(client.name, '') AS settled"
        " FROM fixed_run LEFT JOIN distribution USING (id)"
        " LEFT JOIN client ON client.id = settles_client"
        f" WHERE {where} ORDER BY {order} LIMIT {limit}",
        values,
    )
    return [_recorded(row) for row in rows]


def _recorded(row: sqlite3.Row) -> RecordedRun:
    return RecordedRun(
        id=row["id"],
        due_at=instant(row["due_at"]),
        state=row["state"],
        reason=row["reason"],
        changed_at=instant(row["changed_at"]),
        is_told=row["told_at"] is not None,
        clients=row["clients"] or 0,
        minor=row["minor"],
        sat=row["sat"],
        settled=row["settled"],
        reason_said=row["reason_said"],
    )

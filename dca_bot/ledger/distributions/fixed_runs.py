"""Fixed mode's runs: which happened, which wait and why, and what each gave to whom.

The invariant: a run happens once, ever, by its id; that it is done, its shares, their entries and
their payouts are recorded in one transaction or not at all.

    (none) ─▶ waiting ─▶ done        gave what it had to give
       │         ├─────▶ lapsed      its day is over (by the clock: one that was ahead undoes it)
       └─────────┴─────▶ held        LNbits has paid for it, this ledger doesn't know how
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.rate import Quote, RateProblem
from dca_bot.core.schedule import PREFIX, Run, Saver, amounts, day_of
from dca_bot.errors import StateChanged
from dca_bot.ledger.distributions import distributions
from dca_bot.ledger.distributions.distributions import FIXED, Distribution, Share
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.store.accounts import TREASURY, Cause
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros

WAITING = "waiting"
DONE = "done"
LAPSED = "lapsed"
HELD = "held"


class RunReason(StrEnum):
    """Why a run waits or has lapsed, beside the want of a rate and what holds it (PutOff)."""

    PAUSED = "everything was paused"
    MISSED = "the bot was not at work"
    UNKNOWN_PAID = "LNbits has paid runs of this day that the ledger does not know"


PutOff = RunReason | HoldReason | RateProblem


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run as recorded; `minor` and `sat` are what it gave to `clients` clients."""

    id: str
    due_at: datetime
    state: str
    reason: str
    changed_at: datetime
    is_told: bool
    clients: int
    minor: int
    sat: int

    def is_open(self, now: datetime) -> bool:
        """Tell whether it may still happen: it waits, or has lapsed by a clock that was ahead."""
        return self.state == WAITING or (self.state == LAPSED and self.changed_at > now)


def savers(tx: Tx, day: date) -> list[Saver]:
    """Return who takes part in fixed mode at present, with what the date has given each already.

    Cancelled shares count too, so that a date never gives more than its limit.
    """
    rows = tx.execute(
        "SELECT id, fixed_limit_minor, balance_minor,"
        " (SELECT coalesce(sum(minor), 0) FROM share JOIN client same ON same.id = client_id"
        "   WHERE same.pubkey = participant.pubkey AND day = ?) AS given_minor"
        " FROM participant WHERE mode = 'fixed' ORDER BY id",
        (day.isoformat(),),
    )
    return [
        Saver(
            id=row["id"],
            limit_minor=row["fixed_limit_minor"],
            balance_minor=row["balance_minor"],
            given_minor=row["given_minor"],
        )
        for row in rows
    ]


def shares(
    tx: Tx, run: Run, quote: Quote | None, *, ceiling_minor: int, currency: str
) -> list[Share]:
    """Return what a run would give now; whoever's fiat buys no sat gives none.

    Without a quote nobody may have something to give.
    """
    wanted = amounts(run, savers(tx, run.day), ceiling_minor)
    if quote is None:
        assert not wanted, "a run that gives needs a rate"
        return []
    coin = coin_minor(quote.price, currency)
    bought = {id_: bought_sat(minor, coin) for id_, minor in wanted.items()}
    return [Share(id_, minor=wanted[id_], sat=sat) for id_, sat in bought.items() if sat > 0]


def is_needed(tx: Tx, run: Run, *, ceiling_minor: int) -> bool:
    """Tell whether anybody has something to give in a run."""
    return bool(amounts(run, savers(tx, run.day), ceiling_minor))


def carry_out(
    tx: Tx,
    run: Run,
    quote: Quote | None,
    *,
    ceiling_minor: int,
    currency: str,
    now: datetime,
    message_id: str | None = None,
) -> Distribution[Share] | None:
    """Do a run: record that it is done, and give everybody's part; None if nobody has one.

    Raise StateChanged if it is done, lapsed or held already.
    """
    parts = shares(tx, run, quote, ceiling_minor=ceiling_minor, currency=currency)
    done = tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, price, price_source, clients,"
        " ceiling_minor) VALUES (:id, :day, :due, 'done', :now, :price, :source, :clients, :ceiling)"
        " ON CONFLICT (id) DO UPDATE SET state = 'done', reason = '', changed_at = :now,"
        " price = :price, price_source = :source, clients = :clients, ceiling_minor = :ceiling"
        f" WHERE {_OPEN}",
        {
            "id": run.id,
            "day": run.day.isoformat(),
            "due": micros(run.at),
            "now": micros(now),
            "price": str(quote.price) if quote else None,
            "source": quote.source if quote else None,
            "clients": len(parts),
            "ceiling": ceiling_minor,
        },
    )
    if done.rowcount != 1:
        raise StateChanged("This run has been seen to already.")
    if not parts:
        return None
    given = Distribution(
        id=run.id,
        kind=FIXED,
        at=now,
        principal_sat=sum(part.sat for part in parts),
        principal_minor=sum(part.minor for part in parts),
        shares=tuple(parts),
    )
    cause = Cause(distribution_id=run.id, message_id=message_id)
    day = run.day.isoformat()
    distributions.record(tx, given, source=TREASURY, day=day, cause=cause, now=now)
    distributions.plan_payouts(tx, given, now=now)
    return given


def record_recovered(tx: Tx, given: Distribution[Share], *, clients: int, now: datetime) -> None:
    """Record that a run is done of which this ledger knows from LNbits' payments alone."""
    tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, changed_at, clients)"
        " VALUES (?1, ?2, ?3, 'done', ?4, ?5) ON CONFLICT (id) DO UPDATE"
        " SET state = 'done', reason = '', changed_at = ?4, clients = ?5",
        (given.id, day_of(given.id), micros(given.at), micros(now), clients),
    )


def put_off(tx: Tx, run: Run, state: str, reason: PutOff, *, now: datetime) -> bool:
    """Record that a run waits, has lapsed or is held, and why; return whether that is news.

    What is not open any more stays as it is.
    """
    done = tx.execute(
        "INSERT INTO fixed_run (id, day, due_at, state, reason, changed_at)"
        " VALUES (:id, :day, :due, :state, :reason, :now)"
        " ON CONFLICT (id) DO UPDATE SET state = :state, reason = :reason, changed_at = :now"
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
    """Hold the runs that still wait and that LNbits has or may have paid; return when they were due."""
    rows = tx.execute(
        "UPDATE fixed_run SET state = 'held', reason = ?, changed_at = ? WHERE state = 'waiting'"
        " AND EXISTS (SELECT 1 FROM foreign_payment WHERE distribution_id = fixed_run.id)"
        " RETURNING due_at",
        (reason, micros(now)),
    )
    return [instant(row["due_at"]) for row in rows.fetchall()]


def lapse_before(tx: Tx, day: date, *, now: datetime) -> list[RecordedRun]:
    """Let the runs lapse that still wait on earlier dates; return them with why they waited."""
    waiting = "SELECT id FROM fixed_run WHERE state = 'waiting' AND day < ?"
    before = _runs(tx, f"fixed_run.id IN ({waiting})", (day.isoformat(),))
    tx.execute(
        "UPDATE fixed_run SET state = 'lapsed', changed_at = ? WHERE state = 'waiting' AND day < ?",
        (micros(now), day.isoformat()),
    )
    return before


def note_told(tx: Tx, run_id: str, *, now: datetime) -> None:
    """Note that the operators know that a run waits."""
    tx.execute("UPDATE fixed_run SET told_at = ? WHERE id = ?", (micros(now), run_id))


def known(tx: Tx, runs: Iterable[Run]) -> dict[str, RecordedRun]:
    """Return those of the runs that are recorded, by id."""
    ids = [run.id for run in runs]
    if not ids:
        return {}
    marks = ",".join("?" * len(ids))
    return {run.id: run for run in _runs(tx, f"fixed_run.id IN ({marks})", ids)}


def by_prefix(tx: Tx, wanted: str, *, limit: int = 2) -> list[RecordedRun]:
    """Find runs whose id starts as typed, in any case; a whole id is that run's alone."""
    start = wanted.upper().replace(PREFIX.upper(), PREFIX, 1)
    exact = _runs(tx, "fixed_run.id = ?", (start,))
    where = "fixed_run.id >= ?1 AND fixed_run.id < ?1 || char(127)"
    return exact or _runs(tx, where, (start,), order="fixed_run.id", limit=limit)


def recent(tx: Tx, *, limit: int) -> list[RecordedRun]:
    """Return the newest runs."""
    return _runs(tx, "true", (), limit=limit)


def has_unknown_paid(tx: Tx, day: date) -> bool:
    """Tell whether LNbits has payments for runs of a date that this ledger lacks."""
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
        "SELECT fixed_run.*, coalesce(principal_minor, 0) AS minor, coalesce(principal_sat, 0) AS sat"
        " FROM fixed_run LEFT JOIN distribution USING (id)"
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
    )

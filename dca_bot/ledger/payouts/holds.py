"""Holds: things that wait for an operator's decision."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dca_bot.core.ceilings import Ceiling
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


class HoldKind(StrEnum):
    """The kinds of hold, by what is held; `ref` is the id of the held thing.

    `chat/operator/holds` and `messages/describe/holds` have one row for each kind.
    """

    CASH_OUT = "cash-out"
    """A cash-out is not shared out before an operator decides. `ref` is the cash-out's id."""
    CHANGED = "changed"
    """Lamassu changed a cash-out after the cash-out was shared out. `ref` is the cash-out's id."""
    PAYOUT = "payout"
    """A payout is not sent, or not settled, before an operator decides. `ref` is the payout's id."""
    RECOVERY = "lost"
    """LNbits paid a distribution that a restored ledger lacks. `ref` is the distribution's id."""


class HoldReason(StrEnum):
    """Why a thing is held; a cash-out can be held for a Reason or a Change too."""

    CEILING_PAYOUT = Ceiling.PAYOUT.value
    CEILING_DAY = Ceiling.DAY.value
    ALERTED = "may_have_left"
    KNOWN_PAYOUT = "known_payout"
    KNOWN_DISTRIBUTION = "known_distribution"
    FAILED_TO_ADDRESS = "failed_to_address"
    ARRIVED_AFTER_ALL = "arrived_after_all"
    LOST = "lost_distribution"


class HoldOutcome(StrEnum):
    """How a hold was closed."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    CANCELLED = "cancelled"
    BY_ITSELF = "by_itself"


@dataclass(frozen=True, slots=True)
class Hold:
    """A thing that waits for an operator: `ref` is the id of the held thing.

    `reason_said` is an earlier version's sentence for which there is no code; `reason` is then `said`.
    """

    id: int
    kind: HoldKind
    ref: str
    reason: str
    opened_at: datetime
    reason_said: str = ""


def open_hold(tx: Tx, kind: HoldKind, ref: str, reason: str, *, now: datetime) -> Hold | None:
    """Open a hold on a thing; return the hold, or None if a hold on the thing is open already."""
    done = tx.execute(
        "INSERT INTO hold (kind, ref, reason, opened_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kind, ref) WHERE closed_at IS NULL DO NOTHING",
        (kind, ref, reason, micros(now)),
    )
    return None if done.rowcount == 0 else _one(tx, "id = ?", done.lastrowid or 0)


def reopen(tx: Tx, kind: HoldKind, ref: str, reason: str, *, since: datetime) -> bool:
    """Open the last hold on a thing again, if the reason is the same and the hold closed by itself lately.

    Lately: at `since` or later. Tell whether the hold was opened; the hold keeps the number.
    """
    done = tx.execute(
        "UPDATE hold SET closed_at = NULL, outcome = NULL WHERE reason = ? AND outcome = 'by_itself'"
        " AND closed_at >= ? AND id = (SELECT max(id) FROM hold WHERE kind = ? AND ref = ?)",
        (reason, micros(since), kind, ref),
    )
    return done.rowcount == 1


def reword(tx: Tx, kind: HoldKind, ref: str, reason: str) -> None:
    """Change the reason of the open hold on a thing, if a hold is open."""
    tx.execute(
        "UPDATE hold SET reason = ?1, reason_said = '' WHERE kind = ?2 AND ref = ?3 AND closed_at IS NULL"
        " AND reason <> ?1",
        (reason, kind, ref),
    )


def close(tx: Tx, kind: HoldKind, ref: str, *, outcome: HoldOutcome, now: datetime) -> None:
    """Close the open hold on a thing, if a hold is open."""
    tx.execute(
        "UPDATE hold SET closed_at = ?, outcome = ? WHERE kind = ? AND ref = ? AND closed_at IS NULL",
        (micros(now), outcome, kind, ref),
    )


def by_id(tx: Tx, hold_id: int) -> Hold | None:
    """Find an open hold by its number."""
    return _one(tx, "closed_at IS NULL AND id = ?", hold_id)


def any_by_id(tx: Tx, hold_id: int) -> Hold | None:
    """Find a hold by its number, open or closed."""
    return _one(tx, "id = ?", hold_id)


def open_on(tx: Tx, kind: HoldKind, ref: str) -> Hold | None:
    """Find the open hold on a thing."""
    row = tx.execute(
        "SELECT * FROM hold WHERE kind = ? AND ref = ? AND closed_at IS NULL", (kind, ref)
    ).fetchone()
    return None if row is None else _hold(row)


def open_refs(tx: Tx, kind: HoldKind) -> list[str]:
    """Return the ids of the things held as this kind."""
    rows = tx.execute("SELECT ref FROM hold WHERE kind = ? AND closed_at IS NULL", (kind,))
    return [str(row["ref"]) for row in rows]


def by_ref(tx: Tx, ref: str) -> Hold | None:
    """Find the open hold on a thing whose id starts with `ref`; None if several holds match."""
    rows = tx.execute(
        "SELECT * FROM hold WHERE closed_at IS NULL AND lower(ref) >= ?1"
        " AND lower(ref) < ?1 || char(127) LIMIT 2",
        (ref.lower(),),
    ).fetchall()
    return _hold(rows[0]) if len(rows) == 1 else None


def still_open(tx: Tx, *, limit: int = 50, offset: int = 0) -> list[Hold]:
    """Return the open holds, oldest first."""
    # `+id`: the few open ones are sorted, the closed ones not walked through.
    rows = tx.execute(
        "SELECT * FROM hold WHERE closed_at IS NULL ORDER BY +id LIMIT ? OFFSET ?", (limit, offset)
    )
    return [_hold(row) for row in rows]


def open_between(tx: Tx, first: int, last: int, *, limit: int) -> list[int]:
    """Return the numbers of the open holds from a number through another, the lowest first."""
    rows = tx.execute(
        "SELECT id FROM hold WHERE closed_at IS NULL AND +id BETWEEN ? AND ? ORDER BY +id LIMIT ?",
        (first, last, limit),
    )
    return [row["id"] for row in rows]


def open_reasons(tx: Tx, kind: HoldKind) -> dict[str, str]:
    """Return the reasons of all open holds of a kind, by the id of the held thing."""
    rows = tx.execute("SELECT ref, reason FROM hold WHERE closed_at IS NULL AND kind = ?", (kind,))
    return {row["ref"]: row["reason"] for row in rows}


def was_accepted(tx: Tx, ref: str, reason: str) -> bool:
    """Tell whether an operator has accepted a thing that was held for this reason."""
    return reason in accepted_reasons(tx, ref)


def accepted_reasons(tx: Tx, ref: str) -> frozenset[str]:
    """Return the reasons of the holds on a thing that an operator has accepted."""
    rows = tx.execute("SELECT reason FROM hold WHERE ref = ? AND outcome = 'accepted'", (ref,))
    return frozenset(str(row["reason"]) for row in rows)


def accepted_on_open_payouts(tx: Tx) -> dict[str, frozenset[str]]:
    """Return the `accepted_reasons` of the open payouts with any, by the payout's id, in one statement."""
    rows = tx.execute(
        # CROSS JOIN fixes the order of the loops: open payouts end, holds grow for ever.
        "SELECT ref, reason FROM open_payout CROSS JOIN hold ON ref = open_payout.id"
        " WHERE outcome = 'accepted'"
    )
    found: dict[str, frozenset[str]] = {}
    for row in rows:
        found[row["ref"]] = found.get(row["ref"], frozenset()) | {row["reason"]}
    return found


def was_let_go(tx: Tx, cash_out_id: str, *, since: datetime) -> bool:
    """Tell whether an operator has accepted a held cash-out, whatever the reason, at `since` or later."""
    row = tx.execute(
        "SELECT 1 FROM hold WHERE kind = 'cash-out' AND ref = ? AND outcome = 'accepted'"
        " AND closed_at >= ?",
        (cash_out_id, micros(since)),
    )
    return row.fetchone() is not None


def was_seen(tx: Tx, kind: HoldKind, ref: str, reason: str) -> bool:
    """Tell whether an operator has closed a hold of this kind and reason on a thing."""
    row = tx.execute(
        "SELECT 1 FROM hold WHERE kind = ? AND ref = ? AND reason = ? AND outcome <> 'by_itself'",
        (kind, ref, reason),
    )
    return row.fetchone() is not None


def was_opened(tx: Tx, kind: HoldKind, ref: str, reason: str) -> bool:
    """Tell whether a hold of this kind and reason was ever opened on a thing."""
    row = tx.execute(
        "SELECT 1 FROM hold WHERE kind = ? AND ref = ? AND reason = ?", (kind, ref, reason)
    )
    return row.fetchone() is not None


def open_ids(tx: Tx) -> dict[HoldKind, list[int]]:
    """Return the numbers of the open holds of each kind, oldest first."""
    rows = tx.execute("SELECT id, kind FROM hold WHERE closed_at IS NULL ORDER BY +id")
    found: dict[HoldKind, list[int]] = {}
    for row in rows:
        found.setdefault(HoldKind(row["kind"]), []).append(row["id"])
    return found


def open_count(tx: Tx) -> int:
    """Return how many holds are open."""
    return int(tx.execute("SELECT count(*) FROM hold WHERE closed_at IS NULL").fetchone()[0])


def _one(tx: Tx, where: str, value: int) -> Hold | None:
    row = tx.execute(f"SELECT * FROM hold WHERE {where}", (value,)).fetchone()
    return None if row is None else _hold(row)


def _hold(row: sqlite3.Row) -> Hold:
    return Hold(
        id=row["id"],
        kind=HoldKind(row["kind"]),
        ref=row["ref"],
        reason=row["reason"],
        opened_at=instant(row["opened_at"]),
        reason_said=row["reason_said"],
    )

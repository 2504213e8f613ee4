"""What this ledger knows of the lease: the rows that its bots wrote at LNbits, and disputes.

The invariant: a row is recorded here before LNbits is asked for it, so that no later start takes the
row of an earlier one for another bot's; and while a dispute is open everything stays paused.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.lease import Dispute, DisputeReason, LeaseRecord, LeaseRow
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """A dispute that waits for the operators; `generation` and `instance` are the other bot's row's."""

    reason: DisputeReason
    generation: int
    instance: str
    announce: bool


def record_of(tx: Tx) -> LeaseRecord:
    """Return the newest row that this ledger wrote, and what the operators have accepted."""
    own = tx.execute("SELECT * FROM lease ORDER BY generation DESC LIMIT 1").fetchone()
    accepted = tx.execute(
        "SELECT generation, NOT EXISTS (SELECT 1 FROM lease WHERE kind <> 'dispute'"
        "   AND generation > lease_dispute.generation) AS is_takeover"
        " FROM lease_dispute WHERE closed_at IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return LeaseRecord(
        generation=own["generation"] if own else 0,
        instance=own["instance"] if own else "",
        accepted=accepted["generation"] if accepted else 0,
        is_takeover=bool(accepted and accepted["is_takeover"]),
    )


def note(tx: Tx, row: LeaseRow, *, now: datetime) -> None:
    """Record a row that LNbits is about to be asked for, be it once more."""
    tx.execute(
        "INSERT INTO lease (generation, instance, kind, recorded_at)"
        " SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS"
        " (SELECT 1 FROM lease WHERE generation = ?1 AND instance = ?2 AND kind = ?3)",
        (row.generation, row.instance, row.kind, micros(now)),
    )


def open_dispute(tx: Tx) -> OpenDispute | None:
    """Return the dispute that has stopped this bot, if there is one."""
    row = tx.execute("SELECT * FROM lease_dispute WHERE closed_at IS NULL").fetchone()
    if row is None:
        return None
    reason = DisputeReason(row["reason"])
    return OpenDispute(reason, row["generation"], row["instance"], bool(row["announce"]))


def stop(tx: Tx, dispute: Dispute, *, now: datetime) -> bool:
    """Record a dispute and pause everything; False if one is open already."""
    if open_dispute(tx) is not None:
        return False
    tx.execute(
        "INSERT INTO lease_dispute (reason, generation, instance, announce, opened_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            dispute.reason,
            dispute.rival.generation,
            dispute.rival.instance,
            dispute.announce,
            micros(now),
        ),
    )
    if not bot_state.paused(tx):
        bot_state.put(tx, bot_state.PAUSED, now.isoformat())
    return True


def note_announced(tx: Tx) -> None:
    """Note that LNbits has the row by which the other bot stops."""
    tx.execute("UPDATE lease_dispute SET announce = 0 WHERE closed_at IS NULL")


def accept(tx: Tx, *, now: datetime) -> None:
    """Close the open dispute by the operators' word: the next claim takes over."""
    tx.execute("UPDATE lease_dispute SET closed_at = ? WHERE closed_at IS NULL", (micros(now),))

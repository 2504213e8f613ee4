"""The lease in the ledger: the rows that bots on this ledger wrote at LNbits, and disputes.

The invariant: a row is recorded in the ledger before LNbits is asked to keep the row. So no start takes
an earlier start's row for a rival's. While a dispute is open everything stays paused.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.lease import Dispute, DisputeReason, LeaseRecord, LeaseRow
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """A dispute that waits for the operators; `generation` and `instance` name the rival's row.

    `announce`: the row by which the rival stops is still to be written.
    """

    reason: DisputeReason
    generation: int
    instance: str
    announce: bool


def record_of(tx: Tx) -> LeaseRecord:
    """Return the newest row that this ledger recorded, and what the operators have accepted."""
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
    """Record a row before LNbits is asked to keep the row; do nothing if the row is recorded."""
    tx.execute(
        "INSERT INTO lease (generation, instance, kind, recorded_at)"
        " SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS"
        " (SELECT 1 FROM lease WHERE generation = ?1 AND instance = ?2 AND kind = ?3)",
        (row.generation, row.instance, row.kind, micros(now)),
    )


def open_dispute(tx: Tx) -> OpenDispute | None:
    """Return the dispute that has stopped this bot, or None."""
    row = tx.execute("SELECT * FROM lease_dispute WHERE closed_at IS NULL").fetchone()
    if row is None:
        return None
    reason = DisputeReason(row["reason"])
    return OpenDispute(reason, row["generation"], row["instance"], bool(row["announce"]))


def stop(tx: Tx, dispute: Dispute, *, now: datetime) -> bool:
    """Record a dispute and pause everything; return False if a dispute is open already."""
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
    """Record that LNbits has the row by which the rival stops."""
    tx.execute("UPDATE lease_dispute SET announce = 0 WHERE closed_at IS NULL")


def accept(tx: Tx, *, now: datetime) -> None:
    """Close the open dispute on the operators' word: the next claim is a takeover."""
    tx.execute("UPDATE lease_dispute SET closed_at = ? WHERE closed_at IS NULL", (micros(now),))

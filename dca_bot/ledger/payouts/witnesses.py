"""What witnesses said about invoices that are paid outside LNbits: answers of payees' servers, and verdicts.

The invariant: answers and verdicts are never altered; an invoice has at most one verdict. `core/witness`
decides by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.payout import PayoutState
from dca_bot.core.witness import (
    FIRST_LOOK_AFTER,
    Case,
    Outcome,
    Said,
    VerifyLook,
    Witness,
    next_look,
)
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import HoldKind
from dca_bot.ledger.payouts.payout import Attempt, Payout
from dca_bot.ledger.programme.clients import GOES_OUTSIDE
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an invoice, and on whose word; `preimage` is empty without a proof."""

    outcome: Outcome
    witness: Witness
    preimage: str


@dataclass(frozen=True, slots=True)
class Question:
    """An invoice that the payee's server is to be asked about (LUD-21); `number`: the attempt's."""

    payout_id: str
    number: int
    verify_url: str
    bolt11: str
    payment_hash: str
    expires_at: datetime
    tries: int


def expect(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the payee's server is to be asked about the invoice that a pay request leaves for now.

    Do nothing without a URL to ask.
    """
    if payout.attempt is not None and payout.attempt.verify_url:
        tx.execute(
            "INSERT INTO verify_due (payout_id, number, try_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (payout.id, payout.attempt.number, micros(now + FIRST_LOOK_AFTER)),
        )


def due(tx: Tx, now: datetime, *, limit: int) -> list[Question]:
    """Return the invoices that payees' servers are to be asked about at `now`, longest due first."""
    rows = tx.execute(
        "SELECT verify_due.*, verify_url, bolt11, payment_hash, expires_at FROM verify_due"
        " JOIN attempt USING (payout_id, number) WHERE try_at <= ? ORDER BY try_at LIMIT ?",
        (micros(now), limit),
    )
    return [
        Question(
            payout_id=row["payout_id"],
            number=row["number"],
            verify_url=row["verify_url"],
            bolt11=row["bolt11"],
            payment_hash=row["payment_hash"],
            expires_at=instant(row["expires_at"]),
            tries=row["tries"],
        )
        for row in rows
    ]


def next_due_at(tx: Tx) -> datetime | None:
    """Return when the next question of `due` is due; None without one."""
    row = tx.execute("SELECT min(try_at) AS at FROM verify_due").fetchone()
    return instant_or_none(row["at"])


def note_look(tx: Tx, question: Question, payout: Payout, said: Said, *, now: datetime) -> None:
    """Record an answer of the payee's server, and when the server is asked again."""
    tx.execute(
        "INSERT INTO verify_look (payout_id, number, said, looked_at) VALUES (?, ?, ?, ?)",
        (question.payout_id, question.number, said, micros(now)),
    )
    is_paid = payout.debited_at is not None and payout.attempts == question.number
    tries = question.tries + 1
    at = next_look(tries, is_paid=is_paid, expires_at=question.expires_at, now=now)
    if at is None:
        forget(tx, question.payout_id, question.number)
    else:
        tx.execute(
            "UPDATE verify_due SET tries = ?, try_at = ? WHERE payout_id = ? AND number = ?",
            (tries, micros(at), question.payout_id, question.number),
        )


def forget(tx: Tx, payout_id: str, number: int) -> None:
    """Ask the payee's server no more about an invoice."""
    tx.execute("DELETE FROM verify_due WHERE payout_id = ? AND number = ?", (payout_id, number))


def record_verdict(
    tx: Tx,
    payout: Payout,
    outcome: Outcome,
    witness: Witness,
    *,
    now: datetime,
    preimage: str = "",
    message_id: str | None = None,
) -> None:
    """Record what became of a payout's last invoice; keep an earlier verdict.

    `message_id`: the message of an operator who is the witness. Raise sqlite3.IntegrityError for a second
    "unpaid" on the payee's word alone.
    """
    tx.execute(
        "INSERT INTO verdict (payout_id, number, client_id, outcome, witness, preimage, at, message_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (payout_id, number) DO NOTHING",
        (
            payout.id,
            payout.attempts,
            payout.client_id,
            outcome,
            witness,
            preimage,
            micros(now),
            message_id,
        ),
    )
    if (
        outcome is Outcome.ARRIVED
    ):  # after UNPAID the server is asked on: the payment can still arrive
        forget(tx, payout.id, payout.attempts)


def was_given_up(tx: Tx, payout: Payout, number: int) -> bool:
    """Tell whether an attempt's invoice was given up.

    A newer attempt exists, the verdict is UNPAID, or the payout is VOID or CANCELLED.
    """
    verdict = verdict_of(tx, payout)
    is_unpaid = verdict is not None and verdict.outcome is Outcome.UNPAID
    is_over = payout.state in (PayoutState.VOID, PayoutState.CANCELLED)
    return payout.attempts != number or is_unpaid or is_over


def verdict_of(tx: Tx, payout: Payout) -> Verdict | None:
    """Return the verdict on a payout's last invoice, or None."""
    row = tx.execute(
        "SELECT outcome, witness, preimage FROM verdict WHERE payout_id = ? AND number = ?",
        (payout.id, payout.attempts),
    ).fetchone()
    if row is None:
        return None
    return Verdict(Outcome(row["outcome"]), Witness(row["witness"]), row["preimage"])


def is_called_paid(tx: Tx, payout: Payout) -> bool:
    """Tell whether the payee's server has called a payout's last invoice paid, with or without a proof."""
    row = tx.execute(
        "SELECT 1 FROM verify_look WHERE payout_id = ? AND number = ?"
        " AND said IN ('settled', 'unproven') LIMIT 1",
        (payout.id, payout.attempts),
    )
    return row.fetchone() is not None


def case_of(tx: Tx, payout: Payout, attempt: Attempt, *, is_failed: bool) -> Case:
    """Gather what is known of a payment outside LNbits that LNbits calls failed, or shows no more.

    `is_failed`: LNbits shows the payment now, as failed.
    """
    verdict = verdict_of(tx, payout)
    return Case(
        expires_at=attempt.expires_at,
        looks=_looks(tx, payout),
        has_arrived=verdict is not None and verdict.outcome is Outcome.ARRIVED,
        can_verify=bool(attempt.verify_url),
        may_void=_may_void(tx, payout),
        is_held=holds.open_on(tx, HoldKind.PAYOUT, payout.id) is not None,
        is_failed=is_failed,
    )


def unproven_count(tx: Tx) -> int:
    """Count the payouts outside LNbits that are paid on LNbits' word alone, without a preimage."""
    row = tx.execute(
        f"SELECT count(*) AS n FROM payout WHERE state = 'DONE' AND {GOES_OUTSIDE}"
        " AND NOT EXISTS (SELECT 1 FROM verdict WHERE payout_id = payout.id"
        "   AND number = payout.attempt AND outcome = 'arrived')"
    ).fetchone()
    return int(row["n"])


def given_up_hashes(tx: Tx, *, since: datetime, limit: int) -> list[str]:
    """Return the hashes of invoices that were given up after `since` on a second witness's word."""
    rows = tx.execute(
        "SELECT payment_hash FROM verdict JOIN attempt USING (payout_id, number)"
        " WHERE outcome = 'unpaid' AND at > ? LIMIT ?",
        (micros(since), limit),
    )
    return [row["payment_hash"] for row in rows]


def booked_beside_lnbits(tx: Tx) -> dict[str, Witness]:
    """Return the witness for each payment hash that is booked as paid on another word than LNbits'."""
    rows = tx.execute(
        "SELECT payment_hash, witness FROM verdict JOIN attempt USING (payout_id, number)"
        " JOIN payout ON payout.id = payout_id AND payout.attempt = number"
        " WHERE outcome = 'arrived' AND witness <> 'lnbits' AND source_status <> 'success'"
        " AND debited_at IS NOT NULL"
    )
    return {row["payment_hash"]: Witness(row["witness"]) for row in rows}


def _looks(tx: Tx, payout: Payout) -> Sequence[VerifyLook]:
    rows = tx.execute(
        "SELECT said, looked_at FROM verify_look WHERE payout_id = ? AND number = ? ORDER BY id",
        (payout.id, payout.attempts),
    )
    return tuple(VerifyLook(Said(row["said"]), instant(row["looked_at"])) for row in rows)


def _may_void(tx: Tx, payout: Payout) -> bool:
    """Tell whether the payee's word alone may void a payout (Case.may_void); the schema refuses as well."""
    row = tx.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM verdict WHERE client_id = ?1 AND outcome = 'unpaid'"
        "   AND witness = 'verify' AND id > coalesce((SELECT max(id) FROM verdict"
        "     WHERE client_id = ?1 AND witness = 'lnbits'), 0))"
        " AND NOT EXISTS (SELECT 1 FROM open_payout WHERE client_id = ?1 AND id <> ?2"
        f"   AND state = 'IN_DOUBT' AND {GOES_OUTSIDE}) AS yes",
        (payout.client_id, payout.id),
    ).fetchone()
    return bool(row["yes"])

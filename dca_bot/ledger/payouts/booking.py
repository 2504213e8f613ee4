"""Moves of a payout that also move money between the ledger's accounts.

The invariant: state and accounts change in one transaction, along `payout_move`.
"""

from dataclasses import replace
from datetime import datetime

from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.witness import Outcome, Witness, proves
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.payouts import holds, payouts, witnesses
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.transitions import move
from dca_bot.ledger.store.accounts import (
    CONVERTED,
    OPERATOR,
    PAID,
    Cause,
    Move,
    balance_of,
    owed_to,
    post,
)
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


def debit(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> Payout:
    """Book that the sats have left the source wallet, with LNbits' preimage as the payee's receipt.

    Return the payout. Raise StateChanged as `move`.
    """
    _book(
        tx,
        payout,
        now=now,
        fee_msat=payment.fee_msat,
        preimage=payment.preimage,
        source_status=PaymentStatus.SUCCESS,
    )
    if payout.is_to_address and proves(payment.preimage, payment.payment_hash):
        witnesses.record_verdict(
            tx, payout, Outcome.ARRIVED, Witness.LNBITS, preimage=payment.preimage, now=now
        )
    return payouts.get(tx, payout.id)


def book_as_arrived(
    tx: Tx, payout: Payout, *, now: datetime, message_id: str | None = None
) -> None:
    """Book a payout in doubt as paid, on a recorded preimage or on an operator's word.

    `message_id`: the message by which an operator confirms the arrival. The fee is 0, as LNbits calls the
    payment failed. Raise StateChanged if the payout is not in doubt, or if neither proof nor word exists.
    """
    if payout.state is not PayoutState.IN_DOUBT:
        raise StateChanged(Changed.NOT_IN_DOUBT, id=short_id(payout.id), state=payout.state)
    if message_id is not None:
        witnesses.record_verdict(
            tx, payout, Outcome.ARRIVED, Witness.OPERATOR, message_id=message_id, now=now
        )
    verdict = witnesses.verdict_of(tx, payout)
    if verdict is None or verdict.outcome is not Outcome.ARRIVED:
        raise StateChanged(Changed.NOT_ARRIVED, id=short_id(payout.id))
    _book(tx, payout, now=now, fee_msat=0, preimage=verdict.preimage)
    booked = replace(payout, state=PayoutState.DEBITED)
    move(tx, booked, PayoutState.DONE, done_at=micros(now), waiting="")


def take_over(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> None:
    """Book an unknown payment of LNbits as the payment of a payout that is held or in doubt.

    The payment becomes the payout's last attempt. Raise StateChanged if the payment hasn't succeeded or
    is of another amount, or as `move`.
    """
    paid_msat = -payment.amount_msat if payment.status is PaymentStatus.SUCCESS else 0
    if paid_msat != payout.amount_sat * 1000:
        raise StateChanged(
            Changed.OTHER_AMOUNT,
            id=short_id(payout.id),
            paid_msat=paid_msat,
            sats=payout.amount_sat,
        )
    number = _attempt_number(tx, payout, payment.payment_hash)
    move(
        tx,
        payout,
        payout.state,
        attempt=number or payout.attempts + 1,
        submitted_at=micros(payment.seen_at or now),
        destination=payout.goes_to.value,
        destination_kind=payout.goes_to.kind,
    )
    if number is None:
        tx.execute(
            "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at)"
            " VALUES (?, ?, '', ?, ?, ?)",
            (payout.id, payout.attempts + 1, payment.payment_hash, micros(now), micros(now)),
        )
    debit(tx, replace(payout, attempts=number or payout.attempts + 1), payment, now=now)


def cancel(
    tx: Tx,
    payout: Payout,
    *,
    now: datetime,
    message_id: str | None = None,
    is_settled_by_hand: bool = False,
) -> None:
    """Reverse a payout that can't be paid any more: fiat back to the client, sats to the operator.

    Raise StateChanged if the payout may still be paid, or if LNbits has an unknown payment of the
    payout, unless `is_settled_by_hand`: the operator settles that payment outside the bot.
    """
    if not payout.is_cancellable(now):
        raise StateChanged(Changed.NOT_CANCELLABLE, id=short_id(payout.id), state=payout.state)
    if not is_settled_by_hand and _is_paid_elsewhere(tx, payout):
        raise StateChanged(Changed.PAID, id=short_id(payout.id))
    move(tx, payout, PayoutState.CANCELLED, waiting="")
    holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.CANCELLED, now=now)
    moves = [
        Move(CONVERTED, balance_of(payout.client_id), payout.minor),
        Move(owed_to(payout.client_id), OPERATOR, payout.amount_sat),
    ]
    post(tx, "cancel", moves, cause=Cause(payout_id=payout.id, message_id=message_id), now=now)


def _book(
    tx: Tx, payout: Payout, *, now: datetime, fee_msat: int, preimage: str, **columns: str
) -> None:
    """Move a payout to DEBITED, and the payout's sats from the payee's account `owed` to `paid`."""
    move(
        tx,
        payout,
        PayoutState.DEBITED,
        debited_at=micros(now),
        try_at=micros(now),
        fee_msat=fee_msat,
        preimage=preimage,
        waiting="",
        tries=0,
        **columns,
    )
    paid = Move(owed_to(payout.client_id), PAID, payout.amount_sat)
    post(tx, "payout", [paid], cause=Cause(payout_id=payout.id), now=now)


def _attempt_number(tx: Tx, payout: Payout, payment_hash: str) -> int | None:
    """Find the number of the attempt whose invoice has this payment hash."""
    row = tx.execute(
        "SELECT number FROM attempt WHERE payout_id = ? AND payment_hash = ?",
        (payout.id, payment_hash),
    ).fetchone()
    return None if row is None else int(row["number"])


def _is_paid_elsewhere(tx: Tx, payout: Payout) -> bool:
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE external_id = ? AND status <> 'failed'", (payout.id,)
    )
    return row.fetchone() is not None

"""An operator's word about a payment to a Lightning address that LNbits calls failed: arrived, or not.

The invariant: the word needs a code, and LNbits is asked again before the word counts. "Not arrived" counts
only long after the invoice has expired.
"""

from dca_bot.chat.command import Context
from dca_bot.core.attempt import sole_payment
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.core.witness import Witness, word_from
from dca_bot.ledger.payouts import booking, holds, payouts, transitions, witnesses
from dca_bot.ledger.payouts.holds import Hold, HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Moment, Sat, Say, refuse


def word_plan(tx: Tx, hold: Hold, seen: tuple[Payment, ...]) -> Say:
    """Tell the effect of booking a payout in doubt as arrived.

    If LNbits has paid an earlier invoice of the payout, the payment is taken over instead. Raise
    CommandRefused if the payout is not in doubt any more, or if LNbits calls the payment pending or paid.
    """
    payout = _doubted(tx, hold)
    if _paid_before(payout, seen) is not None:
        return Say("payout.take_over_effect", payout=describe.payout_short(payout))
    _refuse_unless_failed(payout, seen)
    return Say(
        "payout.by_word_effect",
        payout=describe.payout_short(payout),
        name=payout.client_name,
        sats=Sat(payout.amount_sat),
    )


def word_apply(tx: Tx, ctx: Context, hold: Hold, seen: tuple[Payment, ...]) -> Say:
    """Book a payout in doubt as arrived, and tell the payee; return the answer.

    Raise CommandRefused if the payout is not in doubt any more.
    """
    payout = _doubted(tx, hold)
    paid = _paid_before(payout, seen)
    if paid is not None:
        booking.take_over(tx, payout, paid, now=ctx.now)
        return Say("payout.taken_over", payout=describe.payout_short(payout))
    booking.book_as_arrived(tx, payout, now=ctx.now, message_id=ctx.message_id)
    ctx.notices.clients.payout_arrived(tx, payout, ctx.now)
    return Say("payout.by_word", payout=describe.payout_short(payout))


def is_for_word(tx: Tx, payout: Payout) -> bool:
    """Tell whether operators were asked about a payout in doubt and have not answered yet."""
    hold = holds.open_on(tx, HoldKind.PAYOUT, payout.id)
    is_asked = hold is not None and hold.reason == HoldReason.FAILED_TO_ADDRESS
    return is_asked and payout.state is PayoutState.IN_DOUBT


def refuse_without_word(tx: Tx, payout: Payout, ctx: Context, seen: tuple[Payment, ...]) -> None:
    """Raise CommandRefused if a payout in doubt has arrived, or may still arrive."""
    assert payout.attempt is not None
    hold = holds.open_on(tx, HoldKind.PAYOUT, payout.id)
    if hold is not None and _paid_before(payout, seen) is not None:
        raise refuse("payout.paid_before", payout=describe.payout_short(payout), id=hold.id)
    _refuse_unless_failed(payout, seen)
    if witnesses.verdict_of(tx, payout) is not None:
        raise refuse("payout.is_arriving", payout=describe.payout_short(payout))
    early = word_from(payout.attempt.expires_at)
    if ctx.now < early:
        short = describe.payout_short(payout)
        raise refuse("payout.word_early", payout=short, word_from=Moment(early))


def void_by_word(tx: Tx, ctx: Context, payout: Payout) -> Payout:
    """Void the attempt of a payout in doubt on the operator's word; return the payout as recorded now."""
    if not is_for_word(tx, payout):
        return payout
    transitions.void_by_verdict(
        tx, payout, Witness.OPERATOR, now=ctx.now, message_id=ctx.message_id
    )
    holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.IGNORED, now=ctx.now)
    voided = payouts.by_id(tx, payout.id)
    assert voided is not None
    return voided


def _doubted(tx: Tx, hold: Hold) -> Payout:
    """Return a payout in doubt, about which the operators were asked."""
    payout = payouts.by_id(tx, hold.ref)
    if payout is None or payout.state is not PayoutState.IN_DOUBT:
        raise refuse("hold.not_held", id=hold.id)
    return payout


def _paid_before(payout: Payout, seen: tuple[Payment, ...]) -> Payment | None:
    """Return LNbits' one payment of the payout, if the payment is of a given-up invoice."""
    assert payout.attempt is not None
    paid = sole_payment(seen, payout.amount_sat)
    return None if paid is None or paid.payment_hash == payout.attempt.payment_hash else paid


def _refuse_unless_failed(payout: Payout, seen: tuple[Payment, ...]) -> None:
    """Refuse an operator's word while LNbits calls the payment pending or paid."""
    fresh = seen
    if any(row.status is not PaymentStatus.FAILED for row in fresh):
        raise refuse("payout.is_arriving", payout=describe.payout_short(payout))

"""The hold on a payout: send the payout after all, or record the payout as paid.

The invariant: no payout is sent while LNbits may still pay an older invoice of the payout.
"""

from collections.abc import Mapping
from typing import NoReturn

from dca_bot.chat.command import Context, Done
from dca_bot.chat.operator.holds.actions import Action, HoldActions, Ruling
from dca_bot.chat.operator.payout_payments import (
    known_payments,
    look_payments,
    refuse_if_failed_lately,
    refuse_if_pending,
)
from dca_bot.chat.operator.payout_word import word_apply, word_plan
from dca_bot.chat.operator.payouts import paused_note, unproven_effect
from dca_bot.chat.services import Services
from dca_bot.core.attempt import sole_payment
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.payouts import booking, payouts, transitions, unknown_payments
from dca_bot.ledger.payouts.holds import Hold, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say, refuse


async def _look(services: Services, hold: Hold) -> tuple[Payment, ...]:
    return await look_payments(services, hold.ref)


def _accept_plan(tx: Tx, ctx: Context, ruling: Ruling) -> Say:
    return _BY_REASON.get(ruling.hold.reason, _UNCLEAR).plan(tx, ctx, ruling)


def _accept_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    return _BY_REASON.get(ruling.hold.reason, _UNCLEAR).apply(tx, ctx, ruling)


def _refuse_ignoring(_tx: Tx, _ctx: Context, ruling: Ruling) -> NoReturn:
    """Refuse to ignore a payout: the operator can cancel the payout instead."""
    hold = ruling.hold
    raise refuse("hold.payout_not_ignorable", id=hold.id, payout=short_id(hold.ref))


PAYOUT_ACTIONS = HoldActions(
    accept=Action(plan=_accept_plan, apply=_accept_apply),
    ignore=Action(plan=_refuse_ignoring, apply=_refuse_ignoring),
    look=_look,
)


# A ceiling: the payout is sent as planned.


def _release_plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    payout = _read_held(tx, ruling.hold)
    return Say(
        "payout.release_effect",
        payout=describe.payout_short(payout),
        reason=describe.reason(ruling.hold.reason, ruling.hold.reason_said),
        wallet=describe.destination(payout.destination),
    )


def _release_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    return _release(tx, ctx, _read_held(tx, ruling.hold))


def _release(tx: Tx, ctx: Context, payout: Payout) -> Done:
    transitions.retry(tx, payout, now=ctx.now)
    short = describe.payout_short(payout)
    return Done(Say("payout.released", payout=short, paused=paused_note(tx)))


# LNbits has unknown payments with the payout's id: an arrived payment is taken over.


def _known_plan(tx: Tx, ctx: Context, ruling: Ruling) -> Say:
    payout = _read_held(tx, ruling.hold)
    if _find_paid(tx, payout, ctx, ruling.payments) is not None:
        return Say("payout.take_over_effect", payout=describe.payout_short(payout))
    if payout.is_to_address:
        return unproven_effect(payout)
    return Say("payout.failed_effect", payout=describe.payout_short(payout))


def _known_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    payout = _read_held(tx, ruling.hold)
    paid = _find_paid(tx, payout, ctx, ruling.payments)
    if paid is None:
        return _release(tx, ctx, payout)
    booking.take_over(tx, payout, paid, now=ctx.now)
    return Done(Say("payout.taken_over", payout=describe.payout_short(payout)))


# The sats have left the source wallet and may not have arrived: the operator settles by hand.


def _by_hand_plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    payout = _read_alerted(tx, ruling.hold)
    return Say("payout.by_hand_effect", payout=describe.payout_short(payout))


def _by_hand_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    payout = _read_alerted(tx, ruling.hold)
    transitions.finish(tx, payout, now=ctx.now)
    return Done(Say("payout.by_hand", payout=describe.payout_short(payout)))


# LNbits calls the payment to a Lightning address failed: the operator's word decides.


def _word_plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    return word_plan(tx, ruling.hold, ruling.payments)


def _word_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    return Done(word_apply(tx, ctx, ruling.hold, ruling.payments))


def _refuse_unclear(tx: Tx, _ctx: Context, ruling: Ruling) -> NoReturn:
    """Refuse to accept a hold for any other reason, such as a payment that arrived after all."""
    _read_held(tx, ruling.hold)
    raise refuse("payout.hold_unclear", id=ruling.hold.id)


_RELEASE = Action(plan=_release_plan, apply=_release_apply)
_BY_REASON: Mapping[str, Action] = {
    HoldReason.CEILING_PAYOUT: _RELEASE,
    HoldReason.CEILING_DAY: _RELEASE,
    HoldReason.KNOWN_PAYOUT: Action(plan=_known_plan, apply=_known_apply),
    HoldReason.ALERTED: Action(plan=_by_hand_plan, apply=_by_hand_apply),
    HoldReason.FAILED_TO_ADDRESS: Action(plan=_word_plan, apply=_word_apply),
}
"""Accepting a held payout, by the reason of the hold."""
_UNCLEAR = Action(plan=_refuse_unclear, apply=_refuse_unclear)


def _read_held(tx: Tx, hold: Hold) -> Payout:
    payout = payouts.by_id(tx, hold.ref)
    if payout is None or payout.state is not PayoutState.HELD:
        raise refuse("hold.not_held", id=hold.id)
    return payout


def _read_alerted(tx: Tx, hold: Hold) -> Payout:
    """Return an alerted payout; refuse if the sats have not left the source wallet."""
    payout = payouts.by_id(tx, hold.ref)
    if payout is None or payout.state is not PayoutState.ALERT:
        raise refuse("hold.not_held", id=hold.id)
    if payout.debited_at is None:
        raise refuse("payout.not_debited", payout=describe.payout_short(payout))
    return payout


def _find_paid(tx: Tx, payout: Payout, ctx: Context, fresh: tuple[Payment, ...]) -> Payment | None:
    """Return LNbits' one payment of a payout, or None if all payments have failed for good."""
    known = known_payments(tx, payout, fresh)
    refuse_if_pending(known)
    if not any(row.status is PaymentStatus.SUCCESS for row in known):
        refuse_if_failed_lately(tx, payout, known, ctx)
        if unknown_payments.covers_share(tx, payout, now=ctx.now):
            raise refuse("payout.nothing_known")
        return None
    paid = sole_payment(known, payout.amount_sat)
    if paid is None:
        raise refuse("payout.other_amount")
    if payout.destination is None:
        raise refuse("payout.no_destination", name=payout.client_name)
    return paid

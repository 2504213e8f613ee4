"""The operators' commands about payouts: lists, a new attempt, cancelling.

The invariant: no payout is sent again or cancelled while LNbits may still pay the payout.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.find import ID_LENGTH_MIN
from dca_bot.chat.operator.payout_payments import (
    known_payments,
    look_payments,
    refuse_if_failed_lately,
    refuse_if_pending,
)
from dca_bot.chat.operator.payout_word import is_for_word, refuse_without_word, void_by_word
from dca_bot.chat.params import PAGE, Param, read_word
from dca_bot.chat.services import Services
from dca_bot.core.attempt import sole_payment
from dca_bot.core.money import sat_floor
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.payouts import booking, payouts, queue, transitions, unknown_payments
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Sat, Say, refuse

_ID = Param("ID", read_word)


def _list_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the open payouts, in the order of payment: oldest first."""
    count, sat = queue.totals(tx)
    return describe.page(
        Say("payouts.heading", count=count, sats=Sat(sat)),
        args.page,
        partial(queue.open_payouts, tx),
        partial(_aged, now=ctx.now),
        empty=Say("payouts.nothing"),
        again="payouts",
    )


def _stuck_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the payouts that wait: for an operator, for a time, for the destination; oldest first."""
    return describe.page(
        Say("payouts.stuck_heading", count=queue.stuck_count(tx)),
        args.page,
        partial(queue.stuck, tx),
        partial(_aged, now=ctx.now),
        empty=Say("payouts.none_stuck"),
        again="payouts stuck",
    )


def _aged(payout: Payout, *, now: datetime) -> Say:
    """Say a payout on a line, with the time since the distribution."""
    return Say(
        "payouts.line", payout=describe.payout(payout), age=describe.span(now - payout.due_at)
    )


def _retry_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell which payout gets a new invoice: proven unpaid, or unpaid on the operator's word."""
    payout = _payout(tx, args)
    is_doubted = is_for_word(tx, payout)
    if is_doubted:
        refuse_without_word(tx, payout, ctx, seen)
    elif payout.state is not PayoutState.VOID:
        raise refuse("payout.not_void", payout=describe.payout(payout))
    if is_doubted or not payouts.is_proven_void(tx, payout):
        return unproven_effect(payout)
    return Say(
        "payout.retry_effect",
        payout=describe.payout_short(payout),
        wallet=describe.destination(payout.destination),
    )


def _retry_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Give a VOID payout a new attempt."""
    payout = void_by_word(tx, ctx, _payout(tx, args))
    transitions.retry(tx, payout, now=ctx.now)
    done = Say("payout.retried", payout=describe.payout_short(payout), paused=paused_note(tx))
    return Done(done)


async def _look_up(services: Services, args: Args) -> tuple[Payment, ...]:
    """Ask LNbits for all payments of the payout ID."""
    payout = await services.database.read(lambda tx: _payout(tx, args))
    return await look_payments(services, payout.id)


def _cancel_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell what cancelling would reverse; refuse while the payout may still be paid."""
    payout = _payout(tx, args)
    is_doubted = is_for_word(tx, payout)
    known = known_payments(tx, payout, seen)
    _refuse_uncancellable(tx, ctx, payout, known, seen)
    paid_msat = sum(-row.amount_msat for row in known if row.status is PaymentStatus.SUCCESS)
    is_elsewhere = not paid_msat and unknown_payments.covers_share(tx, payout, now=ctx.now)
    if payout.is_commission:
        return _cancel_commission(
            payout, sat_floor(paid_msat), is_elsewhere=is_elsewhere, is_doubted=is_doubted
        )
    keys = {
        "payout.cancel_doubt_effect": is_doubted,
        "payout.cancel_paid_effect": paid_msat,
        "payout.cancel_alert_effect": payout.state is PayoutState.ALERT,
        "payout.cancel_elsewhere_effect": is_elsewhere,
    }
    return Say(
        next((key for key, fits in keys.items() if fits), "payout.cancel_effect"),
        **({"paid": Sat(sat_floor(paid_msat))} if paid_msat else {}),
        payout=describe.payout_short(payout),
        name=payout.client_name,
        fiat=Fiat(payout.minor),
        sats=Sat(payout.amount_sat),
    )


def _cancel_apply(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Done:
    """Cancel a payout: fiat back to the client, sats to the operator."""
    payout = void_by_word(tx, ctx, _payout(tx, args))
    for payment in known_payments(tx, payout, seen):
        unknown_payments.remember(tx, payment, now=ctx.now)
    booking.cancel(tx, payout, now=ctx.now, message_id=ctx.message_id, is_settled_by_hand=True)
    unknown_payments.settle_payout(tx, payout, now=ctx.now)
    if payout.is_commission:
        told = Say("notice.commission_cancelled", sats=Sat(payout.amount_sat))
        ctx.notices.tell_client(tx, clients.by_id(tx, payout.client_id), told, ctx.now)
        done = Say("payout.commission_cancelled", payout=describe.payout_short(payout))
        return Done(done)
    clients.cross_low(tx, [payout.client_id], ctx.programme.low_deposit_minor)
    client = clients.by_id(tx, payout.client_id)
    told = Say(
        "notice.payout_cancelled",
        sats=Sat(payout.amount_sat),
        fiat=Fiat(payout.minor),
        balance=Fiat(client.balance_minor),
    )
    ctx.notices.tell_client(tx, client, told, ctx.now)
    done = Say(
        "payout.cancelled",
        payout=describe.payout_short(payout),
        name=client.name,
        fiat=Fiat(payout.minor),
    )
    return Done(done)


def unproven_effect(payout: Payout) -> Say:
    """Tell the risk of a new invoice while only LNbits calls the old invoice unpaid."""
    return Say(
        "payout.retry_doubt_effect",
        payout=describe.payout_short(payout),
        wallet=describe.destination(payout.destination),
        name=payout.client_name,
    )


def paused_note(tx: Tx) -> Say:
    """Say that nothing is paid before `resume all`; NOTHING unless the bot is paused."""
    return Say("payout.paused") if bot_state.paused(tx) else NOTHING


PAYOUT_COMMANDS = (
    Command(("payouts",), (PAGE,), answer=_list_answer),
    Command(("payouts", "stuck"), (PAGE,), answer=_stuck_answer),
    Command(
        ("payout", "retry"),
        (_ID,),
        look=_look_up,
        plan=_retry_plan,
        apply=_retry_apply,
        leaves=True,
    ),
    Command(("payout", "cancel"), (_ID,), look=_look_up, plan=_cancel_plan, apply=_cancel_apply),
)


def _refuse_uncancellable(
    tx: Tx, ctx: Context, payout: Payout, known: Sequence[Payment], seen: tuple[Payment, ...]
) -> None:
    """Refuse to cancel a payout that is paid, cancelled or may still be paid."""
    if payout.state in (PayoutState.DEBITED, PayoutState.DONE):
        raise refuse("payout.is_paid", payout=describe.payout(payout))
    if payout.state is PayoutState.CANCELLED:
        raise refuse("payout.is_cancelled", payout=describe.payout_short(payout))
    if is_for_word(tx, payout):
        refuse_without_word(tx, payout, ctx, seen)
    elif not payout.is_cancellable(ctx.now):
        raise refuse("payout.not_cancellable", payout=describe.payout(payout))
    refuse_if_pending(known)
    if sole_payment(known, payout.amount_sat) is not None:
        raise refuse("payout.paid_already")
    refuse_if_failed_lately(tx, payout, known, ctx)
    if unknown_payments.may_still_cover(tx, payout, now=ctx.now):
        raise refuse("hold.still_paying")


def _cancel_commission(
    payout: Payout, paid_sat: int, *, is_elsewhere: bool, is_doubted: bool
) -> Say:
    """Tell what cancelling a payout of commission means: no fiat was charged."""
    careful = NOTHING
    if is_doubted:
        careful = Say("payout.careful_doubt", name=payout.client_name)
    elif paid_sat:
        careful = Say("payout.careful_paid", paid=Sat(paid_sat), name=payout.client_name)
    elif is_elsewhere:
        careful = Say("payout.careful_elsewhere", name=payout.client_name)
    return Say(
        "payout.cancel_commission_effect",
        payout=describe.payout_short(payout),
        sats=Sat(payout.amount_sat),
        careful=careful,
    )


def _payout(tx: Tx, args: Args) -> Payout:
    wanted = args.text("ID").removeprefix("#")
    if len(wanted) < ID_LENGTH_MIN:
        raise refuse("payout.id_short", min=ID_LENGTH_MIN)
    found = payouts.by_prefix(tx, wanted)
    if len(found) != 1:
        raise refuse("payout.ambiguous" if found else "payout.unknown")
    return found[0]

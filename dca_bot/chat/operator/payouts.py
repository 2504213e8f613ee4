"""The operator's commands about payouts, and what letting a held payout go means.

The invariant: nothing is paid again, cancelled or let go while LNbits may still pay it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dca_bot.chat.client.account import PAGE
from dca_bot.chat.command import Args, Command, Context, Done, Param, read_word
from dca_bot.chat.operator.payout_word import (
    is_for_word,
    refuse_without_word,
    void_by_word,
    word_apply,
    word_plan,
)
from dca_bot.chat.services import Services
from dca_bot.core import payout as rules
from dca_bot.core.money import sat_floor
from dca_bot.core.payout import PayoutState, sole_payment
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.payouts import holds, payouts, transitions, unknown_payments
from dca_bot.ledger.payouts.holds import Hold, HoldReason
from dca_bot.ledger.payouts.payouts import Payout
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Sat, Say, Word, refuse

ID_LENGTH_MIN = 4
_ID = Param("ID", read_word)


def list_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List what is not finished, in the order in which it is to be paid."""
    offset = (args.page - 1) * describe.PAGE_ROWS
    rows = payouts.open_payouts(tx, limit=describe.PAGE_ROWS + 1, offset=offset)
    if not rows and args.page == 1:
        return Say("payouts.nothing")
    return describe.page(Say("payouts.heading"), rows, args.page, describe.payout)


def stuck_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """List what waits for the operator, for time, or for anything else."""
    offset = (args.page - 1) * describe.PAGE_ROWS
    rows = payouts.stuck(tx, limit=describe.PAGE_ROWS + 1, offset=offset)
    if not rows and args.page == 1:
        return Say("payouts.none_stuck")
    return describe.page(Say("payouts.stuck_heading"), rows, args.page, describe.payout)


def retry_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell which payout would get a new invoice: one proven unpaid, or unpaid on the operator's word."""
    payout = _payout(tx, args)
    is_doubted = is_for_word(tx, payout)
    if is_doubted:
        refuse_without_word(tx, payout, ctx, seen)
    elif payout.state is not PayoutState.VOID:
        raise refuse("payout.not_void", payout=describe.payout(payout))
    if is_doubted or not payouts.is_proven_void(tx, payout):
        return _doubt_effect(payout)
    return Say(
        "payout.retry_effect",
        payout=describe.payout_short(payout),
        wallet=describe.destination(payout.destination),
    )


def retry_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Give a void payout a new attempt."""
    payout = void_by_word(tx, ctx, _payout(tx, args))
    transitions.retry(tx, payout, now=ctx.now)
    done = Say("payout.retried", payout=describe.payout_short(payout), paused=_paused(tx))
    return Done(done)


async def look_up(services: Services, args: Args) -> tuple[Payment, ...]:
    """Ask LNbits for every payment of the payout ID."""
    payout = await services.database.read(lambda tx: _payout(tx, args))
    return await look_payments(services, payout.id)


async def look_payments(services: Services, payout_id: str) -> tuple[Payment, ...]:
    """Ask LNbits for every payment of a payout: by its id, and by its recorded invoices."""
    hashes = await services.database.read(lambda tx: payouts.payment_hashes(tx, payout_id))
    by_id = await services.wallet.payments_of(payout_id)
    by_hash = [await services.wallet.payment(payment_hash) for payment_hash in sorted(hashes)]
    found = (*by_id, *(payment for payment in by_hash if payment is not None))
    return tuple({payment.payment_hash: payment for payment in found}.values())


def cancel_plan(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Say:
    """Tell what would be reversed; only where nothing can be paid any more."""
    payout = _payout(tx, args)
    is_doubted = is_for_word(tx, payout)
    known = _payments(tx, payout, seen)
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


def cancel_apply(tx: Tx, ctx: Context, args: Args, seen: tuple[Payment, ...]) -> Done:
    """Reverse a payout: fiat back to the client, sats to the operator."""
    payout = void_by_word(tx, ctx, _payout(tx, args))
    for payment in _payments(tx, payout, seen):
        unknown_payments.remember(tx, payment, now=ctx.now)
    transitions.cancel(tx, payout, now=ctx.now, message_id=ctx.message_id, is_settled_by_hand=True)
    unknown_payments.settle_payout(tx, payout, now=ctx.now)
    if payout.is_commission:
        told = Say("notice.commission_cancelled", sats=Sat(payout.amount_sat))
        ctx.notices.tell_client(tx, clients.by_id(tx, payout.client_id), told, ctx.now)
        done = Say("payout.commission_cancelled", payout=describe.payout_short(payout))
        return Done(done)
    clients.cross_low(tx, payout.client_id, ctx.programme.low_deposit_minor)
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


def release_plan(tx: Tx, ctx: Context, hold: Hold, seen: tuple[Payment, ...]) -> Say:
    """Tell what accepting a held payout would do: send it, or record it as paid."""
    if hold.reason == HoldReason.ALERTED:
        return Say("payout.by_hand_effect", payout=describe.payout_short(_alerted(tx, hold)))
    if hold.reason == HoldReason.FAILED_TO_ADDRESS:
        return word_plan(tx, hold, seen)
    payout = _held(tx, hold)
    if hold.reason in (HoldReason.CEILING_PAYOUT, HoldReason.CEILING_DAY):
        return Say(
            "payout.release_effect",
            payout=describe.payout_short(payout),
            reason=Word("reason", hold.reason),
            wallet=describe.destination(payout.destination),
        )
    if hold.reason != HoldReason.KNOWN_PAYOUT:
        raise refuse("payout.hold_unclear", id=hold.id)
    paid = _paid(tx, payout, ctx, seen)
    if paid is None and payout.is_to_address:
        return _doubt_effect(payout)
    if paid is None:
        return Say("payout.failed_effect", payout=describe.payout_short(payout))
    return Say("payout.take_over_effect", payout=describe.payout_short(payout))


def release_apply(tx: Tx, ctx: Context, hold: Hold, seen: tuple[Payment, ...]) -> Done:
    """Send a held payout after all, or record it as paid."""
    if hold.reason == HoldReason.ALERTED:
        payout = _alerted(tx, hold)
        transitions.finish(tx, payout, now=ctx.now)
        return _released(tx, ctx, hold, Say("payout.by_hand", payout=describe.payout_short(payout)))
    if hold.reason == HoldReason.FAILED_TO_ADDRESS:
        return _released(tx, ctx, hold, word_apply(tx, ctx, hold, seen))
    payout = _held(tx, hold)
    paid = _paid(tx, payout, ctx, seen) if hold.reason == HoldReason.KNOWN_PAYOUT else None
    if paid is not None:
        transitions.take_over(tx, payout, paid, now=ctx.now)
        return _released(
            tx, ctx, hold, Say("payout.taken_over", payout=describe.payout_short(payout))
        )
    transitions.retry(tx, payout, now=ctx.now)
    done = Say("payout.released", payout=describe.payout_short(payout), paused=_paused(tx))
    return _released(tx, ctx, hold, done)


def _paused(tx: Tx) -> Say:
    """Say that nothing is paid before `resume all`, where that is so."""
    return Say("payout.paused") if bot_state.paused(tx) else NOTHING


def _released(tx: Tx, ctx: Context, hold: Hold, done: Say) -> Done:
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    return Done(done)


PAYOUT_COMMANDS = (
    Command(("payouts",), (PAGE,), answer=list_answer),
    Command(("payouts", "stuck"), (PAGE,), answer=stuck_answer),
    Command(("payout", "retry"), (_ID,), look=look_up, plan=retry_plan, apply=retry_apply),
    Command(("payout", "cancel"), (_ID,), look=look_up, plan=cancel_plan, apply=cancel_apply),
)


def _refuse_uncancellable(
    tx: Tx, ctx: Context, payout: Payout, known: Sequence[Payment], seen: tuple[Payment, ...]
) -> None:
    """Refuse while a payout may be paid yet, or is paid."""
    if payout.state in (PayoutState.DEBITED, PayoutState.DONE):
        raise refuse("payout.is_paid", payout=describe.payout(payout))
    if payout.state is PayoutState.CANCELLED:
        raise refuse("payout.is_cancelled", payout=describe.payout_short(payout))
    if is_for_word(tx, payout):
        refuse_without_word(tx, payout, ctx, seen)
    elif not payout.is_cancellable(ctx.now):
        raise refuse("payout.not_cancellable", payout=describe.payout(payout))
    _refuse_if_pending(known)
    if sole_payment(known, payout.amount_sat) is not None:
        raise refuse("payout.paid_already")
    _refuse_if_failed_lately(tx, payout, known, ctx)
    if unknown_payments.may_still_cover(tx, payout, now=ctx.now):
        raise refuse("hold.still_paying")


def _doubt_effect(payout: Payout) -> Say:
    """Tell what a new invoice means while LNbits alone says that the old one was not paid."""
    return Say(
        "payout.retry_doubt_effect",
        payout=describe.payout_short(payout),
        wallet=describe.destination(payout.destination),
        name=payout.client_name,
    )


def _cancel_commission(
    payout: Payout, paid_sat: int, *, is_elsewhere: bool, is_doubted: bool
) -> Say:
    """Tell what giving up a payout of commission means: no fiat was charged, so none goes back."""
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


def _held(tx: Tx, hold: Hold) -> Payout:
    payout = payouts.by_id(tx, hold.ref)
    if payout is None or payout.state is not PayoutState.HELD:
        raise refuse("hold.not_held", id=hold.id)
    return payout


def _alerted(tx: Tx, hold: Hold) -> Payout:
    """Return an alerted payout that has left the source wallet; only such a one can be settled."""
    payout = payouts.by_id(tx, hold.ref)
    if payout is None or payout.state is not PayoutState.ALERT:
        raise refuse("hold.not_held", id=hold.id)
    if payout.debited_at is None:
        raise refuse("payout.not_debited", payout=describe.payout_short(payout))
    return payout


def _payments(tx: Tx, payout: Payout, seen: tuple[Payment, ...]) -> list[Payment]:
    """Return a payout's payments: as LNbits has just told, else as it did when last looked at."""
    fresh = {row.payment_hash: row for row in seen}
    stored = {row.payment_hash: row for row in unknown_payments.of_payout(tx, payout.id)}
    for payment_hash, row in stored.items():
        if payment_hash in fresh:
            fresh[payment_hash] = replace(fresh[payment_hash], seen_at=row.seen_at)
    return list({**stored, **fresh}.values())


def _paid(tx: Tx, payout: Payout, ctx: Context, seen: tuple[Payment, ...]) -> Payment | None:
    """Return LNbits' one payment of a payout, or None if all its payments have failed for good."""
    known = _payments(tx, payout, seen)
    _refuse_if_pending(known)
    if not any(row.status is PaymentStatus.SUCCESS for row in known):
        _refuse_if_failed_lately(tx, payout, known, ctx)
        if unknown_payments.covers_share(tx, payout, now=ctx.now):
            raise refuse("payout.nothing_known")
        return None
    paid = sole_payment(known, payout.amount_sat)
    if paid is None:
        raise refuse("payout.other_amount")
    if payout.destination is None:
        raise refuse("payout.no_destination", name=payout.client_name)
    return paid


def _refuse_if_pending(known: Iterable[Payment]) -> None:
    if any(payment.status is PaymentStatus.PENDING for payment in known):
        raise refuse("payout.pending")


def _refuse_if_failed_lately(
    tx: Tx, payout: Payout, known: Iterable[Payment], ctx: Context
) -> None:
    """Refuse while an invoice that isn't the ledger's own may still be paid."""
    own = payouts.payment_hashes(tx, payout.id)
    for row in known:
        is_foreign = row.status is PaymentStatus.FAILED and row.payment_hash not in own
        if is_foreign and (row.seen_at or ctx.now) > ctx.now - rules.FAILED_FOR_GOOD:
            raise refuse("payout.failed_lately")

"""The operator's commands about payouts, and what letting a held payout go means.

The invariant: nothing is paid again, cancelled or let go while LNbits may still pay it.
"""

from collections.abc import Iterable
from datetime import timedelta

from dca_bot.chat import describe
from dca_bot.chat.client_commands import PAGE
from dca_bot.chat.command import Args, Command, Context, Done, Facts, Param, read_word
from dca_bot.chat.desk import Desk
from dca_bot.chat.say import Fiat, Sat, Say, Word, refuse
from dca_bot.core.payout import CANCELLABLE, PayoutState, sole_payment
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger import clients, foreign, holds, payout_moves, payouts
from dca_bot.ledger.database import Tx
from dca_bot.ledger.holds import CEILING_DAY, CEILING_PAYOUT, KNOWN_PAYOUT, Hold
from dca_bot.ledger.instant import micros
from dca_bot.ledger.payouts import Payout

FAILED_FOR_GOOD = timedelta(hours=25)
"""An invoice lives 24 hours; so long after a failed payment was seen, nothing can pay it any more."""
ID_LENGTH_MIN = 4
_ID = Param("ID", read_word)


def list_answer(tx: Tx, _ctx: Context, args: Args, _facts: Facts) -> Say:
    """List what is not finished, in the order in which it is to be paid."""
    start = (args.page - 1) * describe.PAGE_ROWS
    rows = payouts.open_payouts(tx, limit=start + describe.PAGE_ROWS + 1)[start:]
    if not rows and args.page == 1:
        return Say("payouts.nothing")
    return describe.page(Say("payouts.heading"), rows, args.page, describe.payout)


def stuck_answer(tx: Tx, _ctx: Context, args: Args, _facts: Facts) -> Say:
    """List what waits for the operator, for time, or for anything else."""
    start = (args.page - 1) * describe.PAGE_ROWS
    rows = payouts.stuck(tx, limit=start + describe.PAGE_ROWS + 1)[start:]
    if not rows and args.page == 1:
        return Say("payouts.none_stuck")
    return describe.page(Say("payouts.stuck_heading"), rows, args.page, describe.payout)


def retry_plan(tx: Tx, _ctx: Context, args: Args, _facts: Facts) -> Say:
    """Tell which payout would get a new invoice; only one that is proven unpaid."""
    payout = _payout(tx, args)
    if payout.state is not PayoutState.VOID:
        raise refuse("payout.not_void", payout=describe.payout(payout))
    return Say(
        "payout.retry_effect",
        payout=describe.payout_short(payout),
        wallet=describe.destination(payout.destination),
    )


def retry_apply(tx: Tx, ctx: Context, args: Args, _facts: Facts) -> Done:
    """Give a void payout a new attempt."""
    payout = _payout(tx, args)
    payout_moves.retry(tx, payout, now=ctx.now)
    done = Say("payout.retried", payout=describe.payout_short(payout))
    return Done(done, done)


async def look_cancel(desk: Desk, args: Args) -> tuple[Payment, ...]:
    """Ask LNbits for every payment of a payout: by its id, and by its recorded invoices."""

    def read(tx: Tx) -> tuple[str, set[str]]:
        payout = _payout(tx, args)
        return payout.id, payouts.payment_hashes(tx, payout.id)

    payout_id, hashes = await desk.database.read(read)
    by_id = await desk.wallet.payments_of(payout_id)
    by_hash = [await desk.wallet.payment(payment_hash) for payment_hash in sorted(hashes)]
    return (*by_id, *(payment for payment in by_hash if payment is not None))


def cancel_plan(tx: Tx, ctx: Context, args: Args, facts: Facts) -> Say:
    """Tell what would be reversed; only where nothing can be paid any more."""
    assert isinstance(facts, tuple)
    payout = _payout(tx, args)
    if payout.state not in CANCELLABLE:
        raise refuse("payout.not_cancellable", payout=describe.payout(payout))
    _refuse_if_paid((*foreign.of_payout(tx, payout.id), *facts))
    _refuse_if_failed_lately(foreign.of_payout(tx, payout.id), ctx)
    return Say(
        "payout.cancel_effect",
        payout=describe.payout_short(payout),
        name=payout.client_name,
        fiat=Fiat(payout.minor),
        sats=Sat(payout.amount_sat),
    )


def cancel_apply(tx: Tx, ctx: Context, args: Args, _facts: Facts) -> Done:
    """Reverse a payout: fiat back to the client, sats to the operator."""
    payout = _payout(tx, args)
    payout_moves.cancel(tx, payout, now=ctx.now, message_id=ctx.message_id)
    clients.cross_low(tx, payout.client_id, ctx.programme.low_deposit_minor)
    client = clients.by_id(tx, payout.client_id)
    told = Say(
        "push.payout_cancelled",
        sats=Sat(payout.amount_sat),
        fiat=Fiat(payout.minor),
        balance=Fiat(client.balance_minor),
    )
    ctx.herald.tell_client(tx, client, told, ctx.now)
    done = Say(
        "payout.cancelled",
        payout=describe.payout_short(payout),
        name=client.name,
        fiat=Fiat(payout.minor),
    )
    return Done(done, done)


def release_plan(tx: Tx, ctx: Context, hold: Hold) -> Say:
    """Tell what accepting a held payout would do: send it, or take over what LNbits has paid."""
    payout = _held(tx, hold)
    if hold.reason in (CEILING_PAYOUT, CEILING_DAY):
        return Say(
            "payout.release_effect",
            payout=describe.payout_short(payout),
            reason=Word("reason", hold.reason),
            wallet=describe.destination(payout.destination),
        )
    if hold.reason != KNOWN_PAYOUT:
        raise refuse("payout.hold_unclear", id=hold.id)
    paid = _paid(tx, payout, ctx)
    if paid is None:
        return Say("payout.failed_effect", payout=describe.payout_short(payout))
    return Say("payout.take_over_effect", payout=describe.payout_short(payout))


def release_apply(tx: Tx, ctx: Context, hold: Hold) -> Done:
    """Send a held payout after all, or record it as paid."""
    payout = _held(tx, hold)
    paid = _paid(tx, payout, ctx) if hold.reason == KNOWN_PAYOUT else None
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    if paid is not None:
        payout_moves.take_over(tx, payout, paid, now=ctx.now)
        done = Say("payout.taken_over", payout=describe.payout_short(payout))
        return Done(done, done)
    payout_moves.move(
        tx, payout, PayoutState.PLANNED, approved=1, waiting="", tries=0, try_at=micros(ctx.now)
    )
    done = Say("payout.released", payout=describe.payout_short(payout))
    return Done(done, done)


PAYOUT_COMMANDS = (
    Command(("payouts",), (PAGE,), answer=list_answer),
    Command(("payouts", "stuck"), (PAGE,), answer=stuck_answer),
    Command(("payout", "retry"), (_ID,), plan=retry_plan, apply=retry_apply),
    Command(("payout", "cancel"), (_ID,), look=look_cancel, plan=cancel_plan, apply=cancel_apply),
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


def _paid(tx: Tx, payout: Payout, ctx: Context) -> Payment | None:
    """Return LNbits' one payment of a payout, or None if all its payments have failed for good."""
    known = foreign.of_payout(tx, payout.id)
    if not known:
        raise refuse("payout.nothing_known")
    if any(row.status is PaymentStatus.PENDING for row in known):
        raise refuse("payout.pending")
    if not any(row.status is PaymentStatus.SUCCESS for row in known):
        _refuse_if_failed_lately(known, ctx)
        return None
    paid = sole_payment(known, payout.amount_sat)
    if paid is None:
        raise refuse("payout.other_amount")
    if payout.destination is None:
        raise refuse("payout.no_destination", name=payout.client_name)
    return paid


def _refuse_if_paid(known: Iterable[Payment]) -> None:
    """Refuse to cancel what LNbits has paid, or may still pay."""
    states = {payment.status for payment in known}
    if PaymentStatus.PENDING in states:
        raise refuse("payout.pending")
    if PaymentStatus.SUCCESS in states:
        raise refuse("payout.paid_already")


def _refuse_if_failed_lately(known: Iterable[Payment], ctx: Context) -> None:
    if any(row.created_at > ctx.now - FAILED_FOR_GOOD for row in known):
        raise refuse("payout.failed_lately")

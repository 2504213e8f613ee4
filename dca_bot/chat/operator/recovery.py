"""What the operator can do about payments of LNbits that the ledger lacks: record them, or not."""

from dca_bot.chat.command import Context, Done
from dca_bot.chat.operator import sharing
from dca_bot.core.cash_out import Amounts
from dca_bot.ledger.distributions import distributions, recovery
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.programme import commission
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Fiat, Sat, Say, refuse

PAYMENTS_SHOWN_MAX = 12


def lost_plan(tx: Tx, ctx: Context, hold: Hold) -> Say:
    """Tell what would be recorded as LNbits has paid it."""
    if not recovery.is_recordable(tx, hold.ref):
        raise refuse("hold.lost_mixed", id=hold.id)
    recovery.payees_of(tx, hold.ref, now=ctx.now)
    return Say(
        "hold.lost_effect", distribution=describe.short(hold.ref), payments=payments(tx, hold.ref)
    )


def lost_apply(tx: Tx, ctx: Context, hold: Hold) -> Done:
    """Record a lost distribution; nothing is paid."""
    given = recovery.record(tx, hold.ref, now=ctx.now, message_id=ctx.message_id)
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    for share in given.shares:
        ctx.notices.note_low(tx, share.client_id, ctx.now)
    done = Say("hold.lost_recorded", id=hold.id, sats=Sat(given.principal_sat))
    return Done(done)


def is_paid_otherwise(tx: Tx, ctx: Context, held: RecordedCashOut, amounts: Amounts) -> bool:
    """Tell whether sharing a held cash-out out now would not give what LNbits has paid for it.

    That is so where deposits or clients were lost with the ledger; it counts where each payment can
    be recorded as it is.
    """
    paid = unknown_payments.paid_for(tx, held.id)
    if not paid or not recovery.is_recordable(tx, held.id):
        return False
    now = sharing.planned_shares(tx, ctx, amounts, held.at)
    return any(now.get(one.client_name.casefold()) != (one.minor, one.sat) for one in paid)


def refuse_while_paying(tx: Tx, ctx: Context, held: RecordedCashOut, amounts: Amounts) -> None:
    """Refuse while LNbits may still make a payment that sharing out now would not take over."""
    given = sharing.planned_shares(tx, ctx, amounts, held.at)
    paying = unknown_payments.still_paying(tx, held.id, now=ctx.now)
    is_other = any(not one.can_bring(given.get(one.client_name.casefold())) for one in paying)
    of_split = unknown_payments.still_paying(tx, commission.split_id(held.id), now=ctx.now)
    split = distributions.work_out_split(tx, held.id, amounts.commission_sat, now=ctx.now)
    if is_other or (of_split and split is None):
        raise refuse("hold.still_paying")


def as_paid_plan(tx: Tx, ctx: Context, held: RecordedCashOut, amounts: Amounts) -> Say:
    """Tell what would be recorded of a held cash-out as LNbits has paid it."""
    sharing.refuse_for_now(tx, ctx)
    paid = recovery.payees_of(tx, held.id, now=ctx.now)
    return Say(
        "hold.as_paid_effect",
        id=held.id[: describe.ID_LENGTH],
        machine=describe.short(held.machine),
        payments=payments(tx, held.id),
        unallocated=Sat(amounts.principal_sat - sum(one.sat for _, one in paid)),
        split=sharing.planned_split(tx, ctx, held.id, amounts.commission_sat),
    )


def as_paid_apply(tx: Tx, ctx: Context, held: RecordedCashOut, amounts: Amounts) -> Done:
    """Record a held cash-out as LNbits has paid it; nothing of it is paid again."""
    given = recovery.record_cash_out(
        tx, held.id, amounts, at=held.at, now=ctx.now, message_id=ctx.message_id
    )
    for share in given.shares:
        ctx.notices.note_low(tx, share.client_id, ctx.now)
    done = Say(
        "hold.as_paid", id=held.id[: describe.ID_LENGTH], sats=Sat(sum(s.sat for s in given.shares))
    )
    return Done(done)


def settle_by_hand(tx: Tx, ctx: Context, hold: Hold) -> None:
    """Note that what LNbits has paid for a held distribution is the operator's to settle."""
    unknown_payments.settle_distribution(tx, hold.ref, now=ctx.now)


def payments(tx: Tx, distribution_id: str) -> tuple[Say, ...]:
    """List what LNbits has paid to whom."""
    rows = unknown_payments.paid_for(tx, distribution_id)
    lines = [
        Say("tx.planned_share", name=row.client_name, fiat=Fiat(row.minor), sats=Sat(row.sat))
        for row in rows[:PAYMENTS_SHOWN_MAX]
    ]
    left = len(rows) - PAYMENTS_SHOWN_MAX
    return (*lines, Say("tx.more_shares", n=left)) if left > 0 else tuple(lines)

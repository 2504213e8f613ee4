"""The hold on a cash-out that is not shared out yet: share out all or a part, or nothing for good.

A restored ledger may lack shares of the cash-out that LNbits has paid. Accepting takes the payments over; if
sharing out now would give other amounts, accepting records the payments as the shares.

The invariant: no share is paid twice, and nothing is shared out while LNbits may still pay a share.
"""

from dca_bot.chat.command import Context, Done
from dca_bot.chat.operator import sharing
from dca_bot.chat.operator.holds.actions import Action, HoldActions, Ruling
from dca_bot.chat.operator.holds.recovery import paid_lines
from dca_bot.core.cash_out import Amounts
from dca_bot.core.money import sat_floor
from dca_bot.core.names import short_id
from dca_bot.core.ports import PaymentStatus
from dca_bot.core.sale_amounts import scale
from dca_bot.errors import DcaBotError
from dca_bot.ledger.distributions import cash_outs, flow_mode, imports, recovery
from dca_bot.ledger.distributions.cash_outs import HELD, RecordedCashOut
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.programme import commission
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Sat, Say, refuse


def _accept_plan(tx: Tx, ctx: Context, ruling: Ruling) -> Say:
    """Tell the shares that accepting would give now."""
    cash_out, amounts = _read_held(tx, ruling)
    _refuse_while_paying(tx, ctx, cash_out, amounts)
    if _is_paid_otherwise(tx, ctx, cash_out, amounts):
        return _as_paid_plan(tx, ctx, cash_out, amounts)
    known = unknown_payments.of_cash_out(tx, cash_out.id)
    paid = [row for row in known if row.status is PaymentStatus.SUCCESS]
    paid_sat = sat_floor(sum(-row.amount_msat for row in paid))
    return Say(
        "hold.accept_effect",
        id=short_id(cash_out.id),
        machine=describe.short(cash_out.machine),
        **sharing.planned(tx, ctx, cash_out.id, amounts, cash_out.at),
        warning=Say("hold.known_warning", sats=Sat(paid_sat)) if known else NOTHING,
    )


def _accept_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    """Share the cash-out out, or record the shares that LNbits has already paid."""
    cash_out, amounts = _read_held(tx, ruling)
    _refuse_while_paying(tx, ctx, cash_out, amounts)
    if _is_paid_otherwise(tx, ctx, cash_out, amounts):
        return _as_paid_apply(tx, ctx, cash_out, amounts)
    return sharing.share_out(tx, ctx, cash_out.id, amounts, cash_out.at)


def _ignore_plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    return Say("hold.ignore_effect", hold=describe.held(tx, ruling.hold))


def _ignore_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    """Give the cash-out to nobody, for good; payments of LNbits are the operator's to settle."""
    cash_outs.ignore(tx, ruling.hold.ref, now=ctx.now)
    unknown_payments.settle_distribution(tx, ruling.hold.ref, now=ctx.now)
    return Done(Say("hold.ignored", id=ruling.hold.id))


CASH_OUT_ACTIONS = HoldActions(
    accept=Action(plan=_accept_plan, apply=_accept_apply),
    ignore=Action(plan=_ignore_plan, apply=_ignore_apply),
    takes_part=True,
)


def _read_held(tx: Tx, ruling: Ruling) -> tuple[RecordedCashOut, Amounts]:
    """Return the held cash-out and the amounts to share out: all, or the typed part."""
    cash_out = cash_outs.by_id(tx, ruling.hold.ref)
    if cash_out is None or cash_out.state != HELD:
        raise refuse("hold.not_held", id=ruling.hold.id)
    if imports.past(tx, [cash_out.id]).processed:
        raise refuse("hold.elsewhere", id=ruling.hold.id)
    if cash_out.amounts is None:
        raise refuse("hold.no_amounts", id=ruling.hold.id)
    if ruling.part_minor is None:
        return cash_out, cash_out.amounts
    try:
        return cash_out, scale(cash_out.amounts, ruling.part_minor)
    except DcaBotError:
        whole = Fiat(cash_out.amounts.principal_minor)
        raise refuse("hold.fiat_too_much", fiat=whole) from None


def _is_paid_otherwise(tx: Tx, ctx: Context, cash_out: RecordedCashOut, amounts: Amounts) -> bool:
    """Tell whether sharing out now would give other amounts than LNbits has paid for the cash-out.

    Amounts differ if the restored ledger lacks deposits or clients. False also if the ledger cannot record
    each of LNbits' payments.
    """
    paid = unknown_payments.paid_for(tx, cash_out.id)
    if not paid or not recovery.is_recordable(tx, cash_out.id):
        return False
    now = sharing.planned_shares(tx, ctx, amounts, cash_out.at)
    return any(now.get(row.client_name.casefold()) != (row.minor, row.sat) for row in paid)


def _refuse_while_paying(tx: Tx, ctx: Context, cash_out: RecordedCashOut, amounts: Amounts) -> None:
    """Refuse while LNbits may still make a payment that sharing out now would not take over."""
    paying = unknown_payments.still_paying(tx, cash_out.id, now=ctx.now)
    given = sharing.planned_shares(tx, ctx, amounts, cash_out.at) if paying else {}
    is_other = any(not row.can_pay(given.get(row.client_name.casefold())) for row in paying)
    of_split = unknown_payments.still_paying(tx, commission.split_id(cash_out.id), now=ctx.now)
    split = flow_mode.work_out_split(tx, cash_out.id, amounts.commission_sat, now=ctx.now)
    if is_other or (of_split and split is None):
        raise refuse("hold.still_paying")


def _as_paid_plan(tx: Tx, ctx: Context, cash_out: RecordedCashOut, amounts: Amounts) -> Say:
    """Tell which payments of LNbits would be recorded as the shares of the cash-out."""
    sharing.refuse_for_now(tx, ctx)
    paid = recovery.payees_of(tx, cash_out.id, now=ctx.now)
    return Say(
        "hold.as_paid_effect",
        id=short_id(cash_out.id),
        machine=describe.short(cash_out.machine),
        payments=paid_lines(tx, cash_out.id),
        unallocated=Sat(amounts.principal_sat - sum(row.sat for _, row in paid)),
        split=sharing.planned_split(tx, ctx, cash_out.id, amounts.commission_sat),
    )


def _as_paid_apply(tx: Tx, ctx: Context, cash_out: RecordedCashOut, amounts: Amounts) -> Done:
    """Record the payments of LNbits as the shares of the cash-out; no share is paid again."""
    given = recovery.record_cash_out(
        tx, cash_out.id, amounts, at=cash_out.at, now=ctx.now, message_id=ctx.message_id
    )
    ctx.notices.clients.note_low(tx, given.client_ids, ctx.now)
    sats = Sat(sum(share.sat for share in given.shares))
    return Done(Say("hold.as_paid", id=short_id(cash_out.id), sats=sats))

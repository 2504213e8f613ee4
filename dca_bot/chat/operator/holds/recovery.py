"""The hold on a distribution that LNbits paid and a restored ledger lacks: record the payments, or not.

The invariant: nothing is paid.
"""

from dca_bot.chat.command import Context, Done
from dca_bot.chat.operator.holds.actions import Action, HoldActions, Ruling
from dca_bot.ledger.distributions import recovery
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Fiat, Sat, Say, refuse

_PAYMENTS_SHOWN_MAX = 12


def paid_lines(tx: Tx, distribution_id: str) -> tuple[Say, ...]:
    """List the payees and amounts of LNbits' payments for a distribution."""
    rows = unknown_payments.paid_for(tx, distribution_id)
    lines = [
        Say("tx.planned_share", name=row.client_name, fiat=Fiat(row.minor), sats=Sat(row.sat))
        for row in rows[:_PAYMENTS_SHOWN_MAX]
    ]
    left = len(rows) - _PAYMENTS_SHOWN_MAX
    return (*lines, Say("tx.more_shares", n=left)) if left > 0 else tuple(lines)


def _accept_plan(tx: Tx, ctx: Context, ruling: Ruling) -> Say:
    """Tell which payments of LNbits would be recorded as the distribution's shares."""
    distribution_id = ruling.hold.ref
    if not recovery.is_recordable(tx, distribution_id):
        raise refuse("hold.lost_mixed", id=ruling.hold.id)
    recovery.payees_of(tx, distribution_id, now=ctx.now)
    return Say(
        "hold.lost_effect",
        distribution=describe.short(distribution_id),
        payments=paid_lines(tx, distribution_id),
    )


def _accept_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    """Record LNbits' payments as the distribution's shares."""
    given = recovery.record(tx, ruling.hold.ref, now=ctx.now, message_id=ctx.message_id)
    ctx.notices.clients.note_low(tx, given.client_ids, ctx.now)
    return Done(Say("hold.lost_recorded", id=ruling.hold.id, sats=Sat(given.principal_sat)))


def _ignore_plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    return Say("hold.lost_ignore_effect", hold=describe.held(tx, ruling.hold))


def _ignore_apply(tx: Tx, ctx: Context, ruling: Ruling) -> Done:
    """Leave the payments out of the ledger; the operator settles with the payees."""
    unknown_payments.settle_distribution(tx, ruling.hold.ref, now=ctx.now)
    return Done(Say("hold.seen_done", id=ruling.hold.id))


RECOVERY_ACTIONS = HoldActions(
    accept=Action(plan=_accept_plan, apply=_accept_apply),
    ignore=Action(plan=_ignore_plan, apply=_ignore_apply),
)

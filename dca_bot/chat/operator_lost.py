"""What the operator can do about payments of LNbits that the ledger lacks: record them, or not."""

from dca_bot.chat import describe
from dca_bot.chat.command import Context, Done
from dca_bot.chat.say import Fiat, Sat, Say, refuse
from dca_bot.ledger import foreign, holds, lost
from dca_bot.ledger.database import Tx
from dca_bot.ledger.holds import Hold

PAYMENTS_SHOWN_MAX = 12


def lost_plan(tx: Tx, hold: Hold) -> Say:
    """Tell what would be recorded as LNbits has paid it."""
    if not lost.is_recordable(tx, hold.ref):
        raise refuse("hold.lost_mixed", id=hold.id)
    lost.payees_of(tx, hold.ref)
    return Say(
        "hold.lost_effect", distribution=describe.short(hold.ref), payments=payments(tx, hold.ref)
    )


def lost_apply(tx: Tx, ctx: Context, hold: Hold) -> Done:
    """Record a lost distribution; nothing is paid."""
    given = lost.record(tx, hold.ref, now=ctx.now, message_id=ctx.message_id)
    holds.close(tx, hold.kind, hold.ref, outcome="accepted", now=ctx.now)
    for share in given.shares:
        ctx.herald.note_low(tx, share.client_id, ctx.now)
    done = Say("hold.lost_recorded", id=hold.id, sats=Sat(given.principal_sat))
    return Done(done, done)


def settle_by_hand(tx: Tx, ctx: Context, hold: Hold) -> None:
    """Note that what LNbits has paid for a held distribution is the operator's to settle."""
    foreign.settle_distribution(tx, hold.ref, now=ctx.now)


def payments(tx: Tx, distribution_id: str) -> tuple[Say, ...]:
    """List what LNbits has paid to whom."""
    rows = lost.payments_of(tx, distribution_id)
    lines = [
        Say("tx.planned_share", name=row.client_name, fiat=Fiat(row.minor), sats=Sat(row.sat))
        for row in rows[:PAYMENTS_SHOWN_MAX]
    ]
    left = len(rows) - PAYMENTS_SHOWN_MAX
    return (*lines, Say("tx.more_shares", n=left)) if left > 0 else tuple(lines)

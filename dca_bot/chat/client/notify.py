"""How often a client is told of payouts: `notify`.

The invariant: a change neither loses nor repeats a payout. What waited for a digest is told in the
answer, or never with `off`.
"""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import choice
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import payout_notices
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Say, Times, refuse

_HOW = {
    payout_notices.EACH: "notify.each",
    payout_notices.DAILY: "notify.daily",
    payout_notices.WEEKLY: "notify.weekly",
    payout_notices.OFF: "notify.off",
}


def notify_how(notify: str, programme: Programme) -> Say:
    """Say how often, and when, a client is told of payouts."""
    return Say(_HOW[notify], time=Times((programme.digest_time,)))


def notify_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Change how often the client is told of payouts, or tell how often it is."""
    notify = args.text(_WHICH.name)
    if not notify:
        return Say("notify.shown", how=notify_how(ctx.me.notify, ctx.programme))
    how = notify_how(notify, ctx.programme)
    if notify == ctx.me.notify:
        return Say("notify.already", how=how)
    told = NOTHING
    waited = None if notify == payout_notices.OFF else payout_notices.take(tx, ctx.me.id)
    if waited is not None:
        told = Say("notify.waited", arrived=describe.arrived(waited, ctx.me))
    payout_notices.set_wish(tx, ctx.me, notify)
    return Say("notify.done", how=how, waited=told)


_WHICH = choice(*_HOW, wrong=lambda: refuse("notify.unknown"))
NOTIFY = Command(("notify",), (_WHICH,), answer=notify_answer)

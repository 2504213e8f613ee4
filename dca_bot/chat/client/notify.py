"""`notify`: how often a client is told of payouts.

The invariant: a change neither loses nor repeats a payout. The answer tells the payouts that waited for a
digest; with `off` these payouts are never told.
"""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import choice
from dca_bot.core.clients import Notify
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import payout_notices
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Say, Times, refuse

_HOW = {
    Notify.EACH: "notify.each",
    Notify.DAILY: "notify.daily",
    Notify.WEEKLY: "notify.weekly",
    Notify.OFF: "notify.off",
}


def notify_how(notify: Notify, programme: Programme) -> Say:
    """Say how often, and when, a client is told of payouts."""
    return Say(_HOW[notify], time=Times((programme.digest_time,)))


def _notify_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set how often the client is told of payouts; without an argument tell how often."""
    wanted = args.text(NOTIFY_CHOICE.name)
    if not wanted:
        return Say("notify.shown", how=notify_how(ctx.me.notify, ctx.programme))
    notify = Notify(wanted)
    how = notify_how(notify, ctx.programme)
    if notify is ctx.me.notify:
        return Say("notify.already", how=how)
    told = NOTHING
    waited = None if notify is Notify.OFF else payout_notices.take(tx, ctx.me.id)
    if waited is not None:
        told = Say("notify.waited", arrived=describe.arrived(waited, ctx.me))
    payout_notices.set_wish(tx, ctx.me, notify)
    return Say("notify.done", how=how, waited=told)


NOTIFY_CHOICE = choice(*_HOW, wrong=lambda: refuse("notify.unknown"))
NOTIFY = Command(("notify",), (NOTIFY_CHOICE,), answer=_notify_answer)

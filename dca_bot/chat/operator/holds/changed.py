"""The hold on a cash-out that Lamassu changed after the cash-out was shared out: an operator takes note.

The invariant: no share is altered.
"""

from dca_bot.chat.command import Context, Done
from dca_bot.chat.operator.holds.actions import Action, HoldActions, Ruling
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say


def _plan(tx: Tx, _ctx: Context, ruling: Ruling) -> Say:
    return Say("hold.seen_effect", hold=describe.held(tx, ruling.hold))


def _apply(_tx: Tx, _ctx: Context, ruling: Ruling) -> Done:
    return Done(Say("hold.seen_done", id=ruling.hold.id))


_SEEN = Action(plan=_plan, apply=_apply)
CHANGED_ACTIONS = HoldActions(accept=_SEEN, ignore=_SEEN)

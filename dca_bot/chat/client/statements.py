"""`statements`: whether a client gets the monthly statement."""

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import choice
from dca_bot.core.periods import month_due
from dca_bot.ledger.correspondence import statements
from dca_bot.ledger.correspondence.statements import MONTHLY, OFF
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Typed, refuse

_ON = "on"


def statements_how(wish: str) -> Say:
    """Say whether a client gets statements."""
    return Say("statement.on" if wish == MONTHLY else "statement.off")


def _statements_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set whether the client gets statements; without an argument tell whether.

    The first statement is that of the running month, and the last months can be asked for.
    """
    wanted = args.text(_WHICH.name)
    wish = MONTHLY if wanted == _ON else OFF
    month = month_due(ctx.now, ctx.programme.digest_time, ctx.programme.timezone).month
    if not wanted or wish == ctx.me.statements:
        how, past = statements_how(ctx.me.statements), Typed(f"history {month}")
        return Say("statement.shown", how=how, month=past)
    statements.set_wish(tx, ctx.me.id, wish, month=month)
    return Say("statement.done", how=statements_how(wish))


_WHICH = choice(_ON, OFF, wrong=lambda: refuse("statement.unknown"))
STATEMENTS = Command(("statements",), (_WHICH,), answer=_statements_answer)

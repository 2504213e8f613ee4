"""Asks for the code of an effect, and finds the code that was given.

The invariant: a code is bound to its command and to the very words of the effect. Where the words have
changed, the sender gets a new code.
"""

from dca_bot.chat import open_codes
from dca_bot.chat.batches import Batch
from dca_bot.chat.command import Context
from dca_bot.chat.parsing import Invocation
from dca_bot.ledger.correspondence import confirmations
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.ledger.store.clock import CODE_LIFE
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Code, Say, refuse


def reader_of(ctx: Context) -> str:
    """Return the language in which the sender reads an effect."""
    return ctx.client.language if ctx.client else ctx.programme.language


def given(tx: Tx, ctx: Context, one: Invocation | Batch) -> Confirmation | None:
    """Return the open code by which a command is given again; None for a command that is given first.

    Raise CommandRefused for a code that is not open any more.
    """
    if one.code is None:
        return None
    good = confirmations.find(tx, ctx.sender, one.code.code, now=ctx.now)
    if good is None or good.command != one.code.command:
        raise refuse("confirm.unknown")
    return good


def ask(tx: Tx, ctx: Context, one: Invocation | Batch, *, effect: Say, words: str) -> Say:
    """Issue a code for an effect, and return the question; `words`: the effect's, whole."""
    code = confirmations.issue(
        tx,
        ctx.sender,
        command=one.line,
        effect=words,
        now=ctx.now,
        random=ctx.services.random,
    )
    if one.replaces is not None:
        confirmations.drop(tx, one.replaces)
    others = open_codes.waiting(tx, ctx.sender, ctx.now, but=code)
    more = NOTHING if others == NOTHING else Say("confirm.others", codes=others)
    typed = Code(code, ctx.now + CODE_LIFE)
    asked = Say("confirm.asked", effect=effect, code=typed, open=more)
    if one.replaces is not None:
        return Say("confirm.instead", again=asked, old=one.replaces.code)
    return asked if one.code is None else Say("confirm.effect_changed", again=asked)

"""The commands that everybody has: help, confirm and cancel."""

from dca_bot.chat.command import Args, Command, Context, Facts, Param, read_word
from dca_bot.chat.say import Say
from dca_bot.ledger import confirmations
from dca_bot.ledger.database import Tx

HELP_DETAILS_MAX = 12


def help_answer(_tx: Tx, ctx: Context, args: Args, _facts: Facts) -> Say:
    """List the commands of this person's table, or explain those that begin with these words."""
    wanted = args.text("COMMAND").lower().removeprefix("/").split()
    if not wanted:
        lines = tuple(_summary(command) for command in ctx.table)
        return Say("help.all", lines=lines)
    found = [c for c in ctx.table if list(c.words[: len(wanted)]) == wanted]
    if not found:
        return Say("unknown.nothing")
    return Say("lines", lines=tuple(_details(command) for command in found[:HELP_DETAILS_MAX]))


def cancel_answer(tx: Tx, ctx: Context, _args: Args, _facts: Facts) -> Say:
    """Void this person's open codes."""
    if confirmations.withdraw(tx, ctx.sender):
        return Say("cancel.done")
    return Say("cancel.nothing")


HELP = Command(
    ("help",),
    (Param("COMMAND", read_word, optional=True, rest=True),),
    answer=help_answer,
)
CONFIRM = Command(("confirm",), (Param("CODE", read_word),))
"""Carried out by the conversation itself."""
CANCEL = Command(("cancel",), answer=cancel_answer)
GENERAL_COMMANDS = (HELP, CONFIRM, CANCEL)


def _summary(command: Command) -> Say:
    return Say("help.line", usage=command.usage, summary=Say(f"{command.key}.summary"))


def _details(command: Command) -> Say:
    return Say(
        "help.details",
        usage=command.usage,
        summary=Say(f"{command.key}.summary"),
        example=Say(f"{command.key}.example"),
    )

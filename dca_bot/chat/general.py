"""The commands that everybody has: help, confirm and cancel."""

from collections.abc import Sequence
from typing import Any

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, read_word
from dca_bot.chat.parsing import is_of_client, spell_out
from dca_bot.ledger.correspondence import confirmations
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Typed

_HELP_DETAILS_MAX = 12


def _help_answer(_tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the commands, in groups if the table has groups; or explain the commands that begin with words."""
    wanted = spell_out(args.text("COMMAND"), ctx.command_set).lower().split()
    if not wanted and ctx.command_set.groups:
        return Say("help.all", lines=tuple(_group(*one) for one in ctx.command_set.groups.items()))
    if not wanted:
        return Say("help.all", lines=tuple(_summary(command) for command in ctx.command_set.table))
    found = [c for c in ctx.command_set.table if list(c.words[: len(wanted)]) == wanted]
    if not found:
        is_theirs = is_of_client(wanted, ctx.command_set)
        return Say("unknown.of_client" if is_theirs else "unknown.nothing")
    return Say("lines", lines=tuple(_details(command) for command in found[:_HELP_DETAILS_MAX]))


def _cancel_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Void the sender's open codes."""
    if confirmations.withdraw(tx, ctx.sender):
        return Say("cancel.done")
    return Say("cancel.nothing")


_HELP = Command(
    ("help",),
    (Param("COMMAND", read_word, optional=True, rest=True),),
    answer=_help_answer,
)
CONFIRM: Command[None] = Command(("confirm",), (Param("CODE", read_word),))
"""The conversation itself carries out this command."""
_CANCEL = Command(("cancel",), answer=_cancel_answer)
GENERAL_COMMANDS = (_HELP, CONFIRM, _CANCEL)


def _group(heading: str, commands: Sequence[Command[Any]]) -> Say:
    """Say the names of a group's commands, joined by their first word: `client (add, close)`."""
    by_word: dict[str, list[str]] = {}
    for command in commands:
        by_word.setdefault(command.words[0], []).append(" ".join(command.words[1:]))
    names = (_names(word, more) for word, more in by_word.items())
    return Say("help.group", heading=Say(heading), names=", ".join(names))


def _names(word: str, more: Sequence[str]) -> str:
    if len(more) == 1:
        return f"{word} {more[0]}".strip()
    return f"{word} ({', '.join(filter(None, more))})"


def _summary(command: Command[Any]) -> Say:
    return Say("help.line", usage=Typed(command.usage), summary=Say(f"{command.key}.summary"))


def _details(command: Command[Any]) -> Say:
    return Say(
        "help.details",
        usage=Typed(command.usage),
        summary=Say(f"{command.key}.summary"),
        example=Say(f"{command.key}.example"),
    )

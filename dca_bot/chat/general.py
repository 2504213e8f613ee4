"""The commands that everybody has: help, confirm and cancel."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from dca_bot.chat import open_codes
from dca_bot.chat.command import Args, Command, CommandSet, Context
from dca_bot.chat.params import ALL, Param, read_word
from dca_bot.chat.parsing import bare, is_of_client
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Typed

_HELP_DETAILS_MAX = 12
_LIKENESS_MIN = 0.6
_CLIENT_HELP = {
    "help.savings": ("balance", "when", "history", "stats"),
    "help.cash": ("deposits", "withdraw AMOUNT"),
    "help.buying": ("mode", "limit", "pause", "resume"),
    "help.price": ("price", "chart"),
    "help.wallet": ("wallet",),
    "help.notices": ("notify", "language"),
    "help.person": ("contact TEXT",),
}
_OPERATOR_HELP = {
    "help.now": ("status", "holds", "today", "month"),
    "help.clients": ("clients", "client NAME", "client add"),
    "help.deposits": ("deposit", "deposit confirm"),
    "help.machines": ("cash", "txs"),
    "help.sats": ("payouts", "funds", "topup"),
    "help.people": ("message", "reply"),
    "help.brake": ("pause all", "resume all"),
}
"""The commands of `help`, by what people want; a command that the role's table lacks is left out."""


def _help_answer(_tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the usual commands, all commands, or what the commands that begin with some words do."""
    wanted = bare(args.text("COMMAND")).lower().split()
    if not wanted:
        usual = _CLIENT_HELP if ctx.client else _OPERATOR_HELP
        more = Say("help.more" if ctx.client else "help.more_operator")
        return Say("lines", lines=(*_usual(usual, ctx.command_set), more))
    if wanted == [ALL] and ctx.command_set.groups:
        return Say("help.all", lines=tuple(_group(*one) for one in ctx.command_set.groups.items()))
    if wanted == [ALL]:
        return Say("help.all", lines=tuple(summary(command) for command in ctx.command_set.table))
    found = [c for c in ctx.command_set.table if list(c.words[: len(wanted)]) == wanted]
    if not found and is_of_client(wanted, ctx.command_set):
        return Say("unknown.of_client")
    if not found:
        return _nearest(" ".join(wanted), ctx.command_set)
    return Say("lines", lines=tuple(_details(command) for command in found[:_HELP_DETAILS_MAX]))


def _cancel_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Void the sender's open codes, end the bot's question, and name both."""
    return open_codes.drop_all(tx, ctx.sender, ctx.now)


_HELP = Command(
    ("help",),
    (Param("COMMAND", read_word, optional=True, rest=True),),
    answer=_help_answer,
)
CONFIRM: Command[None] = Command(("confirm",), (Param("CODE", read_word),))
"""The conversation itself carries out this command."""
_CANCEL = Command(("cancel",), answer=_cancel_answer)
GENERAL_COMMANDS = (_HELP, CONFIRM, _CANCEL)


def summary(command: Command[Any]) -> Say:
    """Say how a command is written, and what the command does, on a line."""
    return Say("help.line", usage=Typed(command.usage), summary=Say(f"{command.key}.summary"))


def _usual(groups: Mapping[str, Sequence[str]], command_set: CommandSet) -> list[Say]:
    names = {command.name for command in command_set.table}
    found = {
        heading: [line for line in lines if _without_arguments(line) in names]
        for heading, lines in groups.items()
    }
    return [
        Say("help.group", heading=Say(heading), names=Typed(*lines))
        for heading, lines in found.items()
        if lines
    ]


def _without_arguments(line: str) -> str:
    return " ".join(word for word in line.split() if word.islower())


def _group(heading: str, commands: Sequence[Command[Any]]) -> Say:
    """Say the names of a group's commands, joined by their first word: `client (add, close)`."""
    names = Typed(*(command.name for command in commands), is_joined=True)
    return Say("help.group", heading=Say(heading), names=names)


def _nearest(wanted: str, command_set: CommandSet) -> Say:
    """Name the command that is spelled most like an unknown one."""
    names = [command.name for command in command_set.table]
    nearest = difflib.get_close_matches(wanted[:40], names, n=1, cutoff=_LIKENESS_MIN)
    if not nearest:
        return Say("unknown.nothing")
    return Say("help.nearest", usage=Typed(f"help {nearest[0]}"))


def _details(command: Command[Any]) -> Say:
    return Say(
        "help.details",
        usage=Typed(command.usage),
        summary=Say(f"{command.key}.summary"),
        example=Say(f"{command.key}.example"),
    )

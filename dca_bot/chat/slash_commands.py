"""The clients' commands in the form for apps that complete commands, made from the command table.

Operators' commands are left out: everybody can read published commands.
"""

from collections.abc import Sequence
from typing import Any

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import Command
from dca_bot.chat.params import PAGE, Param
from dca_bot.core.slash_commands import ArgumentKind, SlashArgument, SlashCommand
from dca_bot.messages.render import Texts
from dca_bot.messages.say import Say


def slash_commands(texts: Texts, language: str) -> tuple[SlashCommand, ...]:
    """Return the clients' commands, described in a language."""
    by_word: dict[str, list[Command[Any]]] = {}
    for command in CLIENT_COMMANDS:
        by_word.setdefault(command.words[0], []).append(command)
    return tuple(
        SlashCommand(
            word,
            texts.render(Say(f"{commands[0].key}.summary"), language),
            _arguments(commands),
        )
        for word, commands in by_word.items()
    )


def _arguments(commands: Sequence[Command[Any]]) -> tuple[SlashArgument, ...]:
    """Return a command's arguments: a single text for a word that begins several commands."""
    command, *others = commands
    if not others and len(command.words) == 1:
        return tuple(map(_argument, command.params))
    endings = [" ".join(one.usage.split()[1:]) for one in commands]
    label = " / ".join(ending for ending in endings if ending)
    is_needed = all(endings)
    return (SlashArgument(ArgumentKind.TEXT, label, is_needed),)


def _argument(param: Param) -> SlashArgument:
    if param.choices:
        kind = ArgumentKind.CHOICE
    elif param is PAGE:
        kind = ArgumentKind.NUMBER
    else:
        kind = ArgumentKind.TEXT if param.rest or param.verbatim else ArgumentKind.WORD
    return SlashArgument(kind, param.name, not param.optional, param.choices)

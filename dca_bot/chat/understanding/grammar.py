"""The commands that plain words can become, read by the parser of the chat.

Commands that come with later work stand here as rows without handlers; each row goes when the command's own
row is in the table of its role.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.client.fixed import PERIOD
from dca_bot.chat.command import Command, CommandSet
from dca_bot.chat.operator.client_views import VIEW
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.chat.params import (
    PAGE,
    Param,
    choice,
    read_fiat,
    read_fiat_or_off,
    read_fiat_or_zero,
    read_name,
    read_percent,
    read_word,
)
from dca_bot.chat.parsing import parse
from dca_bot.chat.understanding.intents import Effect, intent_of
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.messages.say import CommandRefused, refuse

_PERCENT_DIGITS = 2
_DECIMAL = (read_fiat, read_fiat_or_off, read_fiat_or_zero, read_percent)
_CODE = re.compile("(?i)[2-9A-HJ-NP-Z]{4}")
_IDS = re.compile(r"#?[0-9]{1,9}(?:[,-]#?[0-9]{1,9})*|all")
_MONTH = re.compile(r"[0-9]{4}(?:-[0-9]{2})?")
_PAGE = re.compile(r"[0-9]{1,4}")


def is_code(text: str) -> bool:
    """Tell whether a text has the form of a confirmation code."""
    return _CODE.fullmatch(text) is not None


def _matching(wrong: str, pattern: re.Pattern[str], *words: str) -> Callable[[str, str], str | int]:
    def read(text: str, _currency: str) -> str:
        if text.lower() not in words and not pattern.fullmatch(text.lower()):
            raise refuse(wrong)
        return text.lower()

    return read


def _read_code(text: str, _currency: str) -> str:
    if not is_code(text):
        raise refuse("confirm.unknown")
    return text.upper()


_NAME = Param("NAME", read_name)
_FILTER = Param("FILTER", read_word, optional=True)
_MAY_HAVE_TEXT = Param("TEXT", read_word, optional=True, verbatim=True)
_READ_IDS = _matching("wrong.number", _IDS)
_IDS_PARAM = Param("ID", _READ_IDS)
_LANGUAGE = choice(*LEXICONS, wrong=lambda: refuse("language.unknown", languages=()))
_LISTS = {"RANGE": "range", PERIOD.name: "period", VIEW.name: "view"}
"""Lists of the lexicons for parameters; other choices have the list that is named by the command."""
MONTHS = "month"
"""The lexicons' list of months."""
_MORE_LISTS = {
    ("message", "NAME"): ("readers",),
    ("history", "PAGE"): (MONTHS,),
    ("export", "RANGE"): (MONTHS,),
    ("month", "MONTH"): (MONTHS,),
    ("earnings", "RANGE"): (MONTHS, "span"),
    ("txs", _FILTER.name): (MONTHS, "span"),
}
"""Further lists of a parameter's values, where other texts may be arguments too."""
_CONFIRM: Command[None] = Command(("confirm",), (Param("CODE", _read_code),))

_PLANNED_CLIENT: tuple[Command[Any], ...] = (_CONFIRM,)
_PLANNED_OPERATOR: tuple[Command[Any], ...] = (
    _CONFIRM,
    Command(("language",), (_LANGUAGE,)),
    # The chat takes a machine's name of several words too, which would swallow plain words here.
    Command(("txs",), (_FILTER, PAGE)),
    # The chat takes the beginning of any id too, which would swallow plain words here.
    Command(("hold", "accept"), (_IDS_PARAM, Param("FIAT", read_fiat, optional=True))),
    Command(("hold", "ignore"), (_IDS_PARAM,)),
    Command(("broadcast",), (_MAY_HAVE_TEXT,)),
)


@dataclass(frozen=True, slots=True)
class Exact:
    """A command's name, with each argument as a text or a number."""

    name: str
    arguments: dict[str, str | int]


@cache
def grammar(role: str) -> CommandSet:
    """Return the commands of a role, with the commands of later work."""
    if role == "client":
        return CommandSet(_with(CLIENT_COMMANDS, _PLANNED_CLIENT))
    return CommandSet(_with(OPERATOR_COMMANDS, _PLANNED_OPERATOR), of_clients=CLIENT_COMMANDS)


def row_of(role: str, name: str) -> Command[Any] | None:
    """Return the row of a command; None for a name without a row, as `thanks`."""
    return _rows(role).get(name)


def read_command(role: str, name: str, words: Sequence[str], currency: str) -> Exact:
    """Read a command with arguments; raise CommandRefused for arguments that don't fit the command."""
    read = parse(" ".join([name, *words]), grammar(role), currency)
    digits = minor_digits(currency)
    arguments: dict[str, str | int] = {}
    for param in read.command.params:
        if param.name not in read.args.values:
            continue
        value = read.args.values[param.name]
        decimals = _PERCENT_DIGITS if param.read is read_percent else digits
        is_decimal = param.read in _DECIMAL and isinstance(value, int)
        key = _key(read.command, param)
        arguments[key] = plain_decimal(int(value), decimals) if is_decimal else value
    return Exact(read.command.name, arguments)


def written(role: str, name: str, arguments: Mapping[str, str | int]) -> str:
    """Return a command as the parser reads commands: the inverse of `read_command`.

    >>> written("operator", "deposit", {"name": "ana", "amount": "1500.00"})
    'deposit ana 1500.00'
    """
    row = row_of(role, name)
    keys = [_key(row, param) for param in row.params] if row is not None else []
    return " ".join([name, *(str(arguments[key]) for key in keys if key in arguments)])


def runs_at_once(read: Exact, role: str, currency: str) -> bool:
    """Tell whether a command of Effect.CODED needs no code with these arguments: `withdraw 0`."""
    if intent_of(role, read.name).effect is not Effect.CODED or not read.arguments:
        return False
    try:
        found = parse(written(role, read.name, read.arguments), grammar(role), currency)
    except CommandRefused:
        return False
    return found.command.answer is not None and not found.command.needs_code(found.args)


@cache
def command_names(role: str) -> Mapping[str, str]:
    """Return a table of phrases: the names of a role's commands."""
    return {name: name for name in _rows(role)}


def list_of_choice(name: str, param: Param) -> str:
    """Return the lexicon's list of a parameter's values; empty for a parameter without a list."""
    listed = _LISTS.get(param.name, "")
    return listed or (name.rpartition(" ")[2] if param.choices else "")


def lists_of_words(name: str, param: Param) -> tuple[str, ...]:
    """Return the lists of a parameter's values, also where other texts are arguments too."""
    listed = "filter" if param.name == _FILTER.name else list_of_choice(name, param)
    more = _MORE_LISTS.get((name, param.name), ())
    return (listed, *more) if listed else more


def reason(refused: CommandRefused) -> str:
    """Return the key of the text that says why an argument was refused; empty for a wrong usage."""
    why = refused.say.fields.get("why")
    return getattr(why, "key", "")


def _key(command: Command[Any], param: Param) -> str:
    """Return the key of an argument: the lexicon's list of the values, else the parameter's name."""
    return list_of_choice(command.name, param) or param.name.lower().replace(" ", "_")


@cache
def _rows(role: str) -> Mapping[str, Command[Any]]:
    return {command.name: command for command in grammar(role).table}


def _with(
    present: Sequence[Command[Any]], planned: Sequence[Command[Any]]
) -> tuple[Command[Any], ...]:
    replaced = {command.words for command in planned}
    return (*(command for command in present if command.words not in replaced), *planned)

"""Reads a message: which command of a command set, with which arguments; all functions are pure.

A refusal never repeats the message's words, because the words may hold a key.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dca_bot.chat.amounts import PERCENT, take_amount
from dca_bot.chat.command import Args, Command, CommandSet
from dca_bot.chat.params import (
    Param,
    read_fiat,
    read_fiat_or_off,
    read_fiat_or_zero,
    read_new_name,
    read_percent,
    read_sat,
)
from dca_bot.core.currencies import SATS
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.messages.say import CommandRefused, Say, Typed, refuse

_UP_TO_999 = re.compile(r"\D*[0-9]{1,3}")
_NEXT_THREE = re.compile(r"[0-9]{3}(?![0-9])")
_MARKS = "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Characters of no width that apps put around copied text; the joiners of emoji are left in."""
_WITHOUT_MARKS = str.maketrans("", "", _MARKS)
_ENDS = re.compile(rf"\A[\s{_MARKS}]+|[\s{_MARKS}]+\Z")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command as typed, with its arguments; `line`: the text that was read.

    `code`: the code by which an earlier command is given again. `is_plain`: the command is read from plain
    words, also by a yes to the bot's question. `replaces`: the code that the command's new code makes void.
    """

    command: Command[Any]
    args: Args
    line: str
    code: Confirmation | None = None
    is_plain: bool = False
    replaces: Confirmation | None = None

    @property
    def is_change(self) -> bool:
        """Tell whether the command is meant to change something, whatever the ledger holds."""
        command = self.command
        acts = command.acts_outside or command.then is not None
        return self.code is not None or acts or command.needs_code(self.args)


def parse(
    text: str, command_set: CommandSet, currency: str, names: Collection[str] = ()
) -> Invocation:
    """Read a message; raise CommandRefused with the nearest command or the right usage.

    A command is one line, unless its last parameter is verbatim; a second line is refused, not read.
    `names` are the names of clients that read like a command's word: where a client is named `pause`,
    `client pause` shows that client.
    """
    line = bare(text)
    tokens = line.translate(_WITHOUT_MARKS).split()
    words = [token.lower() for token in tokens]
    command = _match(words, command_set)
    if command is None:
        raise refuse("unknown.of_client" if is_of_client(words, command_set) else "unknown.nothing")
    if command.words[-1] in names and not command.takes(len(words) - len(command.words)):
        shorter = _match(words[: len(command.words) - 1], command_set)
        is_meant = shorter is not None and shorter.takes(len(words) - len(shorter.words))
        command = shorter if shorter is not None and is_meant else command
    if command.passes_on:
        before = len(command.words)
        parts = line.split(maxsplit=before + len(command.params) - 1)
        return Invocation(command, _read(command, parts[before:], command_set, currency), line)
    if len(_ENDS.sub("", text).splitlines()) > 1:
        raise refuse("wrong.lines")
    given = tokens[len(command.words) :]
    return Invocation(command, _read(command, given, command_set, currency), " ".join(tokens))


def bare(text: str) -> str:
    """Return a message without margins, and without a slash before the first word."""
    return _ENDS.sub("", text).removeprefix("/")


def is_of_client(words: Sequence[str], command_set: CommandSet) -> bool:
    """Tell whether an operator has written a command that only clients have."""
    if not words or words[0] in {command.words[0] for command in command_set.table}:
        return False
    return any(list(c.words) == [*words[: len(c.words)]] for c in command_set.of_clients)


def usage(command: Command[Any]) -> Say:
    """Say how a command is written, with an example."""
    return Say("usage", usage=Typed(command.usage), example=Say(f"{command.key}.example"))


def wrong_argument(command: Command[Any], refused: CommandRefused) -> CommandRefused:
    """Return the refusal of an argument, with the usage of its command."""
    return refuse("wrong.argument", why=refused.say, usage=usage(command))


def _match(words: Sequence[str], command_set: CommandSet) -> Command[Any] | None:
    """Find the command with the most words that the message begins with."""
    found = [c for c in command_set.table if tuple(words[: len(c.words)]) == c.words]
    return max(found, key=lambda command: len(command.words), default=None)


def _read(
    command: Command[Any], words: Sequence[str], command_set: CommandSet, currency: str
) -> Args:
    if words and not command.params:
        raise refuse("unknown.nearest", usage=Typed(command.shortest))
    try:
        given = _join_units(command, words, currency)
    except CommandRefused as refused:
        raise wrong_argument(command, refused) from None
    required = sum(not param.optional for param in command.params)
    takes_rest = bool(command.params) and command.params[-1].rest
    if len(given) < required or (len(given) > len(command.params) and not takes_rest):
        raise CommandRefused(usage(command))
    values: dict[str, str | int] = {}
    for place, param in enumerate(command.params[: len(given)]):
        text = " ".join(given[place:]) if param.rest else given[place]
        if param.rest and place and _is_split(command.params[place - 1], given[place - 1], text):
            raise refuse("wrong.amount_split")
        try:
            is_new = param.is_new_name
            values[param.name] = (
                read_new_name(text, command_set.words) if is_new else param.read(text, currency)
            )
        except CommandRefused as refused:
            raise wrong_argument(command, refused) from None
    return Args(values)


def _join_units(command: Command[Any], words: Sequence[str], currency: str) -> list[str]:
    """Drop a unit that stands by itself beside an amount: `1500 GTQ`, `Q 1500`, `40 %`."""
    given, left = [], list(words)
    for param in command.params:
        unit = _unit(param, currency)
        if unit and left:
            amount, used = take_amount(left, unit, has_note=command.params[-1].rest)
            given.append(amount)
            left = left[used:]
        elif not param.rest and not param.verbatim:
            given, left = [*given, *left[:1]], left[1:]
    return [*given, *left]


def _unit(param: Param, currency: str) -> str:
    """Return the unit of an amount; empty for a parameter that is no amount."""
    if param.read in (read_fiat, read_fiat_or_zero, read_fiat_or_off):
        return currency
    if param.read is read_sat:
        return SATS
    return PERCENT if param.read is read_percent else ""


def _is_split(before: Param, amount: str, note: str) -> bool:
    """Tell whether a note begins with the rest of a split amount: `1 500`."""
    is_short = before.read in (read_fiat, read_fiat_or_zero, read_sat) and _UP_TO_999.fullmatch(
        amount
    )
    return bool(is_short and _NEXT_THREE.match(note))

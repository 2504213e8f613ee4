"""Reads a message that puts the last question right: `no, it was 250`, `confirm 7K2Q Market`.

The invariant: a correction confirms nothing. The corrected command is asked about anew, and the question or
code before is void.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dca_bot.chat.batches import commands_of
from dca_bot.chat.incoming import Incoming
from dca_bot.chat.parsing import Invocation
from dca_bot.chat.unclear import ask_back
from dca_bot.chat.understanding.arguments import places_of
from dca_bot.chat.understanding.grammar import Exact, read_command, written
from dca_bot.chat.understanding.machine_words import machine_beside
from dca_bot.chat.understanding.mood import takes_back
from dca_bot.chat.understanding.normaliser import Line, Token, lines_of
from dca_bot.chat.understanding.numbers import in_digits, with_mark
from dca_bot.core.names import folded
from dca_bot.ledger.correspondence.confirmations import Confirmation
from dca_bot.messages.say import CommandRefused

_KEYS = {
    "NAME": ("name",),
    "DESTINATION": ("destination",),
    "AMOUNT": ("amount", "fiat"),
    "ID": ("id",),
}
"""The arguments of commands that a token of a kind can replace."""
_CONFIRM = ("deposit", "confirm")
_Given = tuple[frozenset[str], Token]
"""A token with the kinds of arguments that the token can be."""


def corrected(incoming: Incoming) -> Invocation | None:
    """Return the command of the last question or code, with the arguments that the message puts right.

    None for other messages. An argument that is named as wrong is passed over: `no 500, 250`.
    """
    line = _only_line(incoming)
    given = [] if line is None else _given(line, incoming)
    if not given:
        return None
    again = _again(incoming.question, given, incoming) if incoming.question else None
    if again is not None:
        return ask_back(again.line, "")
    code = _code_meant(given, incoming)
    again = None if code is None else _again(code.command, given, incoming)
    if again is None or not again.command.needs_code(again.args):
        return None
    return replace(again, is_plain=True, replaces=code)


def _code_meant(given: Sequence[_Given], incoming: Incoming) -> Confirmation | None:
    """Return the only open code; of several, the only code whose command has a name that is given.

    What is wrong with several commands under a code can't be told.
    """
    codes = incoming.codes
    if len(codes) > 1:
        names = {token.word for kinds, token in given if "NAME" in kinds}
        codes = [one for one in codes if not names.isdisjoint(folded(one.command).split())]
    is_one = len(codes) == 1 and len(codes[0].command.splitlines()) == 1
    return codes[0] if is_one else None


def with_machine(incoming: Incoming) -> list[Invocation]:
    """Return the confirmations of deposits with the machine that a message names beside the code."""
    line = _only_line(incoming)
    tokens = () if line is None else line.tokens
    code = next(filter(None, (incoming.code(token.raw) for token in tokens)), None)
    asked = [] if code is None else commands_of(incoming, code)
    is_open = all(one.command.words == _CONFIRM and not one.args.has("MACHINE") for one in asked)
    if not asked or not is_open:
        return []
    beside = [token for token in tokens if incoming.code(token.raw) != code]
    machine = machine_beside(beside, incoming.vocabulary)
    words = [token.word for token in beside]
    is_known = any(one.startswith(folded(machine)) for one in incoming.machines)
    if not machine or not is_known or takes_back(words, incoming.vocabulary, is_note=False):
        return []
    lines = (f"{one.line} {machine}" for one in asked)
    return [replace(incoming.parse(line), is_plain=True, replaces=code) for line in lines]


def _only_line(incoming: Incoming) -> Line | None:
    """Return the line of a message that may be an answer; None for a question, and for several lines."""
    lines = lines_of(incoming.text) if incoming.question or incoming.codes else []
    is_answer = len(lines) == 1 and not (lines[0].is_question or lines[0].is_quoted)
    return lines[0] if is_answer else None


def _given(line: Line, incoming: Incoming) -> list[_Given]:
    """Return the arguments in a message that says only that something else was meant; else nothing."""
    vocabulary = incoming.vocabulary
    opening = vocabulary.list_of("no", "corrects")
    known = opening | vocabulary.list_of("no", "around") | vocabulary.list_of("polite", "phrases")
    found: list[_Given] = []
    for token in in_digits(with_mark(line.tokens, incoming.currency), vocabulary):
        kinds = _kinds(token, incoming)
        if kinds:
            found.append((kinds, token))
        elif token.word not in known and any(map(str.isalnum, token.word)):
            return []
    return found if any(token.word in opening for token in line.tokens) else []


def _kinds(token: Token, incoming: Incoming) -> frozenset[str]:
    """Return the kinds of arguments that a token can be; a name is a client's only, and a code is none."""
    if token.word in incoming.names:
        return frozenset({"NAME"})
    found = places_of(token, "", incoming.vocabulary, incoming.names)
    is_none = found.unpayable is not None or incoming.code(token.raw) is not None
    return frozenset() if is_none else found.places & (_KEYS.keys() - {"NAME"})


def _again(command: str, given: Sequence[_Given], incoming: Incoming) -> Invocation | None:
    """Return a command with other arguments; None where these don't fit, or nothing would change."""
    asked, role = incoming.parse(command), incoming.command_set.role
    words = asked.line.split()[len(asked.command.words) :]
    try:
        read = read_command(role, asked.command.name, words, incoming.currency)
        changed = _changed(read, given, incoming)
        return incoming.parse(written(role, read.name, changed)) if changed else None
    except CommandRefused:
        return None


def _has_of(kind: str, key: str, read: Exact) -> bool:
    """Tell whether a command has an argument of a kind; a client's name in the place of an id is no id."""
    given = str(read.arguments.get(key, ""))
    return bool(given) and (kind != "ID" or any(map(str.isdigit, given)))


def _changed(
    read: Exact, given: Sequence[_Given], incoming: Incoming
) -> Mapping[str, str | int] | None:
    """Return a command's arguments with those that are given.

    None where a given one fits no argument or two, where two are of a kind, or where none is new.
    """
    role, found = incoming.command_set.role, dict[str, str | int]()
    for kinds, token in given:
        keys = [key for kind in kinds for key in _KEYS[kind] if _has_of(kind, key, read)]
        if len(keys) != 1 or keys[0] in found:
            return None
        line = written(role, read.name, {**read.arguments, keys[0]: token.raw})
        words = line.split()[len(read.name.split()) :]
        new = read_command(role, read.name, words, incoming.currency).arguments
        if new != read.arguments:
            found[keys[0]] = new[keys[0]]
    return {**read.arguments, **found} if found else None

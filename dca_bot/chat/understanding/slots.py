"""Finds the arguments of a command among plain words, and has the chat's parser read the command."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from dca_bot.chat.command import Command
from dca_bot.chat.params import Param, read_sat
from dca_bot.chat.understanding.arguments import Said, destination_of
from dca_bot.chat.understanding.exact import PERIODS, Refused, begins_with
from dca_bot.chat.understanding.grammar import (
    MONTHS,
    Exact,
    list_of_choice,
    list_of_words,
    read_command,
    reason,
    row_of,
)
from dca_bot.chat.understanding.machine_words import machine_in, owner_in
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import SATS, Mark, mark_of
from dca_bot.messages.say import CommandRefused

_AMOUNTS = frozenset({"AMOUNT", "FIAT"})
_NUMBERS = frozenset({"AMOUNT", "ID", "NPUB"})
_NEW_CLIENT = "client add"
_PLACES = {"FIAT": "AMOUNT", "IDS": "ID", "NEW_NAME": "NAME"}
"""What a token must be for a parameter, where that isn't the parameter's own name."""
_MACHINE_AMOUNT = "MACHINE AMOUNT"
_OF_SALES = frozenset({"today", "held"})
"""The filters of `txs` among the values of all lists."""
_SHORT_WORD = 2


def fill(name: str, said: Sequence[Said], rest: str, vocabulary: Vocabulary) -> Exact | Refused:
    """Return a command with the arguments that were found.

    The command has none if a required argument is missing, or if a number is left over.
    `rest`: the text behind the words that name the command and its client, for a text or a note.
    """
    row = row_of(vocabulary.role, name)
    if row is None:
        return Exact(name, {})
    words = _words(row, said, rest, vocabulary)
    if isinstance(words, Refused):
        return words
    try:
        return read_command(vocabulary.role, name, words, vocabulary.currency)
    except CommandRefused as error:
        has_amount = any("AMOUNT" in one.places.places for one in said)
        why = reason(error)
        is_refused = name == _NEW_CLIENT or (why and has_amount)
        return Refused(name, why or "usage") if is_refused else Exact(name, {})


def _words(
    row: Command[Any], said: Sequence[Said], rest: str, vocabulary: Vocabulary
) -> list[str] | Refused:
    """Return the arguments of a row as words for the parser, as many as were found."""
    if row.name == _NEW_CLIENT and _count_names(said, vocabulary) != 1:
        return []
    left = list(said)
    words: list[str] = []
    is_short = False
    for param in row.params:
        is_text = param.verbatim or param.name == "NOTE"
        found = rest if is_text else _find(param, row.name, left, vocabulary)
        if isinstance(found, Refused):
            return found
        if not found and not param.optional:
            return []
        if is_text and is_short:  # A note is no amount.
            found = ""
        is_short = is_short or not found
        words += [found] if found else []
    spare = frozenset[str]().union(*(one.places.places for one in left))
    if words and "DESTINATION" in spare:
        return Refused(row.name, "form.several")
    return [] if spare & _NUMBERS else words


def _count_names(said: Sequence[Said], vocabulary: Vocabulary) -> int:
    """Count the words that can be a new client's name, misspelt words of the lexicon included."""
    return sum(
        "NAME" in one.places.places
        or (not one.places.places and vocabulary.match(one.token.word).is_corrected)
        for one in said
    )


def _find(param: Param, name: str, left: list[Said], vocabulary: Vocabulary) -> str | Refused:
    """Take an argument out of the tokens that are left; empty if no token fits."""
    listed = list_of_choice(name, param)
    if list_of_words(name, param) == MONTHS:
        return _choose(MONTHS, [one for one in left if not _is_small(one, vocabulary)], vocabulary)
    if listed:
        return _choose(listed, left, vocabulary)
    if (name, param.name) in _FINDERS:
        return _FINDERS[name, param.name](left, vocabulary)
    if param.name == "IDS":
        return _ids(left, vocabulary)
    if param.name == _MACHINE_AMOUNT:
        found = [_take("NAME", left), _take("AMOUNT", left)]
        return " ".join(one.token.raw for one in found if one) if all(found) else ""
    place = next((n for n, one in enumerate(left) if _fits(one, param, name)), None)
    return "" if place is None else _argument(param, name, place, left, vocabulary)


def _argument(
    param: Param, name: str, place: int, left: list[Said], vocabulary: Vocabulary
) -> str | Refused:
    """Take the argument at a place, in the parser's words."""
    found = left.pop(place)
    if found.places.unpayable is not None:
        return Refused(name, f"form.{found.places.unpayable}")
    if param.name == "DESTINATION":
        return destination_of(found.token.raw).value
    if param.name in _AMOUNTS:
        unit = SATS if param.read is read_sat else vocabulary.currency
        why = _wrong_beside(left, place, found.token.raw, unit)
        return Refused(name, why) if why else found.token.raw
    return found.token.raw


def _fits(one: Said, param: Param, name: str) -> bool:
    wanted = _PLACES.get(param.name, param.name)
    is_person = name == "client" and wanted == "NAME" and "NPUB" in one.places.places
    return wanted in one.places.places or is_person


def _of_sales(left: list[Said], vocabulary: Vocabulary) -> str:
    """Return the filter of `txs`: the machine of `ventas de antigua`, or else `today` or `held`."""
    machine = _introduced(left, vocabulary)
    if machine:
        return machine.token.raw
    listed = _choose("filter", left, vocabulary)
    return listed if listed in _OF_SALES else ""


def _introduced(left: list[Said], vocabulary: Vocabulary) -> Said | None:
    """Take the name behind a word like `de` out of the tokens: the machine of `ventas de antigua`."""
    introducing = vocabulary.list_of("mood", "introducing") | vocabulary.list_of("mood", "at")
    for place, (before, one) in enumerate(pairwise(left), 1):
        if before.token.word in introducing and "NAME" in one.places.places:
            return left.pop(place)
    return None


def _ids(left: list[Said], vocabulary: Vocabulary) -> str:
    """Take the numbers in a row out of the tokens: `4 y 5` is `4,5`."""
    joining = vocabulary.list_of("joining", "words")
    found: list[str] = []
    place = next((n for n, one in enumerate(left) if "ID" in one.places.places), len(left))
    while place < len(left):
        if "ID" in left[place].places.places:
            found.append(left.pop(place).token.word.removeprefix("#"))
        elif place + 1 < len(left) and left[place].token.word in joining:
            place += 1
        else:
            break
    return ",".join(found)


def _ids_or_owner(left: list[Said], vocabulary: Vocabulary) -> str:
    """Take the numbers of deposits, or the client whose deposit is meant."""
    return owner_in(left, vocabulary) or _ids(left, vocabulary)


def _take(wanted: str, left: list[Said]) -> Said | None:
    place = next((n for n, one in enumerate(left) if wanted in one.places.places), None)
    return None if place is None else left.pop(place)


def _choose(listed: str, left: Sequence[Said], vocabulary: Vocabulary) -> str:
    """Return the value of a list that is named anywhere in the line, by the longest phrase.

    Words of two letters count only in exact commands: `en` is a preposition in plain Spanish.
    """
    values = vocabulary.values("values", listed)
    tokens = [one.token for one in left]
    found = []
    for place in range(len(tokens)):
        value, used = begins_with(tokens[place:], values)
        phrase = " ".join(token.word for token in tokens[place : place + used])
        if used and not (len(phrase) <= _SHORT_WORD and phrase.isalpha()):
            found.append((len(phrase), PERIODS.get(value, value)))
    return max(found, key=lambda one: one[0], default=(0, ""))[1]


def _is_small(one: Said, vocabulary: Vocabulary) -> bool:
    """Tell whether a word says nothing alone, or only asks: `may` is a month in exact commands alone."""
    return one.token.word in vocabulary.small | vocabulary.list_of("mood", "questions")


def _wrong_beside(left: Sequence[Said], place: int, amount: str, unit: str) -> str:
    """Return why an amount can't be taken with the words beside; empty for a clear amount."""
    before = left[place - 1].token.raw if place > 0 else ""
    after = left[place].token.raw if place < len(left) else ""
    is_sign = before != "" and not before.isalpha()
    if mark_of(after, unit) is Mark.OTHER or (is_sign and mark_of(before, unit) is Mark.OTHER):
        return "wrong.other_unit"
    is_split = amount.isdecimal() and len(amount) <= 3 and after.isdecimal() and len(after) == 3
    return "wrong.amount_split" if is_split else ""


_FINDERS: Mapping[tuple[str, str], Callable[[list[Said], Vocabulary], str]] = {
    ("txs", "FILTER"): _of_sales,
    ("deposit confirm", "IDS"): _ids_or_owner,
    ("deposit confirm", "MACHINE"): machine_in,
}
"""How the parameters of some commands are found."""

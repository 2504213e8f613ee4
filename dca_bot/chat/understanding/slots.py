"""Finds the arguments of a command among plain words, and has the chat's parser read the command."""

from collections.abc import Sequence
from typing import Any

from dca_bot.chat.command import Command
from dca_bot.chat.params import Param, read_sat
from dca_bot.chat.understanding.arguments import (
    Said,
    can_be_name,
    destination_of,
    places_in,
    take,
)
from dca_bot.chat.understanding.exact import Refused
from dca_bot.chat.understanding.filters import SALES, take_machine, take_month, take_sales
from dca_bot.chat.understanding.grammar import (
    MONTHS,
    Exact,
    list_of_choice,
    lists_of_words,
    read_command,
    reason,
    row_of,
)
from dca_bot.chat.understanding.ids import take_ids
from dca_bot.chat.understanding.machine_words import machine_in, owner_in
from dca_bot.chat.understanding.values import choose
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import SATS, Mark, mark_of
from dca_bot.core.periods import calendar_period
from dca_bot.core.tax_csv import TaxFormat
from dca_bot.messages.say import CommandRefused

_AMOUNTS = frozenset({"AMOUNT", "FIAT"})
_NUMBERS = frozenset({"AMOUNT", "ID", "NPUB", "MONTH"})
_NEW_CLIENT = "client add"
_EXPORT = "export"
_NUMBERED = frozenset({"deposit", "hold"})
_PLACES = {"FIAT": "AMOUNT", "NEW_NAME": "NAME"}
"""What a token must be for a parameter, where that isn't the parameter's own name."""
_MACHINE_AMOUNT = "MACHINE AMOUNT"


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
    if name == SALES:  # The chat's own filter has several words.
        return Exact(name, {"filter": " ".join(words)} if words else {})
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
        found = rest if is_text else _find(param, row, left, vocabulary)
        if isinstance(found, Refused):
            return found
        if not found and not param.optional:
            return []
        if is_text and is_short:  # A note is no amount.
            found = ""
        is_short = is_short or not found
        words += [found] if found else []
    spare = places_in(left)
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


def _find(
    param: Param, row: Command[Any], left: list[Said], vocabulary: Vocabulary
) -> str | Refused:
    """Take an argument out of the tokens that are left; empty if no token fits."""
    name = row.name
    if name == SALES and param.name == "FILTER":
        return take_sales(left, vocabulary)
    lists = lists_of_words(name, param)
    if name == _EXPORT:
        form = _form_of(left)
        range_ = _take_calendar(left) or choose(lists, left, vocabulary)
        return f"{form} {range_}".strip()
    if MONTHS in lists and "MONTH" in places_in(left):
        return take_month(left)
    if MONTHS in lists or list_of_choice(name, param):
        return choose(lists, left, vocabulary)
    taken = _taken(param, row, left, vocabulary)
    if taken is not None:
        return taken
    places = [n for n, one in enumerate(left) if _fits(one, param, name)]
    place = next(iter(places), None)
    if place is not None and not left[place].is_sure and _names_one(row):
        place = next((n for n in places if _is_introduced(n, left, vocabulary)), place)
    return "" if place is None else _argument(param, name, place, left, vocabulary)


def _taken(param: Param, row: Command[Any], left: list[Said], vocabulary: Vocabulary) -> str | None:
    """Take a machine or numbers of deposits out of the tokens; None for other parameters."""
    is_owned = row.name == "deposit confirm"
    match param.name:
        case "MACHINE" if is_owned:
            known = take("MACHINE", left)
            return known.token.raw if known else machine_in(left, vocabulary)
        case "MACHINE":
            return take_machine(left, vocabulary)
        case "ID" if row.words[0] in _NUMBERED:
            owner = owner_in(left, vocabulary) if is_owned else ""
            return owner or take_ids(row, left, vocabulary)
        case "NEW_NAME":
            return _new_name(left, vocabulary)
        case name if name == _MACHINE_AMOUNT:
            found = [take("MACHINE", left) or take("NAME", left), take("AMOUNT", left)]
            return " ".join(one.token.raw for one in found if one) if all(found) else ""
    return None


def _take_calendar(left: list[Said]) -> str:
    """Take a month like `2026-03`, or a year, out of the tokens; empty for none."""
    places = [n for n, one in enumerate(left) if calendar_period(one.token.word)]
    return left.pop(places[0]).token.word if places else ""


def _form_of(left: Sequence[Said]) -> str:
    """Return the tax program that a line names; empty for none."""
    forms = tuple(TaxFormat)
    return next((one.token.word for one in left if one.token.word in forms), "")


def _new_name(left: list[Said], vocabulary: Vocabulary) -> str:
    """Take the only word that can be a name, known or not; empty for none, and for several."""
    before = ["", *(one.token.word for one in left)]
    places = [
        n
        for n, one in enumerate(left)
        if "NAME" in one.places.places or can_be_name(one.token, before[n], vocabulary)
    ]
    return left.pop(places[0]).token.raw if len(places) == 1 else ""


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


def _names_one(row: Command[Any]) -> bool:
    """Tell whether a command has a single name among the parameters."""
    return sum(_PLACES.get(param.name, param.name) == "NAME" for param in row.params) == 1


def _is_introduced(place: int, left: Sequence[Said], vocabulary: Vocabulary) -> bool:
    """Tell whether a token stands behind a word like `de`: the client of `take 500 away from ana`."""
    before = left[place - 1].token.word if place else ""
    return before in vocabulary.list_of("mood", "introducing")


def _fits(one: Said, param: Param, name: str) -> bool:
    wanted = _PLACES.get(param.name, param.name)
    if "MACHINE" in one.places.places:
        return wanted == "MACHINE"
    is_person = name == "client" and wanted == "NAME" and "NPUB" in one.places.places
    return wanted in one.places.places or is_person


def _wrong_beside(left: Sequence[Said], place: int, amount: str, unit: str) -> str:
    """Return why an amount can't be taken with the words beside; empty for a clear amount."""
    before = left[place - 1].token.raw if place > 0 else ""
    after = left[place].token.raw if place < len(left) else ""
    is_sign = before != "" and not before.isalpha()
    if mark_of(after, unit) is Mark.OTHER or (is_sign and mark_of(before, unit) is Mark.OTHER):
        return "wrong.other_unit"
    is_split = amount.isdecimal() and len(amount) <= 3 and after.isdecimal() and len(after) == 3
    return "wrong.amount_split" if is_split else ""

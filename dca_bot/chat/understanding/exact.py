"""Reads an exact command: a name in any language, then arguments and nothing else.

`avisos semanal` becomes `notify weekly`, and the chat's own parser reads the result.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dca_bot.chat.command import Command
from dca_bot.chat.params import read_fiat, read_fiat_or_zero, read_percent, read_sat
from dca_bot.chat.understanding.arguments import destination_of
from dca_bot.chat.understanding.filters import SALES, read_sales, without_in
from dca_bot.chat.understanding.grammar import (
    Exact,
    command_names,
    lists_of_words,
    read_command,
    reason,
    row_of,
)
from dca_bot.chat.understanding.ids import joined_ids
from dca_bot.chat.understanding.mood import takes_back
from dca_bot.chat.understanding.normaliser import Token, tokens_of
from dca_bot.chat.understanding.numbers import in_digits, in_sats, is_amount
from dca_bot.chat.understanding.values import PERIODS, as_written, begins_with
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import mark_of
from dca_bot.messages.say import CommandRefused

_NEW_NAMES = frozenset({"client add", "commission set"})
"""Commands that can name somebody new, by any word."""
_DIGITS_MAX = 15
_SPLIT_ADDRESS = re.compile(r"\S\s+@\S|\S@\s+\S")
_FIAT = (read_fiat, read_fiat_or_zero)
_AMOUNTS = (*_FIAT, read_sat, read_percent)
_WRONG_NAMES = frozenset({"wrong.name_taken_by_command", "wrong.name_scripts"})
_OPEN_LISTS = {"deposits": "pending", "payouts": "pending", "pause": "all", "resume": "all"}
"""Commands of one word that a word of a list makes a command of two."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A command with an argument that can't be taken; `why` is the key of the reason."""

    name: str
    why: str


def called(tokens: Sequence[Token], vocabulary: Vocabulary) -> tuple[str, int]:
    """Return the command that the first words of a line call, in any language, and the number of words."""
    own = vocabulary.values("commands", vocabulary.role)
    tables = (command_names(vocabulary.role), own, vocabulary.values("commands", "both"))
    found = (begins_with(tokens, table) for table in tables)
    return max(found, key=lambda one: one[1])


def read_exact(
    tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str] = ()
) -> Exact | Refused | None:
    """Read an exact command; None for plain words. `names`: the clients' names, folded."""
    name, length = called(tokens, vocabulary)
    given = list(tokens[length:])
    if name in _OPEN_LISTS:
        name, given = _with_list_word(name, given, vocabulary)
    row = row_of(vocabulary.role, name)
    if row is None:
        return None
    if name == "help":
        return _help(given, vocabulary)
    if names_nobody(row, given, vocabulary, names):
        return None
    return _with_arguments(name, row, given, vocabulary) if given else Exact(name, {})


def names_nobody(
    row: Command[Any], given: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> bool:
    """Tell whether a word of the lexicons stands in the place of a name: `deposit of 500 for ana`."""
    place = next((n for n, param in enumerate(row.params) if param.name == "NAME"), len(given))
    if place >= len(given) or given[place].word in names:
        return False
    listed = vocabulary.values_of(lists_of_words(row.name, row.params[place]))
    if begins_with(given[place:], listed)[1]:
        return False
    word = given[place].word
    is_introducing = word in vocabulary.list_of("mood", "introducing")
    return is_introducing or (row.name not in _NEW_NAMES and vocabulary.has(word))


def _with_arguments(
    name: str, row: Command[Any], given: list[Token], vocabulary: Vocabulary
) -> Exact | Refused | None:
    """Read the arguments behind a command's words, first as typed, then with numbers in digits."""
    none_words = vocabulary.list_of("numbers", "none")
    if name == "cap" and " ".join(token.word for token in given) in none_words:
        given = [Token("off", "off")]
    if name == "topup":
        given = in_sats(given)
    if name == "cash":
        given = without_in(given, vocabulary)
    sales = read_sales(given, vocabulary) if name == SALES else None
    if sales is not None:
        return sales
    refusal: CommandRefused | None = None
    for attempt in (given, in_digits(given, vocabulary)):
        words = _written(name, attempt, vocabulary)
        try:
            found = read_command(vocabulary.role, name, words, vocabulary.currency)
        except CommandRefused as error:
            refusal = error
        else:
            return None if _is_taken_back(found, row, vocabulary) else _checked(found)
    assert refusal is not None
    why = reason(refusal)
    return Refused(name, why) if why in _WRONG_NAMES else _refusal(row, given, why, vocabulary)


def _is_taken_back(found: Exact, row: Command[Any], vocabulary: Vocabulary) -> bool:
    last = row.params[-1]
    key = last.name.lower().replace(" ", "_")
    if not last.rest or key not in found.arguments or key == "destination":
        return False
    words = [token.word for token in tokens_of(str(found.arguments[key]))]
    return takes_back(words, vocabulary, is_note=last.name == "NOTE")


def _with_list_word(
    name: str, given: list[Token], vocabulary: Vocabulary
) -> tuple[str, list[Token]]:
    """Join a command with the word behind: `depositos pendientes` is `deposits pending`."""
    more, used = begins_with(given, vocabulary.values("values", _OPEN_LISTS[name]))
    longer = f"{name} {more}"
    is_command = used > 0 and row_of(vocabulary.role, longer) is not None
    return (longer, given[used:]) if is_command else (name, given)


def _help(given: Sequence[Token], vocabulary: Vocabulary) -> Exact | None:
    topic, used = called(given, vocabulary)
    if not topic:
        topic, used = begins_with(given, vocabulary.values("values", "all"))
    if topic and used == len(given):
        return Exact("help", {"command": topic})
    says_nothing = all(token.word in vocabulary.small for token in given)
    return Exact("help", {}) if says_nothing else None


def _checked(found: Exact) -> Exact | Refused | None:
    """Check a destination, as the parser takes any text; None for a destination among other words."""
    typed = str(found.arguments.get("destination", ""))
    if not typed:
        return found
    if _SPLIT_ADDRESS.search(typed):
        return Refused(found.name, "destination.unreadable")
    reading = destination_of(typed)
    if not reading.value:
        return None
    return Exact(found.name, {**found.arguments, "destination": reading.value})


def _written(name: str, given: Sequence[Token], vocabulary: Vocabulary) -> list[str]:
    """Return the arguments in the parser's words."""
    row = row_of(vocabulary.role, name)
    assert row is not None
    shown = {param.name for param in row.params}
    left = list(given)
    if "ID" in shown:
        left = joined_ids(left, vocabulary, row)
    if "PAGE" in shown:
        left = left[begins_with(left, vocabulary.values("values", "page"))[1] :]
    if name in ("mode", "limit", "cap"):
        left = _with_period(left, vocabulary)
    words: list[str] = []
    for param in row.params:
        listed = lists_of_words(name, param)
        if not listed:
            words += [token.raw for token in left[:1]]
            left = left[1:]
        while listed and left:
            value, used = begins_with(left, vocabulary.values_of(listed))
            words.append(as_written(value, listed) if used else left[0].raw)
            left = left[max(used, 1) :]
            if not param.rest:
                break
    return [*words, *(token.raw for token in left)]


def _with_period(tokens: list[Token], vocabulary: Vocabulary) -> list[Token]:
    """Drop `per day` behind an amount, and write `per week` as `weekly`."""
    periods = vocabulary.values("values", "period")
    for place in range(1, len(tokens)):
        period, used = begins_with(tokens[place:], periods)
        if used and place + used == len(tokens):
            word = PERIODS[period]
            return [*tokens[:place], *([Token(word, word)] if word else [])]
    return tokens


def _refusal(
    row: Command[Any], given: Sequence[Token], why: str, vocabulary: Vocabulary
) -> Exact | Refused | None:
    """Return the refusal of an amount; None for words that are no amount.

    An amount of too many digits isn't unclear: the command tells the ceiling.
    """
    place = next((n for n, param in enumerate(row.params) if param.read in _AMOUNTS), len(given))
    near = given[place : place + 2]
    has_mark = len(near) > 1 and mark_of(near[0].raw, vocabulary.currency) is not None
    amount = near[-1 if has_mark else 0] if near else None
    is_none = " ".join(token.word for token in given) in vocabulary.list_of("numbers", "none")
    if amount is None or not (is_none or is_amount(amount)):
        return None
    if amount.word.isdecimal() and len(amount.word) > _DIGITS_MAX:
        return Exact(row.name, {})
    if _is_split(given):
        why = "wrong.amount_split"
    elif why in ("wrong.range", "wrong.period"):
        why = "wrong.amount"
    return Refused(row.name, why) if why else None


def _is_split(given: Sequence[Token]) -> bool:
    """Tell whether an amount is split by a space: `1 500`."""
    return any(
        first.word.lstrip("q").isdecimal() and len(second.word) == 3 and second.word.isdecimal()
        for first, second in pairwise(given)
    )

"""Reads an exact command: its words in any language, then arguments and nothing else.

`avisos semanal` becomes `notify weekly`, and the chat's own parser reads the result.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dca_bot.chat.understanding.arguments import destination_of
from dca_bot.chat.understanding.grammar import Exact, grammar, read_command, reason, row_of
from dca_bot.chat.understanding.mood import has_condition
from dca_bot.chat.understanding.normaliser import Token, words_of
from dca_bot.chat.understanding.numbers import in_digits, in_sats, is_amount
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.chat.params import read_fiat, read_fiat_or_zero, read_percent, read_sat
from dca_bot.core.currencies import mark_of
from dca_bot.messages.say import CommandRefused

_PHRASE_WORDS_MAX = 4
_DIGITS_MAX = 15
_SHORT_COMMA = re.compile(r"[a-z]{0,3}\.?[0-9]{1,3},[0-9]")
_SPLIT_ADDRESS = re.compile(r"\S\s+@\S|\S@\s+\S")
_FIAT = (read_fiat, read_fiat_or_zero)
_AMOUNTS = (*_FIAT, read_sat, read_percent)
_WRONG_NAMES = frozenset({"wrong.name_taken_by_command", "wrong.name_scripts"})
_IDS = frozenset({"IDS", "ID"})
_CHOICES = {"flow|fixed": "mode", "RANGE": "range"}
_OPEN_LISTS = {"deposits": "pending", "payouts": "pending", "pause": "all", "resume": "all"}


@dataclass(frozen=True, slots=True)
class Refused:
    """An exact command whose argument can't be taken; `why` is the key of the reason."""

    name: str
    why: str


def command_words(vocabulary: Vocabulary) -> Mapping[str, str]:
    """Return the command of each phrase by which a command is called exactly, in all languages."""
    role = vocabulary.role
    return {
        **vocabulary.values("commands", "both"),
        **vocabulary.values("commands", role),
        **{command.name: command.name for command in grammar(role).table},
    }


def begins_with(
    tokens: Sequence[Token], phrases: Mapping[str, str]
) -> tuple[str, int]:
    """Return what the longest phrase at the beginning means, and how many tokens the phrase has."""
    words = words_of(tokens)
    for length in range(min(len(words), _PHRASE_WORDS_MAX), 0, -1):
        found = phrases.get(" ".join(words[:length]))
        if found is not None:
            return found, length
    return "", 0


def read_exact(tokens: Sequence[Token], vocabulary: Vocabulary) -> Exact | Refused | None:
    """Read an exact command; None for plain words."""
    role = vocabulary.role
    name, length = begins_with(tokens, command_words(vocabulary))
    if not name:
        return None
    given = list(tokens[length:])
    listed = _OPEN_LISTS.get(name)
    if listed and given:
        more, used = begins_with(given, vocabulary.values("values", listed))
        if used and row_of(role, f"{name} {more}"):
            name, given = f"{name} {more}", given[used:]
    if row_of(role, name) is None:
        return None
    if name == "help":
        return _help(given, vocabulary)
    if not given:
        return Exact(name, {})
    if name == "topup":
        given = in_sats(given)
    if _has_short_comma(name, given, vocabulary.role):
        return Refused(name, "wrong.amount")
    attempts = [_written(name, given, vocabulary), _written(name, in_digits(given, vocabulary), vocabulary)]
    refused: CommandRefused | None = None
    for words in attempts:
        if _takes_back(name, words, vocabulary):
            return None
        try:
            found = read_command(role, name, words, vocabulary.currency)
        except CommandRefused as error:
            refused = error
            continue
        return _checked(found)
    return _refusal(name, given, refused, vocabulary) if refused else None


def _checked(found: Exact) -> Exact | Refused | None:
    """Check what the parser leaves to the command itself: a destination, and an unclear comma."""
    if "destination" in found.arguments:
        typed = str(found.arguments["destination"])
        reading = destination_of(typed)
        if _SPLIT_ADDRESS.search(typed):
            return Refused(found.name, "destination.unreadable")
        if not reading.value:
            return None
        return Exact(found.name, {**found.arguments, "destination": reading.value})
    return found


def _help(given: Sequence[Token], vocabulary: Vocabulary) -> Exact | None:
    topics = {**command_words(vocabulary), **vocabulary.values("values", "all")}
    topic, used = begins_with(given, topics)
    if used == len(given) and topic:
        return Exact("help", {"command": topic})
    return Exact("help", {}) if all(t.word in vocabulary.small for t in given) else None


def _written(name: str, given: Sequence[Token], vocabulary: Vocabulary) -> list[str]:
    """Return the arguments as the parser takes them."""
    row = row_of(vocabulary.role, name)
    assert row is not None
    shown = [param.name for param in row.params]
    left = list(given)
    if any(name in shown for name in _IDS):
        left = _joined_ids(left, vocabulary)
    if "weekly|monthly" in shown or name == "mode":
        left = _with_period(left, vocabulary)
    words: list[str] = []
    for param in row.params:
        listed = _CHOICES.get(param.name) or ("|" in param.name and row.words[-1]) or ""
        if listed and left and listed in _VALUE_LISTS:
            value, used = begins_with(left, vocabulary.values("values", listed))
            words += [value] if used else [left[0].raw.lower()]
            left = left[max(used, 1) :]
        elif left:
            words.append(left.pop(0).raw)
    return [*words, *(token.raw for token in left)]


_VALUE_LISTS = frozenset({"mode", "notify", "language", "range"})


def _with_period(tokens: list[Token], vocabulary: Vocabulary) -> list[Token]:
    """Drop `per day` behind an amount, and write `per week` as `weekly`."""
    periods = vocabulary.values("values", "period")
    for place in range(1, len(tokens)):
        period, used = begins_with(tokens[place:], periods)
        if used and place + used == len(tokens) and is_amount_before(tokens[:place]):
            words = {"week": "weekly", "month": "monthly"}.get(period)
            return tokens[:place] + ([Token(words, words)] if words else [])
    return tokens


def is_amount_before(tokens: Sequence[Token]) -> bool:
    """Tell whether some token is an amount, in digits or as a word."""
    return any(is_amount(token) for token in tokens) or len(tokens) > 0


def _joined_ids(tokens: list[Token], vocabulary: Vocabulary) -> list[Token]:
    """Write `1 2 3`, `1, 2 y 3` and `todos` as `1,2,3` and `all`."""
    every, used = begins_with(tokens, vocabulary.values("values", "all"))
    if used:
        return [Token(every, every), *tokens[used:]]
    joining = vocabulary.list_of("joining", "words")
    numbers: list[str] = []
    place = 0
    while place < len(tokens):
        digits = tokens[place].word.lstrip("#")
        if digits.isdecimal():
            numbers.append(digits)
        elif tokens[place].word not in joining or not numbers:
            break
        place += 1
    if len(numbers) < 2:
        return tokens
    joined = ",".join(numbers)
    return [Token(joined, joined), *tokens[place:]]


def _takes_back(name: str, words: Sequence[str], vocabulary: Vocabulary) -> bool:
    """Tell whether a note or a machine's name is rather a condition: `deposit confirm 1 if …`."""
    row = row_of(vocabulary.role, name)
    if row is None or not row.params or not row.params[-1].rest:
        return False
    rest = [word.casefold() for word in words[len(row.params) - 1 :]]
    return has_condition(rest, vocabulary)


def _refusal(
    name: str, given: Sequence[Token], error: CommandRefused, vocabulary: Vocabulary
) -> Exact | Refused | None:
    """Return the refusal of an argument that was given; None for words that are no argument at all."""
    row = row_of(vocabulary.role, name)
    assert row is not None
    why = reason(error) or error.say.key
    if why in _WRONG_NAMES:
        return Refused(name, why)
    place = next((n for n, param in enumerate(row.params) if param.read in _AMOUNTS), None)
    at_place = [token for token in given[place : place + 2] if place is not None] if place is not None else []
    if not at_place:
        return None
    if " ".join(words_of(given)) in vocabulary.list_of("numbers", "none"):
        return Refused(name, why)
    amount = at_place[-1] if len(at_place) > 1 and mark_of(at_place[0].raw, vocabulary.currency) else at_place[0]
    if not is_amount(amount):
        return None
    if amount.word.isdecimal() and len(amount.word) > _DIGITS_MAX:
        return Exact(name, {})
    if _is_split(given):
        return Refused(name, "wrong.amount_split")
    return Refused(name, why) if why.startswith("wrong.") else None


def _has_short_comma(name: str, given: Sequence[Token], role: str) -> bool:
    """Tell whether an amount in the bot's currency has one digit behind a comma: `1,5` can be read in two ways."""
    row = row_of(role, name)
    is_fiat = row is not None and any(param.read in _FIAT for param in row.params)
    return is_fiat and any(_SHORT_COMMA.fullmatch(token.word) for token in given)


def _is_split(given: Sequence[Token]) -> bool:
    """Tell whether an amount is split by a space: `1 500`."""
    pairs = zip(given, given[1:], strict=False)
    return any(
        first.word.lstrip("q").isdecimal() and len(second.word) == 3 and second.word.isdecimal()
        for first, second in pairs
    )


__all__ = ["Refused", "begins_with", "command_words", "read_exact"]

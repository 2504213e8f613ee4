"""Finds the values of parameters among words: at a beginning, or anywhere in a line."""

from collections.abc import Mapping, Sequence

from dca_bot.chat.understanding.arguments import Said
from dca_bot.chat.understanding.grammar import MONTHS, Exact
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import PHRASE_WORDS_MAX, Vocabulary
from dca_bot.core.periods import MONTH_WORDS

PERIODS = {"day": "", "week": "weekly", "month": "monthly"}
"""How the periods of the lexicons are written in commands; a limit is a day's by itself."""
_SHORT_WORD = 2
_SHORT_MONTH = 3
"""Short names of months are beginnings of other words in plain words: `mar`, `sep`."""


def begins_with(tokens: Sequence[Token], phrases: Mapping[str, str]) -> tuple[str, int]:
    """Return the meaning of the longest phrase at the beginning, and how many tokens the phrase has."""
    words = [token.word for token in tokens[:PHRASE_WORDS_MAX]]
    while words:
        found = phrases.get(" ".join(words))
        if found is not None:
            return found, len(words)
        words.pop()
    return "", 0


def choose(
    lists: Sequence[str], left: Sequence[Said], vocabulary: Vocabulary, wanted: str = ""
) -> str:
    """Return the value of some lists that is named anywhere in the line, by the longest phrase.

    Words of two letters count only in exact commands: `en` is a preposition in plain Spanish. So does a month
    that is a small word: `may`. `wanted`: the only value to look for.
    """
    values = vocabulary.values_of(lists)
    tokens = [one.token for one in left]
    found = []
    for place in range(len(tokens)):
        value, used = begins_with(tokens[place:], values)
        phrase = " ".join(token.word for token in tokens[place : place + used])
        is_short = len(phrase) <= _SHORT_WORD and phrase.isalpha()
        is_small = value in MONTH_WORDS and _is_small(phrase, vocabulary)
        if used and not is_short and not is_small and wanted in ("", value):
            found.append((len(phrase), as_written(value, lists)))
    return max(found, key=lambda one: one[0], default=(0, ""))[1]


def as_written(value: str, lists: Sequence[str]) -> str:
    """Return a value of some lists as commands have the value: `week` of a limit is `weekly`."""
    return PERIODS.get(value, value) if "period" in lists else value


def months_lost(filled: Exact, said: Sequence[Said], vocabulary: Vocabulary) -> bool:
    """Tell whether a line names a month that is no argument of the command: `saldo de noviembre`."""
    given = " ".join(map(str, filled.arguments.values())).lower().split()
    names = vocabulary.values_of((MONTHS,))
    calendar = {one.token.word for one in said if "MONTH" in one.places.places}
    words = {one.token.word for one in said if len(one.token.word) > _SHORT_MONTH}
    named = {names[word] for word in words if word in names and not _is_small(word, vocabulary)}
    return not (calendar | named).issubset(given)


def _is_small(word: str, vocabulary: Vocabulary) -> bool:
    """Tell whether a word says nothing alone, or only asks: `may` is a month in exact commands alone."""
    return word in vocabulary.small | vocabulary.list_of("mood", "questions")

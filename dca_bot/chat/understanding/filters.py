"""Reads what a list is of: a machine, a day or a month, and sales that wait."""

from collections.abc import Sequence

from dca_bot.chat.params import FILTER
from dca_bot.chat.understanding.arguments import Said, take
from dca_bot.chat.understanding.grammar import MONTHS, Exact, lists_of_words
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.values import begins_with, choose
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.periods import calendar_period

SALES = "txs"
_OF_SALES = ("today", "yesterday", "held")
"""The filters of `txs` among the values of all lists."""


def read_sales(given: Sequence[Token], vocabulary: Vocabulary) -> Exact | None:
    """Read the filters of `txs`: periods, `held`, a machine of one word, and a page; None for other words."""
    lists = vocabulary.values_of(lists_of_words(SALES, FILTER))
    left, words, others = list(given), list[str](), list[Token]()
    while left:
        value, used = begins_with(left, lists)
        first, left = left[0], left[max(used, 1) :]
        if not used and first.word in vocabulary.small:
            continue
        if not used and not calendar_period(first.word):
            others.append(first)
        words.append(value or first.raw)
    is_named = all(one.raw[0].isupper() or not vocabulary.has(one.word) for one in others)
    is_filter = len(others) < len(words) and len(others) < 2 and is_named
    return Exact(SALES, {"filter": " ".join(words)}) if is_filter else None


def take_sales(left: list[Said], vocabulary: Vocabulary) -> str:
    """Return the filters of `txs`: the machine of `ventas de antigua`, a day or a month, and `held`."""
    months = {one.token.word for one in left if "MONTH" in one.places.places}
    listed = [one for one in _OF_SALES if choose(("filter",), left, vocabulary, one)]
    month = take_month(left) if months else choose((MONTHS, "span"), left, vocabulary)
    times = [one for one in (month, *listed) if one]
    machine = take_machine(left, vocabulary)
    other = take("NAME", left) if times and not machine else None
    machine = other.token.raw if other else machine
    return " ".join([machine, *times] if machine else times)


def take_machine(left: list[Said], vocabulary: Vocabulary) -> str:
    """Take a machine's name out of the tokens: a known name, or the name behind a word like `en la`."""
    known = take("MACHINE", left)
    if known is not None:
        return known.token.raw
    before = ""
    for place, one in enumerate(left):
        if "NAME" in one.places.places and before in _before_names(vocabulary):
            return _with_number(left.pop(place).token.raw, place, left)
        if one.token.word not in vocabulary.list_of("mood", "articles"):
            before = one.token.word
    return ""


def take_month(left: list[Said]) -> str:
    """Take the only month like `2026-03` out of the tokens; empty for several."""
    places = [n for n, one in enumerate(left) if "MONTH" in one.places.places]
    return left.pop(places[0]).token.word if len(places) == 1 else ""


def without_in(given: list[Token], vocabulary: Vocabulary) -> list[Token]:
    """Drop words like `en la` before a machine's name."""
    small = _before_names(vocabulary) | vocabulary.list_of("mood", "articles")
    start = next((n for n, one in enumerate(given) if one.word not in small), 0)
    return given[start:]


def _with_number(name: str, place: int, left: list[Said]) -> str:
    """Take the number of a machine's name too, as of `zona 10`."""
    is_numbered = place < len(left) and left[place].token.word.isdecimal()
    return f"{name} {left.pop(place).token.raw}" if is_numbered else name


def _before_names(vocabulary: Vocabulary) -> frozenset[str]:
    """Return the words that stand before a name: `de`, `en`."""
    return vocabulary.list_of("mood", "introducing") | vocabulary.list_of("mood", "at")

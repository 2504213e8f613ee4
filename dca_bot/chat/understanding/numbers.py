"""Reads numbers as people write numbers: `mil quinientos`, `2 mil`, `1.5k`, `1'000`, `100.-` become digits.

The invariant: a number that can be read in two ways stays as typed, for the amount's reader to refuse.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import Mark, mark_of

_GROUPED = re.compile(r"\+?([a-z$]{0,4}\.?)([0-9]{1,3}(?:['\u2019][0-9]{3})+|[0-9]+)([.,][0-9]+)?")
_THOUSANDS = re.compile(r"([a-z$]{0,4}\.?)([0-9]{1,6})(?:\.([0-9]{1,2}))?(?:k|mil)")
_AMOUNT = re.compile(r"[-+]?(?:[a-z]{1,3}\.?)?[$€£]?[0-9][0-9.,'\u2019]*(?:k|m|%|[a-z]{1,4}\.?)?")
_NO_AMOUNT = re.compile(r"[0-9]+(?:d|w|y)|[0-9]{4}-[0-9]{2}|[0-9]+-[0-9]+|[0-9a-f]{8,}")
"""Ranges, months, lists of ids, and ids in hex."""
_BITCOIN = re.compile(r"([0-9]{1,8})\.?([0-9]{0,8})")
_BITCOIN_NAMES = frozenset({"btc", "bitcoin", "bitcoins"})
_BITCOIN_DIGITS = 8
_MARK_MAX = 3
_ALONE_MIN = 5
"""Smaller numbers in words are pronouns and articles too: `uno`, `one`."""
_HUNDRED = 100
_DIGITS_MAX = 3
"""The digits of a number that a word multiplies: `250 mil`, but not `1500 mil`."""


@dataclass(frozen=True, slots=True)
class _Names:
    """The values of the words for numbers, and of the words that multiply."""

    values: Mapping[str, int]
    multipliers: Mapping[str, int]
    joined_by: frozenset[str]


def in_digits(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Token]:
    """Return tokens with digits in place of words: `dos mil quinientos` becomes the token `2500`."""
    names = _names(vocabulary)
    found: list[Token] = []
    left = list(tokens)
    while left:
        count, number = _number_at(left, names)
        is_digits = count == 1 and left[0].word.isdecimal()
        if count > 1 or (count == 1 and number >= _ALONE_MIN and not is_digits):
            found.append(Token(str(number), str(number)))
            left = left[count:]
        else:
            found.append(_in_plain_digits(left.pop(0)))
    return found


def with_mark(tokens: Sequence[Token], currency: str) -> list[Token]:
    """Return tokens with the currency's sign or code beside its amount: `Q 1,500` becomes `Q1,500`."""
    found: list[Token] = []
    for token in tokens:
        mark = found[-1] if found else Token("", "")
        is_mark = len(mark.raw) <= _MARK_MAX and mark_of(mark.raw, currency) is Mark.OWN
        if is_mark and token.word[0].isdigit() and is_amount(token):
            found[-1] = Token(mark.raw + token.raw, mark.word + token.word)
        else:
            found.append(token)
    return found


def in_sats(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens with a leading amount of bitcoin in sats: `0.005 BTC` becomes `500000`."""
    found = _BITCOIN.fullmatch(tokens[0].word) if len(tokens) > 1 else None
    if found is None or tokens[1].word not in _BITCOIN_NAMES:
        return list(tokens)
    sat = str(int(found[1] + found[2].ljust(_BITCOIN_DIGITS, "0")))
    return [Token(sat, sat), *tokens[2:]]


def is_amount(token: Token) -> bool:
    """Tell whether a token looks like an amount: `Q1,500`, `1.5k`, `12.5%`, but no range and no id."""
    return bool(_AMOUNT.fullmatch(token.word)) and not _NO_AMOUNT.fullmatch(token.word)


def value_of(word: str, vocabulary: Vocabulary) -> int:
    """Return the value of a whole number in digits or in a word; 0 for another word."""
    return int(word) if word.isdecimal() else _names(vocabulary).values.get(word, 0)


def _names(vocabulary: Vocabulary) -> _Names:
    words, multipliers, joined_by = (
        vocabulary.list_of("numbers", key) for key in ("words", "multipliers", "joined_by")
    )
    return _Names(_values(words), _values(multipliers), joined_by)


@lru_cache(maxsize=16)
def _values(pairs: frozenset[str]) -> Mapping[str, int]:
    """Return the values of words: `two=2` and the like."""
    parts = (pair.partition("=") for pair in pairs)
    return {word: int(value) for word, _, value in parts}


def _number_at(tokens: Sequence[Token], names: _Names) -> tuple[int, int]:
    """Return how many tokens at the beginning make a number, and the number; 0 tokens for no number.

    `part` collects up to the next thousand: `mil` multiplies `part` and moves the product into `total`.
    """
    total = part = count = 0
    above = 0  # the multiplier before; the next one must be smaller
    words = [token.word for token in tokens]
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else ""
        factor = names.multipliers.get(word, 0)
        if factor == _HUNDRED and part < _HUNDRED:
            part = max(part, 1) * factor
        elif factor > _HUNDRED and (not above or factor < above):
            total, part, above = total + max(part, 1) * factor, 0, factor
        elif _fits(word, part, names):
            part += names.values[word]
        elif (
            place == 0
            and word.isdecimal()
            and len(word) <= _DIGITS_MAX
            and after in names.multipliers
        ):
            part = int(word)
        elif not (word in names.joined_by and part and after in names.values):
            break
        count = place + 1
    return count, total + part


def _fits(word: str, part: int, names: _Names) -> bool:
    """Tell whether a word goes on with a number: after `ciento` comes no second hundred."""
    room = 10**9 if not part else 100 if part % 100 == 0 else 10 if part % 10 == 0 else 1
    return word in names.values and names.values[word] < room


def _in_plain_digits(token: Token) -> Token:
    """Write `1'000`, `+100` and `1.5k` as `1000`, `100` and `1500`."""
    short = _THOUSANDS.fullmatch(token.word)
    if short:
        return _number_token(short[1] + short[2] + (short[3] or "").ljust(3, "0"))
    grouped = _GROUPED.fullmatch(token.word)
    if grouped and not token.word.isalnum() and any(char in token.word for char in "'\u2019+"):
        digits = re.sub("[^0-9]", "", grouped[2])
        return _number_token(grouped[1] + digits + (grouped[3] or ""))
    return token


def _number_token(text: str) -> Token:
    return Token(text, text)

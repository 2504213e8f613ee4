"""Reads numbers as people write them: `mil quinientos`, `2 mil`, `1.5k`, `1'000`, `100.-` become digits.

The invariant: a number that can be read in two ways stays as typed, and the amount's reader refuses it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary

_PLAIN = re.compile(r"\+?([a-z$]{0,4}\.?)([0-9]{1,3}(?:['\u2019][0-9]{3})+|[0-9]+)([.,][0-9]+)?")
_SHORT = re.compile(r"([a-z$]{0,4}\.?)([0-9]+)(?:\.([0-9]+))?(k|mil)")
_AMOUNT = re.compile(r"[-+]?(?:[a-z]{1,3}\.?)?[$€£]?[0-9][0-9.,'\u2019]*(?:k|m|%|[a-z]{1,4}\.?)?")
_RANGE = re.compile(r"[0-9]+(?:d|w|y)|[0-9]{4}-[0-9]{2}|[0-9]+-[0-9]+|[0-9a-f]{8,}")
_BITCOIN = re.compile(r"([0-9]{1,8})\.?([0-9]*)")
_BTC_DIGITS = 8
_ALONE_MIN = 5
"""Smaller numbers in words are pronouns and articles too: `uno`, `one`."""
_TIMES_MAX = 1_000


def in_digits(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Token]:
    """Return tokens with numbers in digits in place of numbers in words.

    `dos mil quinientos` is one token afterwards: `2500`.
    """
    values, multipliers = number_words(vocabulary)
    joined_by = vocabulary.list_of("numbers", "joined_by")
    found: list[Token] = []
    left = list(tokens)
    while left:
        count, total = _number_at(left, values, multipliers, joined_by)
        if count > 1 or (
            count == 1 and total >= _ALONE_MIN and left[0].word in values | multipliers
        ):
            found.append(Token(str(total), str(total)))
            left = left[count:]
        else:
            found.append(_in_plain_digits(left.pop(0)))
    return found


def in_sats(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens with an amount of bitcoin in sats: `0.005 BTC` becomes `500000`."""
    amount, unit, *others = [*tokens, Token("", ""), Token("", "")]
    found = _BITCOIN.fullmatch(amount.word)
    if (
        found is None
        or unit.word not in ("btc", "bitcoin", "bitcoins")
        or len(found[2]) > _BTC_DIGITS
    ):
        return list(tokens)
    sat = str(int(found[1] + found[2].ljust(_BTC_DIGITS, "0")))
    return [Token(sat, sat), *(one for one in others if one.raw)]


def number_words(vocabulary: Vocabulary) -> tuple[dict[str, int], dict[str, int]]:
    """Return the values of the words for numbers, and of the words that multiply."""
    return tuple(  # type: ignore[return-value]
        {
            word: int(value)
            for word, _, value in (
                pair.partition("=") for pair in vocabulary.list_of("numbers", key)
            )
        }
        for key in ("words", "multipliers")
    )


def is_amount(token: Token) -> bool:
    """Tell whether a token looks like an amount: `Q1,500`, `1.5k`, `12.5%`, but no range and no id."""
    return _AMOUNT.fullmatch(token.word) is not None and not _RANGE.fullmatch(token.word)


def _number_at(
    tokens: Sequence[Token],
    values: dict[str, int],
    multipliers: dict[str, int],
    joined_by: frozenset[str],
) -> tuple[int, int]:
    """Return how many tokens make a number, and the number; 0 tokens if the first is no number."""
    total = part = count = place = 0
    while place < len(tokens):
        word = tokens[place].word
        after = tokens[place + 1].word if place + 1 < len(tokens) else ""
        digits = int(word) if place == 0 and word.isdecimal() and len(word) <= 3 else None
        if digits is not None and after in multipliers and digits < _TIMES_MAX:
            part = digits
        elif word in values and (part == 0 or values[word] < _unit_above(part)):
            part += values[word]
        elif word in multipliers and (count or len(word) > 1) and not total:
            part, total = 0, max(part, 1) * multipliers[word]
        elif not (word in joined_by and part and after in values):
            break
        place += 1
        count = place
    return count, total + part


def _unit_above(part: int) -> int:
    """Return the unit below which a further word must be: after `ciento` comes no second hundred."""
    return 100 if part % 100 == 0 else 10 if part % 10 == 0 else 1


def _in_plain_digits(token: Token) -> Token:
    """Write `1'000`, `100.-`, `+100` and `1.5k` as `1000`, `100`, `100` and `1500`."""
    short = _SHORT.fullmatch(token.word)
    if short:
        unit, whole, fraction, _ = short.groups()
        decimals = fraction or ""
        if len(decimals) <= 2:
            return replace(token, raw=f"{unit}{whole}{decimals.ljust(3, '0')}", word=token.word)
    plain = _PLAIN.fullmatch(token.word)
    if plain and ("'" in token.word or "\u2019" in token.word or token.word.startswith("+")):
        unit, whole, fraction = plain.groups()
        text = f"{unit}{re.sub('[^0-9]', '', whole)}{fraction or ''}"
        return Token(text, text)
    return token

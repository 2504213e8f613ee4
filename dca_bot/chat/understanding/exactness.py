"""Tells how exactly a line names the amount of a command: `unos 500` is rough, `mil y pico` is unclear.

The invariant: a rough amount is asked back, and an unclear amount is refused, before anything is prepared.
"""

from collections.abc import Sequence
from dataclasses import replace

from dca_bot.chat.params import read_fiat_or_zero
from dca_bot.chat.understanding.grammar import row_of
from dca_bot.chat.understanding.intents import changes
from dca_bot.chat.understanding.meaning import Intended, Understanding, in_doubt, refused
from dca_bot.chat.understanding.normaliser import Line, Token, tokens_of
from dca_bot.chat.understanding.numbers import in_digits, is_amount, value_of, with_mark
from dca_bot.chat.understanding.vocabulary import Vocabulary, begun, ended
from dca_bot.core.currencies import Mark, mark_of
from dca_bot.core.money import minor_digits, plain_decimal
from dca_bot.messages.say import CommandRefused

_AMOUNTS = ("amount", "fiat", "machine_amount")
"""The arguments that end with an amount."""
_UPPER_BOUNDS = frozenset({"limit", "cap", "mode", "client limit"})
"""Commands for which `at most 50` is 50."""


def with_exact_amount(found: Understanding, line: Line, vocabulary: Vocabulary) -> Understanding:
    """Return a meaning, asked back if the amount is rough, and refused if the amount is unclear."""
    first = found.first
    named = (str(first.arguments[key]) for key in _AMOUNTS if key in first.arguments)
    amount = next(named, "").rpartition(" ")[2]
    if not amount and not _lacks_amount(first, vocabulary):
        return found
    spoken = in_digits(with_mark(line.tokens, vocabulary.currency), vocabulary)
    places = [n for n, one in enumerate(spoken) if _is(one, amount, vocabulary)]
    around = [_around(spoken, place, vocabulary) for place in places]
    if any(_is_unclear(before, behind, first, vocabulary) for before, behind in around):
        return refused("wrong.amount", first.intent)
    is_rough = any(_is_rough(before, behind, first, vocabulary) for before, behind in around)
    if is_rough and first.is_exact and "machine_amount" in first.arguments:
        return refused("wrong.amount", first.intent)
    if not (amount and is_rough and changes(vocabulary.role, first.intent)):
        return found
    return in_doubt(_without_rough_note(found, vocabulary), found.asked)


def _lacks_amount(first: Intended, vocabulary: Vocabulary) -> bool:
    """Tell whether a command that only works with an amount was read without one."""
    row = row_of(vocabulary.role, first.intent)
    params = row.params if row is not None else ()
    return any(param.name in ("AMOUNT", "FIAT") and not param.optional for param in params)


def _is(token: Token, amount: str, vocabulary: Vocabulary) -> bool:
    """Tell whether a token is the amount of a command: `1,500` is `1500.00`; an empty `amount` is any."""
    currency = vocabulary.currency
    if not is_amount(token):
        return False
    if not amount:
        return True
    try:
        minor = read_fiat_or_zero(token.raw, currency)
    except CommandRefused:
        return False
    return amount in (token.raw, plain_decimal(minor, minor_digits(currency)))


def _around(
    tokens: Sequence[Token], place: int, vocabulary: Vocabulary
) -> tuple[list[str], list[str]]:
    """Return the words before and behind an amount, without the amount's unit."""
    behind = list(tokens[place + 1 :])
    if behind and mark_of(behind[0].raw, vocabulary.currency) is Mark.OWN:
        del behind[0]
    return [one.word for one in tokens[:place]], [one.word for one in behind]


def _is_unclear(
    before: Sequence[str], behind: Sequence[str], first: Intended, vocabulary: Vocabulary
) -> bool:
    """Tell whether the words around an amount make another amount: `half of 500`, `2 x 250`.

    The number before an amount may be the number of a deposit or hold.
    """
    is_part = ended(before, _listed("part", vocabulary)) > 0
    is_open = begun(behind, _listed("open", vocabulary)) > 0
    is_numbered = "id" in first.arguments
    return is_part or is_open or (not is_numbered and _is_product(before, behind, vocabulary))


def _is_product(before: Sequence[str], behind: Sequence[str], vocabulary: Vocabulary) -> bool:
    """Tell whether an amount is multiplied: `dos de 100`, `tres billetes de 100`, `100 x 2`."""
    times, notes = _listed("times", vocabulary), _listed("notes", vocabulary)
    left = list(before)
    used = 0
    for listed in (times, notes):
        count = ended(left, listed)
        left, used = left[: len(left) - count], used + count
    if used and left and value_of(left[-1], vocabulary) > 1:
        return True
    count = begun(behind, times - _listed("of", vocabulary))
    rest = behind[count:]
    return count > 0 and bool(rest) and value_of(rest[0], vocabulary) > 1


def _is_rough(
    before: Sequence[str], behind: Sequence[str], first: Intended, vocabulary: Vocabulary
) -> bool:
    is_bound = (
        first.intent not in _UPPER_BOUNDS and ended(before, _listed("bounds", vocabulary)) > 0
    )
    is_like = ended(before, _listed("rough", vocabulary)) > 0
    is_rough = is_like and not ended(before, _listed("exact", vocabulary))
    return is_bound or is_rough or begun(behind, _listed("or_so", vocabulary)) > 0


def _without_rough_note(found: Understanding, vocabulary: Vocabulary) -> Understanding:
    """Drop a note that only says how rough the amount is: `500 or so`."""
    first, *others = found.intents
    words = {token.word for token in tokens_of(str(first.arguments.get("note", "")))}
    if not words or words - {word for one in _listed("or_so", vocabulary) for word in one.split()}:
        return found
    arguments = {key: value for key, value in first.arguments.items() if key != "note"}
    return replace(found, intents=(replace(first, arguments=arguments), *others))


def _listed(key: str, vocabulary: Vocabulary) -> frozenset[str]:
    return vocabulary.list_of("numbers", key)

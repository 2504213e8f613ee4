"""Finds an amount among the words of a command; the unit stands before, after, or attached.

The invariant: a word beside an amount that names another unit, or multiplies, is never passed over.
"""

import re
from collections.abc import Sequence

from dca_bot.core.currencies import SATS, Mark, mark_of
from dca_bot.messages.say import CommandRefused, refuse

PERCENT = "%"
"""The unit of percentages."""
_AROUND = "()[]{}<>\"'“”„\u2018\u2019«»,;:!¡?¿*"
_BETWEEN = frozenset({"american", "canadian", "de", "en", "in", "mexican", "of", "u.s.", "us"})
_MULTIPLYING = (
    "k m mil miles millon millón millones million millions thousand thousands"
    " hundred hundreds cientos"
)
_MULTIPLIERS = frozenset(_MULTIPLYING.split())
_ARITHMETIC = frozenset(
    {"+", "-", "\u2013", "\u2014", "*", "x", "\u00d7", "y", "and", "más", "mas", "plus"}
)
_WITH = frozenset({"con", "with"})
_PART = re.compile("[xX\u00d7][0-9]+|[0-9]+/[0-9]+|[\u00bc-\u00be\u2150-\u215e]")
"""`5 mil` is not 5, and `100 + 50`, `100 x2` and `100 1/2` are not 100."""
_ATTACHED = re.compile(r"([^0-9]*)[0-9][0-9.,]*([^0-9]*)")


def take_amount(words: Sequence[str], unit: str, *, has_note: bool) -> tuple[str, int]:
    """Return the amount at the beginning of `words`, and the number of words taken, the unit included.

    `unit`: a currency's code, SATS or PERCENT. `has_note`: a note may follow. Raise CommandRefused for
    another unit beside the amount, or for a word that changes the amount.

    >>> take_amount(["Q", "1500", "for", "May"], "GTQ", has_note=True)
    ('1500', 2)
    """
    is_marked = len(words) > 1 and _mark(words[0], unit) is not None and _has_digit(words[1])
    place = int(is_marked)
    amount, after = words[place], list(words[place + 1 :])
    if not _has_digit(amount):
        return words[0], 1
    if is_marked and _mark(words[0], unit) is Mark.OTHER:
        raise other_unit(unit)
    used = place + 1
    if after and _mark(after[0], unit) is Mark.OWN:
        used, after = used + 1, after[1:]
    _refuse_what_changes(after, unit, has_note=has_note)
    return amount, used


def other_unit(unit: str, *, has_note: bool = False) -> CommandRefused:
    """Return the refusal of another unit; with `has_note`, explain how to write a note."""
    if unit == SATS:
        return refuse("wrong.other_unit_sats")
    return refuse("wrong.other_unit_note" if has_note else "wrong.other_unit", unit=unit)


def is_amount_like(word: str) -> bool:
    """Tell whether a word looks like an amount or a part of an amount, not like a word of a note."""
    return word.strip(_AROUND)[:1].isdigit()


def _refuse_what_changes(after: Sequence[str], unit: str, *, has_note: bool) -> None:
    """Check the words after an amount: `100 USD`, `100 in USD`, `5 mil`, `100 + 50`, `100 Q50`."""
    first, second, third, *_ = [*after[:3], "", "", ""]
    is_part = _PART.fullmatch(first) is not None or (has_note and _is_marked(first, unit))
    near = [first, second] if first.casefold() in _BETWEEN else [first]
    if any(_mark(word, unit) is Mark.OTHER for word in near):
        raise other_unit(unit, has_note=has_note)
    is_sum = first.casefold() in _ARITHMETIC and is_amount_like(second)
    has_rest = (
        first.casefold() in _WITH and is_amount_like(second) and _mark(third, unit) is not None
    )
    if is_sum or has_rest or is_part or first.strip(_AROUND).casefold() in _MULTIPLIERS:
        raise refuse("wrong.amount")


def _is_marked(word: str, unit: str) -> bool:
    """Tell whether a word is an amount with an attached unit."""
    found = _ATTACHED.fullmatch(word.strip(_AROUND))
    return found is not None and any(end and _mark(end, unit) for end in found.groups())


def _mark(word: str, unit: str) -> Mark | None:
    bare = word.strip(_AROUND)
    if unit == PERCENT:
        return Mark.OWN if bare == PERCENT else None
    return mark_of(bare, unit)


def _has_digit(word: str) -> bool:
    return any(char.isdigit() for char in word)

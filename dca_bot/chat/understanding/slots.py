"""Finds the arguments of a command among plain words, and has the chat's parser read the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dca_bot.chat.params import Param, read_sat
from dca_bot.chat.understanding.arguments import Places, destination_of
from dca_bot.chat.understanding.exact import Refused, begins_with
from dca_bot.chat.understanding.grammar import Exact, read_command, reason, row_of
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import SATS, Mark, mark_of
from dca_bot.messages.say import CommandRefused

_PLACE_OF_PARAM = {
    "NAME": ("NAME",),
    "NEW_NAME": ("NAME",),
    "NPUB": ("NPUB",),
    "AMOUNT": ("AMOUNT",),
    "FIAT": ("AMOUNT",),
    "PERCENT": ("PERCENT",),
    "DESTINATION": ("DESTINATION",),
    "ID": ("ID",),
    "IDS": ("ID",),
}
_CHOICES = {"flow|fixed": "mode", "RANGE": "range", "weekly|monthly": "period"}
_PERIODS = {"week": "weekly", "month": "monthly"}
_LISTED = frozenset({"mode", "notify", "language", "range", "period"})


@dataclass(frozen=True, slots=True)
class Said:
    """A token with what it can be as an argument."""

    token: Token
    places: Places
    is_sure: bool = True
    """False for a word that is taken for a client's name only because no lexicon has the word."""


def fill(name: str, said: Sequence[Said], vocabulary: Vocabulary) -> Exact | Refused:
    """Return the command with the arguments that were found; without any if they don't make it complete."""
    row = row_of(vocabulary.role, name)
    if row is None:
        return Exact(name, {})
    left = list(said)
    if name == "client add" and _names(said, vocabulary) != 1:
        return Refused(name, "wrong.name")
    words: list[str] = []
    for param in row.params:
        found = _find(param, row.name, left, vocabulary)
        if isinstance(found, Refused):
            return Refused(name, found.why)
        if found:
            words.append(found)
        elif not param.optional:
            return Refused(name, "usage") if name == "client add" else Exact(name, {})
    try:
        return read_command(vocabulary.role, name, words, vocabulary.currency)
    except CommandRefused as error:
        why = reason(error)
        is_amount = any("AMOUNT" in one.places.places for one in said)
        if why.startswith("wrong.") and is_amount:
            return Refused(name, why)
        return Exact(name, {})


def _names(said: Sequence[Said], vocabulary: Vocabulary) -> int:
    """Count the words that can be a new client's name, misspelt words of the lexicon among them."""
    return sum(
        "NAME" in one.places.places
        or (not one.places.places and vocabulary.match(one.token.word).corrected)
        for one in said
    )


def _find(
    param: Param, command: str, left: list[Said], vocabulary: Vocabulary
) -> str | Refused:
    """Take an argument out of the tokens that are left; empty without one."""
    shown = param.name
    listed = _CHOICES.get(shown) or (command.rpartition(" ")[2] if "|" in shown else "")
    if listed in _LISTED:
        return _value(listed, left, vocabulary)
    wanted = ("NAME", "NPUB") if command == "client" and shown == "NAME" else _PLACE_OF_PARAM.get(shown, ())
    for place, one in enumerate(left):
        if not one.places.places.intersection(wanted):
            continue
        if one.places.unpayable is not None:
            return Refused("", f"form.{one.places.unpayable}")
        del left[place]
        if shown in ("AMOUNT", "FIAT"):
            unit = SATS if param.read is read_sat else vocabulary.currency
            return _with_unit(left, place, one.token.raw, unit)
        if shown == "DESTINATION":
            return destination_of(one.token.raw).value
        return one.token.raw
    return ""


def _value(listed: str, left: Sequence[Said], vocabulary: Vocabulary) -> str:
    values: Mapping[str, str] = vocabulary.values("values", listed)
    tokens = [one.token for one in left]
    for place in range(len(tokens)):
        value, used = begins_with(tokens[place:], values)
        if used:
            return _PERIODS.get(value, "") if listed == "period" else value
    return ""


def _with_unit(left: Sequence[Said], place: int, amount: str, unit: str) -> str | Refused:
    """Return an amount with the unit beside it, for the parser to judge."""
    before = left[place - 1].token.raw if place > 0 else ""
    after = left[place].token.raw if place < len(left) else ""
    if mark_of(before, unit) is Mark.OTHER and not before.isalpha():
        return f"{before} {amount}"
    if after and mark_of(after, unit) is Mark.OTHER:
        return Refused("", "wrong.other_unit")
    if after.isdecimal() and len(after) == 3 and amount.isdecimal() and len(amount) <= 3:
        return Refused("", "wrong.amount_split")
    return amount

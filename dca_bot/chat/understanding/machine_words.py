"""Finds whose cash was put in a machine, and in which: `metí los 500 de tere en la máquina del mercado`."""

from collections.abc import Collection, Sequence

from dca_bot.chat.understanding.arguments import NO_PLACES, Said
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary

_WORDS_MAX = 3


def owner_in(left: list[Said], vocabulary: Vocabulary) -> str:
    """Take the client whose deposit is meant, with the amount: `tere 500`.

    Beside a client a number is an amount, unless a word like `deposit` stands before the number. Return an
    empty text for a deposit with a number, and where nobody is named.
    """
    named = [one for one in left if one.places.places & {"NAME", "MACHINE"} == {"NAME"}]
    sure = [one for one in named if one.is_sure]
    place = next((n for n, one in enumerate(left) if "ID" in one.places.places), -1)
    number = left[place] if place >= 0 else None
    if number is None:
        owner = next(iter(sure or named), None)
    else:
        numbering = vocabulary.list_of("mood", "numbering")
        before = left[place - 1].token.word if place else ""
        is_number = before in numbering or number.token.word.startswith("#")
        owner = None if is_number else next(iter(sure), None)
    if owner is None:
        return ""
    left.remove(owner)
    found = [owner]
    if number is not None:
        left.remove(number)
        found.append(number)
    return " ".join(one.token.raw for one in found)


def machine_in(left: list[Said], vocabulary: Vocabulary) -> str:
    """Return the words for a machine, as typed, for the command to look up; empty without such words.

    The words stand behind the last word like `en`, or before a word like `machine`.
    """
    machines = vocabulary.list_of("mood", "machines")
    small = vocabulary.small | machines
    words = [one.token.word for one in left]
    at = max(
        (n for n, word in enumerate(words) if word in vocabulary.list_of("mood", "at")), default=-1
    )
    behind = left[at + 1 :] if at >= 0 else []
    found = _named(behind, small)
    if not found:
        end = max((n for n, word in enumerate(words) if word in machines), default=0)
        found = _named(left[max(end - 1, 0) : end], small)
    return " ".join(one.token.raw for one in found) if len(found) <= _WORDS_MAX else ""


def machine_beside(tokens: Sequence[Token], vocabulary: Vocabulary) -> str:
    """Return the words for a machine beside a code: of `confirm 7K2Q in Market`, `Market`."""
    yes = vocabulary.list_of("yes", "words") | vocabulary.list_of("yes", "around")
    at, machines = vocabulary.list_of("mood", "at"), vocabulary.list_of("mood", "machines")
    said = [Said(token, NO_PLACES) for token in tokens]
    found = _named(said, vocabulary.small | machines | at | yes)
    return " ".join(one.token.raw for one in found) if len(found) <= _WORDS_MAX else ""


def _named(said: Sequence[Said], small: Collection[str]) -> list[Said]:
    """Return words without the small words around."""
    found = list(said)
    while found and found[0].token.word in small:
        del found[0]
    while found and found[-1].token.word in small:
        del found[-1]
    return found

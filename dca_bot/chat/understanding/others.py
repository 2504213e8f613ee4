"""Tells whether a client speaks of somebody else: whose wallet an address is, whom a setting is for.

A client sets nothing for others.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary, begun


def owner_is_another(tokens: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Tell whether a line says that a wallet is somebody else's: `ana@example.com es de mi hermana`."""
    words = [token.word for token in tokens]
    others, kin, owns = (vocabulary.list_of("people", key) for key in ("others", "kin", "owns"))
    is_said = any(begun(words[place:], others) for place in range(len(words)))
    return is_said or any(
        word in kin and not owns.isdisjoint(words[place + 1 : place + 3])
        for place, word in enumerate(words)
    )


def is_of_another(tokens: Sequence[Token], used: Collection[int], vocabulary: Vocabulary) -> bool:
    """Tell whether a name stands behind the words of a setting, or behind a word like `a`: `pause juan`.

    `used`: the places of the setting's words.
    """
    names = vocabulary.list_of("people", "first_names")
    whom, introducing = (vocabulary.list_of("mood", key) for key in ("whom", "introducing"))
    return any(
        (one.word in names and (place - 1 in used or before.word in introducing))
        or (before.word in whom and not vocabulary.is_written(one.word) and one.word.isalpha())
        or (place - 1 in used and place not in used and _is_new(before, one, vocabulary))
        for place, (before, one) in enumerate(pairwise(tokens), 1)
    )


def ends_with_kin(tokens: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Tell whether a line ends with a relative, for whom something is asked: `pausar a mi hermana`."""
    words = [token.word for token in tokens]
    kin, possessive = (vocabulary.list_of("people", key) for key in ("kin", "possessive"))
    if not (len(words) > 2 and words[-2] in possessive and words[-1] in kin):
        return False
    before, whom = words[-3], vocabulary.list_of("mood", "whom")
    is_introduced = before in whom | vocabulary.list_of("mood", "introducing")
    return is_introduced or before not in vocabulary.small


def _is_new(before: Token, one: Token, vocabulary: Vocabulary) -> bool:
    """Tell whether a word of no lexicon and no example stands behind a word that says something."""
    is_heard = vocabulary.is_known(one.word) or vocabulary.examples.has_heard(one.word)
    return one.word.isalpha() and not is_heard and before.word not in vocabulary.small

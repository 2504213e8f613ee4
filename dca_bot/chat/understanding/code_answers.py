"""Finds the code in an answer: `el código es 7K2Q`. The words before and after a code stand in the lexicons.

The invariant: words that no phrase of the lexicons accounts for, in the phrase's order, are no wrapping of a
code. `es el 7K2Q` gives the code, and `qué es 7K2Q` asks about the code.
"""

from collections.abc import Sequence

from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.vocabulary import Vocabulary, begun

_SPELLED = 4
"""The letters of a code that somebody spells out: `7 k 2 q`."""


def code_in_answer(tokens: Sequence[Token], vocabulary: Vocabulary) -> str:
    """Return the only token that is no wrapping, as typed: the code, if it is one; '' without such a token.

    `tokens`: of a line, without courtesy.
    """
    before, after = vocabulary.around_codes
    words, found, place = [token.word for token in tokens], "", 0
    while place < len(words):
        length = begun(words[place:], after if found else before)
        if not length and found:
            return ""
        if not length:
            found, length = _spelled(tokens[place:])
        place += length
    return found


def _spelled(tokens: Sequence[Token]) -> tuple[str, int]:
    """Return the first token, or a code that is spelled out, and how many tokens that takes."""
    letters = [token.raw for token in tokens[:_SPELLED] if len(token.raw) == 1]
    return ("".join(letters), _SPELLED) if len(letters) == _SPELLED else (tokens[0].raw, 1)

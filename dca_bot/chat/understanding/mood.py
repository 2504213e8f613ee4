"""Tells whether a line is meant as it stands, or is a question, a negation, a quotation or a conditional."""

from collections.abc import Collection, Sequence
from enum import Enum, auto

from dca_bot.chat.understanding.normaliser import Line, Token, words_of
from dca_bot.chat.understanding.vocabulary import Vocabulary


class Mood(Enum):
    """How a line is meant; only PLAIN and REQUEST can change something, and REQUEST is asked back."""

    PLAIN = auto()
    REQUEST = auto()
    QUESTION = auto()
    NEGATION = auto()
    QUOTATION = auto()
    CONDITIONAL = auto()


def mood_of(
    line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, used: Collection[str] = ()
) -> Mood:
    """Return the mood of a line; `tokens` are the line's without greetings and courtesy.

    `used`: the words of the phrase by which a command was found; `no` in `no me ha llegado` negates nothing.
    """
    words = words_of(tokens)
    if _is_quoted(line, vocabulary):
        return Mood.QUOTATION
    free = [word for word in words if word not in used]
    if _has(free, vocabulary.list_of("mood", "negations")):
        return Mood.NEGATION
    if _has(free, vocabulary.list_of("mood", "reports")) and len(words) > 1:
        return Mood.QUOTATION
    if _has(words, vocabulary.list_of("mood", "conditions")) and not _is_yes(line):
        return Mood.CONDITIONAL
    is_asked = _begins(words, vocabulary.list_of("mood", "requests"))
    if is_asked and not line.is_question:
        return Mood.REQUEST
    if is_asked and len(words_of(line.tokens)) > len(words):
        return Mood.REQUEST
    if line.is_question or _begins(words, vocabulary.list_of("mood", "questions")):
        return Mood.QUESTION
    return Mood.PLAIN


def has_condition(words: Sequence[str], vocabulary: Vocabulary) -> bool:
    """Tell whether the words behind a complete command take the command back: `if the cash is there`."""
    return any(
        _begins(words, vocabulary.list_of("mood", key)) for key in ("conditions", "negations")
    )


def _is_quoted(line: Line, vocabulary: Vocabulary) -> bool:
    """Tell whether a line quotes words; a name or an address in quotes is no quotation."""
    if line.is_quoted:
        return True
    return any(
        vocabulary.is_known(token.word) and not vocabulary.match(token.word).corrected
        for token in line.quotes
    )


def _is_yes(line: Line) -> bool:
    """Tell whether a line begins with an accented or separate yes: `sí, pausar`."""
    first = line.text.split(maxsplit=1)[0].casefold() if line.text else ""
    return first.rstrip(",.!;:") == "s\u00ed" or first in ("si,", "si.")


def _has(words: Sequence[str], phrases: Collection[str]) -> bool:
    return any(_begins(words[place:], phrases) for place in range(len(words)))


def _begins(words: Sequence[str], phrases: Collection[str]) -> bool:
    return any(" ".join(words[:length]) in phrases for length in (1, 2, 3, 4) if words[:length])

"""Tells the mood of a line: meant as written, a question, a negation, a quotation or a conditional."""

from collections.abc import Collection, Sequence
from enum import Enum, auto

from dca_bot.chat.understanding.normaliser import Line, Token
from dca_bot.chat.understanding.vocabulary import Vocabulary, begun

_YES = ("s\u00ed", "si,", "si.")
"""Beginnings that are a yes; `si` alone begins a condition."""
_DENIAL_MAX = 4


class Mood(Enum):
    """How a line is meant; only PLAIN and REQUEST can change something, and a REQUEST is asked back."""

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

    `used`: the words of the phrase that found a command; `no` in `no me ha llegado` negates nothing.
    """
    words = [token.word for token in tokens]
    free = [word for word in words if word not in used]
    request = begun(words, vocabulary.list_of("mood", "requests"))
    question = begun(words, vocabulary.list_of("mood", "questions"))
    is_asked = request > 0 and request >= question
    is_polite = len(line.tokens) > len(tokens)
    ends_asking = len(words) > 1 and begun(words[-1:], vocabulary.list_of("mood", "questions"))
    begins_asking = question > 0 or ends_asking
    # `when do I get` is a question, though `when` alone begins a condition.
    begins_if = begun(words, vocabulary.list_of("mood", "ifs")) >= max(question, 1)
    if _quotes_words(line, vocabulary) or (len(words) > 1 and _has("reports", free, vocabulary)):
        mood = Mood.QUOTATION
    elif _has("negations", free, vocabulary):
        mood = Mood.NEGATION
    elif begins_asking and not (begins_if or is_asked):
        mood = Mood.QUESTION
    elif _has("conditions", words, vocabulary) and not _is_yes(line):
        mood = Mood.CONDITIONAL
    elif is_asked and (is_polite or not line.is_question):
        mood = Mood.REQUEST
    elif line.is_question or begins_asking:
        mood = Mood.QUESTION
    else:
        mood = Mood.PLAIN
    return mood


def passes_on(tokens: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Tell whether a line asks to tell somebody something: `tell him I moved`, `dígale que ya voy`."""
    words = [token.word for token in tokens]
    length = begun(words, vocabulary.list_of("mood", "passing"))
    return 0 < length < len(words)


def only_denies(tokens: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Tell whether a short line says no and nothing more: `no gracias, ya no`."""
    words = {token.word for token in tokens}
    negations = vocabulary.list_of("mood", "negations")
    is_short = len(tokens) <= _DENIAL_MAX and not words.isdisjoint(negations)
    return is_short and words <= negations | vocabulary.small


def takes_back(words: Sequence[str], vocabulary: Vocabulary, *, is_note: bool) -> bool:
    """Tell whether the last argument of a complete command takes the command back: `if the cash is there`.

    A note may speak of tomorrow or say no, but neither first nor last; another argument may not at all.
    """
    places = range(len(words))
    beginnings = [place for place in places if not is_note or place in (0, len(words) - 1)]
    loose = (vocabulary.list_of("mood", key) for key in ("conditions", "negations"))
    is_loose = any(_begins(words[place:], phrases) for phrases in loose for place in beginnings)
    return is_loose or _has("ifs", words, vocabulary)


def _quotes_words(line: Line, vocabulary: Vocabulary) -> bool:
    """Tell whether a line quotes words; a name or an address in quotes is no quotation."""
    return line.is_quoted or any(
        vocabulary.is_known(token.word) and not vocabulary.match(token.word).is_corrected
        for token in line.quotes
    )


def _is_yes(line: Line) -> bool:
    first = line.text.split(maxsplit=1)[0].casefold() if line.text else ""
    return first.rstrip(",.!;:") == _YES[0] or first in _YES


def _has(key: str, words: Sequence[str], vocabulary: Vocabulary) -> bool:
    phrases = vocabulary.list_of("mood", key)
    return any(_begins(words[place:], phrases) for place in range(len(words)))


def _begins(words: Sequence[str], phrases: Collection[str]) -> bool:
    return begun(words, phrases) > 0

"""Reads a short answer to the bot's own question: yes, no, or a code. The words stand in the lexicons."""

from collections.abc import Sequence
from dataclasses import dataclass

from dca_bot.chat.understanding.code_answers import code_in_answer
from dca_bot.chat.understanding.lines import without_courtesy
from dca_bot.chat.understanding.normaliser import CHARS_MAX, Token, lines_of
from dca_bot.chat.understanding.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Answer:
    """A message of one line, as an answer.

    `is_cancel`: a no that is the command `cancel` in some language. `is_soft`: a yes that may as well be said
    without a question: `ok`. `stray`: what may be a code, as typed; '' for none. `is_alone`: no
    other word stands there.
    """

    is_yes: bool = False
    is_no: bool = False
    is_cancel: bool = False
    is_soft: bool = False
    stray: str = ""
    is_alone: bool = False


NO_ANSWER = Answer()


def read_answer(text: str, vocabulary: Vocabulary) -> Answer:
    """Read a message as an answer; NO_ANSWER for a question, and for more than one line.

    For `¡Sí, 7k2q!` the stray word is `7k2q`.
    """
    lines = lines_of(text) if len(text) <= CHARS_MAX else []
    if len(lines) != 1 or lines[0].is_question or lines[0].is_quoted:
        return NO_ANSWER
    tokens = without_courtesy(lines[0].tokens, vocabulary, ())
    yes, around = vocabulary.list_of("yes", "words"), vocabulary.list_of("yes", "around")
    if is_no(tokens, vocabulary):
        commands = vocabulary.values("commands", "both")
        return Answer(is_no=True, is_cancel=commands.get(_said(tokens)) == "cancel")
    said = _said(tokens)
    words = {token.word for token in tokens}
    is_yes = words <= yes | around and not words.isdisjoint(yes)
    return Answer(
        is_yes=is_yes or said in yes,
        is_soft=said in vocabulary.list_of("yes", "soft"),
        stray=code_in_answer(tokens, vocabulary),
        is_alone=len(tokens) == 1,
    )


def is_no(tokens: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Tell whether the words of a line, without courtesy, are a no and nothing else."""
    return _said(tokens) in vocabulary.list_of("no", "words")


def _said(tokens: Sequence[Token]) -> str:
    return " ".join(token.word for token in tokens)

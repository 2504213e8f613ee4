"""Finds the topic of a client's question that is always answered alike: costs, safety, a lost phone.

Topics are example sentences (`es.topics.examples.txt`), judged against the examples of all commands. A topic
changes nothing, and is no command: the command line `understand` doesn't know topics.
"""

from dataclasses import dataclass
from functools import cache

from dca_bot.chat.understanding.examples import POINT, Examples, words_of_line
from dca_bot.chat.understanding.lines import without_courtesy
from dca_bot.chat.understanding.normaliser import lines_of
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.messages.lexicon import example_sentences

ROLE = "topics"
_MARK = "topic "
_SURE_LEAD = 5
"""By how many points the examples of a topic lead before those of each command, where the topic is sure."""
_WORDS_MIN, _WORDS_MAX = 2, 25
"""A word alone is no question, and a longer message is a story."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic by its name in the examples; `is_sure`: whether another reading of the message gives way."""

    name: str
    is_sure: bool


def topic_of(text: str, vocabulary: Vocabulary) -> Topic | None:
    """Return the topic of a message of one line; None where a command's examples are nearer.

    >>> from dca_bot.chat.understanding.reading import vocabulary_of
    >>> topic_of("cuánto cobran de comisión", vocabulary_of("client", ("es",))).name
    'cost'
    """
    lines = lines_of(text)
    if len(lines) != 1 or lines[0].is_quoted:
        return None
    tokens = without_courtesy(lines[0].tokens, vocabulary, ())
    if not _WORDS_MIN <= len(tokens) <= _WORDS_MAX:
        return None
    examples = _examples(tuple(one.language for one in vocabulary.lexicons))
    words = [token.word for token in tokens]
    known = [word for word in words if examples.has_heard(word)]
    scores = examples.scores(words) if 2 * len(known) >= len(words) else {}
    if not scores:
        return None
    best = max(scores, key=lambda name: (scores[name], name))
    if not best.startswith(_MARK):
        return None
    next_best = max(score for name, score in scores.items() if not name.startswith(_MARK))
    return Topic(best.removeprefix(_MARK), scores[best] - next_best >= _SURE_LEAD * POINT)


def topic_names(language: str) -> set[str]:
    """Return the topics that have examples in a language."""
    return {name for name, _ in example_sentences(language, ROLE)}


@cache
def _examples(languages: tuple[str, ...]) -> Examples:
    """Return the examples of topics and of clients' commands; a sentence of both is the topic's."""
    asked = {
        tuple(words_of_line(sentence)): f"{_MARK}{name}"
        for language in languages
        for name, sentence in example_sentences(language, ROLE)
    }
    commands = {
        tuple(words_of_line(sentence)): name
        for language in languages
        for name, sentence in example_sentences(language, "client")
    }
    return Examples((name, words) for words, name in {**commands, **asked}.items())

"""Ranks the commands that a line can mean by example sentences: naive Bayes, in whole numbers.

A sentence is a set of clues: words, pairs of words, and groups of four letters. A clue speaks for a command
as often as the clue stands in the command's examples, and against the commands whose examples lack the clue.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

from dca_bot.chat.understanding.normaliser import lines_of
from dca_bot.messages.lexicon import example_sentences

POINT = 512
"""The units of a score that are worth a point of the lexicons."""
_WORD, _PAIR, _APART, _LETTERS, _UNHEARD = "wpali"
_WEIGHTS = {_WORD: 10, _PAIR: 8, _APART: 5, _LETTERS: 3, _UNHEARD: 40}
"""The weight of each kind of clue; letters of a word repeat what the word says."""
_SMOOTHING = 9
"""How many further examples each command is given, in which clues are as frequent as in all examples."""
_LETTERS_LENGTH = 4
_UNHEARD_MAX = 4
_LONG = 24
_NUMBER = re.compile(r"[-+]?[a-z]{0,3}\.?[$€£#]?[0-9][0-9.,:'k%/-]*[a-z]{0,4}")
_REPEATED = re.compile(r"(.)\1+")


class Examples:
    """The clues of example sentences, counted by command."""

    def __init__(self, sentences: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Take sentences as (command, words)."""
        heard = [(command, _plain(words)) for command, words in sentences]
        self._counts = Counter(command for command, _ in heard)
        self._commands = tuple(sorted(self._counts))
        self._total = self._counts.total()
        self._bases = {command: self._base(count) for command, count in self._counts.items()}
        self._words = Counter(word for _, words in heard for word in set(words))
        self._found: dict[str, bytes] = {}
        self._known_gains: dict[str, tuple[tuple[str, int], ...]] = {}
        numbers = {command: bytes([n]) for n, command in enumerate(self._commands)}
        for command, words in heard:
            for clue in self._clues(words, heard_at_least=2):
                self._found[clue] = self._found.get(clue, b"") + numbers[command]

    def scores(self, words: Sequence[str]) -> dict[str, int]:
        """Return a score of each command for the words of a line; empty without examples.

        >>> examples = Examples([("price", ["que", "precio"]), ("balance", ["mi", "saldo"])])
        >>> scores = examples.scores(["precio"])
        >>> max(scores, key=lambda command: scores[command])
        'price'
        """
        found = [
            clue for clue in self._clues(_plain(words), heard_at_least=1) if clue in self._found
        ]
        weight = sum(_WEIGHTS[clue[0]] for clue in found)
        scores = {command: share + weight * loss for command, (share, loss) in self._bases.items()}
        for clue in found:
            for command, gain in self._gains(clue):
                scores[command] += gain
        return scores

    def _base(self, count: int) -> tuple[int, int]:
        """Return a command's score for its examples, and what each clue takes off by its weight."""
        share = _WEIGHTS[_WORD] * (_log(count) - _log(self._total))
        return share, _log(_SMOOTHING) - _log(count + _SMOOTHING)

    def _gains(self, clue: str) -> tuple[tuple[str, int], ...]:
        """Return what a clue adds to the scores of the commands in whose examples the clue stands."""
        known = self._known_gains.get(clue)
        if known is None:
            places = self._found[clue]
            expected, weight = _SMOOTHING * len(places), _WEIGHTS[clue[0]]
            known = self._known_gains[clue] = tuple(
                (
                    self._commands[number],
                    weight * (_log(count * self._total + expected) - _log(expected)),
                )
                for number, count in Counter(places).items()
            )
        return known

    def has_heard(self, word: str) -> bool:
        """Tell whether a word stands in an example."""
        return _plain([word])[0] in self._words

    def _clues(self, words: Sequence[str], heard_at_least: int) -> set[str]:
        """Return the clues of a sentence; `heard_at_least`: in how many examples a word counts as heard.

        A word of a single example is unheard for this example itself.
        """
        unheard = sum(self._words[word] < heard_at_least for word in set(words))
        clues = set(_clues_of_words(words))
        clues.add(f"{_UNHEARD}{min(unheard, _UNHEARD_MAX)}")
        return clues


@cache
def examples_of(role: str, languages: tuple[str, ...]) -> Examples:
    """Return the examples of a role in some languages; a language may have none."""
    return Examples(
        (command, words_of_line(sentence))
        for language in languages
        for command, sentence in example_sentences(language, role)
    )


def words_of_line(text: str) -> list[str]:
    """Return the words of a sentence without case and accents."""
    return [token.word for line in lines_of(text) for token in line.tokens]


def _plain(words: Sequence[str]) -> list[str]:
    """Return words with a sign for each number and address, and without repeated letters."""
    return ["@" if _is_address(word) else _REPEATED.sub(r"\1", _in_signs(word)) for word in words]


def _is_address(word: str) -> bool:
    return "@" in word or "://" in word or len(word) >= _LONG


def _in_signs(word: str) -> str:
    return "#" if _NUMBER.fullmatch(word) else word


def _clues_of_words(words: Sequence[str]) -> Iterator[str]:
    line = ["^", *words, "$"]
    for first, second in pairwise(line):
        yield f"{_PAIR}{first} {second}"
    for first, third in zip(line, line[2:], strict=False):
        yield f"{_APART}{first} {third}"
    for word in words:
        yield f"{_WORD}{word}"
        if len(word) >= _LETTERS_LENGTH - 1:
            edged = f"^{word}$"
            for start in range(len(edged) - _LETTERS_LENGTH + 1):
                yield f"{_LETTERS}{edged[start : start + _LETTERS_LENGTH]}"


@lru_cache(maxsize=50_000)
def _log(number: int) -> int:
    """Return the logarithm of a number, in sixteenths of a bit."""
    return (number**16).bit_length()

"""The words that people write, in each language: read from `texts`, where a file stands beside the catalogue.

A lexicon is one TOML file, `es.lexicon.toml` for Spanish. A language without a lexicon has commands in
English. Each value is a text of phrases between commas.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from dca_bot.core.names import folded

_ENDING = ".lexicon.toml"
_EXAMPLES = "{language}.{role}.examples.txt"
_FOLDER = resources.files("dca_bot.messages") / "texts"
_COMMA = re.compile(r"\s*[,\n]\s*")

LEXICONS = tuple(
    sorted(
        file.name.removesuffix(_ENDING) for file in _FOLDER.iterdir() if file.name.endswith(_ENDING)
    )
)
"""The languages that have a lexicon."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The phrases of one language by section: `groups`, `mood`, `commands.client`, `client.balance`."""

    language: str
    sections: Mapping[str, Any]

    def section(self, *path: str) -> dict[str, list[str]]:
        """Return the phrases of a section by key, without case and accents; empty without the section."""
        found: Mapping[str, Any] = self.sections
        for name in path:
            found = found.get(name, {})
        return {key: phrases(text) for key, text in found.items() if isinstance(text, str)}

    def shown(self, *path: str) -> dict[str, str]:
        """Return the phrase of a section that people are shown, by key: the first, with case and accents."""
        found: Mapping[str, Any] = self.sections
        for name in path:
            found = found.get(name, {})
        return {key: cased(text)[0] for key, text in found.items() if isinstance(text, str)}

    def texts(self, *sections: str) -> Iterator[str]:
        """Yield each phrase of some sections and of the sections within, without case and accents."""
        left = [self.sections.get(name, {}) for name in sections]
        while left:
            for value in left.pop().values():
                if isinstance(value, str):
                    yield from phrases(value)
                else:
                    left.append(value)

    def cues(self, role: str) -> Iterator[tuple[str, str, str]]:
        """Yield each phrase of a role's commands with the command and the strength: `likely`, for example."""
        for intent, strengths in self.sections.get(role, {}).items():
            for strength, text in strengths.items():
                for phrase in cased(text):
                    yield intent, strength, phrase


def load_lexicon(language: str) -> Lexicon:
    """Read the lexicon of a language; raise OSError if the language has none."""
    text = (_FOLDER / f"{language}{_ENDING}").read_text(encoding="utf-8")
    return Lexicon(language, _parsed(text))


def example_sentences(language: str, role: str) -> Iterator[tuple[str, str]]:
    """Yield the command and the text of each example sentence of a role; none without a file.

    A command's name stands in brackets above the command's sentences.
    """
    file = _FOLDER / _EXAMPLES.format(language=language, role=role)
    if not file.is_file():
        return
    command = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            command = line.strip("[]")
        elif line and not line.startswith("#"):
            yield command, line


@cache
def whole_commands() -> frozenset[str]:
    """Return each word that is a whole command in some language, without case and accents: `saldo`."""
    texts = (text for one in LEXICONS for text in load_lexicon(one).texts("commands"))
    return frozenset(text for text in texts if " " not in text)


@cache
def values_named(listed: str) -> Mapping[str, str]:
    """Return the value of each phrase of a list of values, in any language: `noviembre` means `november`."""
    lists = [load_lexicon(one).section("values", listed) for one in LEXICONS]
    return {text: value for one in lists for value, texts in one.items() for text in texts}


@cache
def words_between_numbers() -> frozenset[str]:
    """Return the words that stand between numbers in some language: `1 y 3`, `1 through 3`."""
    return _words(("joining", "words"), ("numbers", "through"), ("numbers", "to"))


@cache
def words_into() -> frozenset[str]:
    """Return the words in some language before the machine that cash was put in: the `en` of `en Market`."""
    return _words(("mood", "into"))


@cache
def words_before_machines() -> frozenset[str]:
    """Return the words in some language that may stand before a machine's name: `la máquina`."""
    return _words(("mood", "articles"), ("mood", "machines"))


def _words(*parts: tuple[str, str]) -> frozenset[str]:
    lexicons = [load_lexicon(one) for one in LEXICONS]
    return frozenset(
        word
        for section, key in parts
        for one in lexicons
        for text in one.section(section).get(key, ())
        for word in text.split()
    )


def phrases(text: str) -> list[str]:
    """Return the phrases between commas and line breaks, without case and accents.

    >>> phrases("por favor, Señor")
    ['por favor', 'senor']
    """
    return [folded(phrase) for phrase in cased(text)]


def cased(text: str) -> list[str]:
    """Return the phrases between commas and line breaks as they stand."""
    return [phrase for phrase in _COMMA.split(text.strip()) if phrase]


@cache
def _parsed(toml: str) -> Mapping[str, Any]:
    return tomllib.loads(toml)

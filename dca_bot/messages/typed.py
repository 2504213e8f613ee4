"""Command lines in the reader's language: `<wallet DESTINATION>` becomes `billetera DIRECCIÓN`.

A catalogue writes each command line in English, between `<` and `>`. The lexicon of a language has the words
that are shown: the first phrase of each command, value and placeholder. English needs none of these words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from dca_bot.messages.lexicon import LEXICONS, load_lexicon
from dca_bot.messages.say import Typed

_MARKED = re.compile(r"<([^<>]+)>")
_PART = re.compile(r"[^\s\[\]|]+")
_ROLES = ("both", "client", "operator")
_PERIOD = "period"
_VALUES = (
    "mode",
    "notify",
    "files",
    "statements",
    "range",
    _PERIOD,
    "month",
    "span",
    "view",
    "all",
    "pending",
    "filter",
    "readers",
)
_LANGUAGE = "language"
_PERIODS = {"week": "weekly", "month": "monthly"}
"""Periods under another name than the period's word in a command."""


@dataclass(frozen=True, slots=True)
class CommandWords:
    """The words of one language by the English words: of commands, of values, and of placeholders."""

    names: Mapping[str, str]
    values: Mapping[str, str]
    languages: Mapping[str, str]
    placeholders: Mapping[str, str]

    def line(self, line: str) -> str:
        """Return an English command line in the language; unknown words and fields stay.

        >>> command_words("es").line("mode fixed AMOUNT")
        'modo fijo CANTIDAD'
        """
        words = line.split(" ")
        for length in range(len(words), 0, -1):
            name = " ".join(words[:length])
            if name in self.names:
                rest = self._arguments(name, " ".join(words[length:]))
                return f"{self.names[name]} {rest}".rstrip()
        return self._arguments("", line)

    def typed(self, typed: Typed) -> str:
        """Return command lines between commas, those with the same first word together."""
        lines = list(map(self.line, typed.lines))
        if not typed.is_joined:
            return ", ".join(lines)
        by_word: dict[str, list[str]] = {}
        for line in lines:
            word, _, more = line.partition(" ")
            by_word.setdefault(word, []).append(more)
        return ", ".join(_joined(word, more) for word, more in by_word.items())

    def text(self, template: str) -> str:
        """Return a text of a catalogue with its marked command lines in the language."""
        return _MARKED.sub(lambda found: self.line(found[1]), template)

    def _arguments(self, name: str, arguments: str) -> str:
        if name == "help" and arguments in self.names:
            return self.names[arguments]
        is_language = name.endswith(_LANGUAGE)
        values = self.languages if is_language else self.values

        def shown(part: re.Match[str]) -> str:
            return self.placeholders.get(part[0]) or values.get(part[0], part[0])

        return _PART.sub(shown, arguments)


@cache
def command_words(language: str) -> CommandWords:
    """Return the words of a language; English words for English and for a language without a lexicon."""
    if language == "en" or language not in LEXICONS:
        return CommandWords({}, {}, {}, {})
    lexicon = load_lexicon(language)
    values = {
        (_PERIODS if listed == _PERIOD else {}).get(value, value): phrase
        for listed in _VALUES
        for value, phrase in lexicon.shown("values", listed).items()
    }
    names = {
        name: phrase for role in _ROLES for name, phrase in lexicon.shown("commands", role).items()
    }
    languages = lexicon.shown("values", _LANGUAGE)
    return CommandWords(names, values, languages, lexicon.shown("placeholders"))


def marked_lines(template: str) -> list[str]:
    """Return the command lines that a text of a catalogue marks, in English."""
    return _MARKED.findall(template)


def _joined(word: str, more: Sequence[str]) -> str:
    if len(more) == 1:
        return f"{word} {more[0]}".strip()
    return f"{word} ({', '.join(filter(None, more))})"

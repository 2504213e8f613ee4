"""Makes text of what is to be told, in a language, a currency and a time zone.

A catalogue is one TOML file in `texts`, named by its language; nested tables make dotted keys. An
entry with `one` and `other` is chosen by the field `n`. A missing key or field is an error of the
program, which the tests find.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from dca_bot.core.commission import percent_text
from dca_bot.core.market import price_text
from dca_bot.core.money import fiat_text, sat_text
from dca_bot.core.programme import Programme
from dca_bot.messages.say import Fiat, Field, Moment, Percent, Rate, Sat, Say, Word

TEXT_BYTES_MAX = 3900
"""Relays and apps take 4 KB of text for sure."""
FALLBACK = "en"
_ALIASES = "alias."
_FOLDER = resources.files("dca_bot.messages") / "texts"
LANGUAGES = tuple(
    sorted(
        file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")
    )
)
"""The languages that are offered: those that there is a catalogue for."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The catalogues by language, and how this programme writes amounts and times."""

    catalogues: Mapping[str, Mapping[str, str]]
    currency: str
    timezone: ZoneInfo

    @property
    def aliases(self) -> dict[str, str]:
        """Return other words for commands, in all languages: each with the command that it means."""
        lists = (
            (key.removeprefix(_ALIASES), words.split())
            for catalogue in self.catalogues.values()
            for key, words in catalogue.items()
            if key.startswith(_ALIASES)
        )
        return {word: command for command, words in lists for word in words}

    def render(self, say: Say, language: str) -> str:
        """Write it in a language, or in English where there is no such catalogue."""
        catalogue = self.catalogues.get(language) or self.catalogues[FALLBACK]
        return _cut(self._say(say, catalogue))

    def _say(self, say: Say, catalogue: Mapping[str, str]) -> str:
        template = catalogue.get(say.key)
        if template is None:
            template = catalogue[f"{say.key}.{'one' if say.fields['n'] == 1 else 'other'}"]
        fields = {name: self._field(field, catalogue) for name, field in say.fields.items()}
        return template.format_map(fields)

    def _field(  # noqa: PLR0911 - one return for each kind of field
        self, field: Field, catalogue: Mapping[str, str]
    ) -> str:
        match field:
            case Fiat(minor):
                return fiat_text(minor, self.currency)
            case Sat(sat):
                return sat_text(sat)
            case Percent(percent_bp):
                return percent_text(percent_bp)
            case Rate(minor, sat):
                return price_text(minor, sat, self.currency)
            case Moment(at):
                return f"{at.astimezone(self.timezone):%Y-%m-%d %H:%M}"
            case Word(group, value):
                return catalogue.get(f"word.{group}.{value}", value)
            case Say():
                return self._say(field, catalogue)
            case tuple():
                return "\n".join(filter(None, (self._say(line, catalogue) for line in field)))
            case _:
                return str(field)


def load_texts(programme: Programme) -> Texts:
    """Read all catalogues that come with the program."""
    catalogues = {language: _catalogue(language) for language in LANGUAGES}
    return Texts(catalogues, programme.currency, programme.timezone)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Turn nested tables into dotted keys."""
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat


@cache
def _catalogue(language: str) -> Mapping[str, str]:
    """Return the texts of a language by key; each file is parsed once in a process."""
    text = (_FOLDER / f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(flatten(tomllib.loads(text)))


def _cut(text: str) -> str:
    """Drop whole lines from the end until the text fits; answers are paged, so few ever need it."""
    if len(text.encode()) <= TEXT_BYTES_MAX:
        return text
    room = TEXT_BYTES_MAX - len("\n…".encode())
    whole_lines = text.encode()[: room + 1].decode(errors="ignore").rpartition("\n")[0]
    return (whole_lines or text.encode()[:room].decode(errors="ignore")) + "\n…"

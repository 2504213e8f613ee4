"""Makes text of sayings, in a language, a currency and a time zone.

A catalogue is one TOML file in `texts`, named by its language; nested tables make dotted keys. Among the
plural forms of a key (`one`, `few`, `other` …, by CLDR) the field `n` chooses. A text that a catalogue
lacks is taken from the English catalogue. The tests find each key that no catalogue has, and each field
that a saying lacks.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from dca_bot.core.market import rate_minor
from dca_bot.core.money import minor_digits, typed_fiat
from dca_bot.core.programme import Programme
from dca_bot.messages.language import Language
from dca_bot.messages.say import (
    Bolt11,
    Code,
    Date,
    Day,
    Fiat,
    Field,
    LanguageName,
    LanguageOffer,
    Link,
    Moment,
    Npub,
    Number,
    Percent,
    Plain,
    Rate,
    Reported,
    Sat,
    Say,
    Tenths,
    Times,
    Typed,
    Word,
)
from dca_bot.messages.typed import command_words

TEXT_BYTES_MAX = 3900
"""Relays and apps take 4 KB of text for sure."""
FALLBACK = "en"
_FOLDER = resources.files("dca_bot.messages") / "texts"


def _files(folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    """Yield the language and the file of each catalogue in a folder; `es.lexicon.toml` is none."""
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        language, dot, ending = file.name.partition(".")
        if dot and ending == "toml":
            yield language, file


LANGUAGES = tuple(language for language, _ in _files(_FOLDER))
"""The languages that the bot offers: each has a catalogue in `texts`."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The catalogues by language, and how this programme writes amounts and times."""

    catalogues: Mapping[str, Mapping[str, str]]
    currency: str
    timezone: ZoneInfo

    def render(self, say: Say, language: str, *, now: datetime | None = None) -> str:
        """Write a saying in a language, or in English if no catalogue is named like the language.

        Dates in the year of `now` have no year. Without `now` all dates have one, as texts that are kept
        need. Raise KeyError if the English catalogue lacks the key, or the saying lacks a field.
        """
        return _cut(self._say(say, self._language(language, now)))

    def _language(self, code: str, now: datetime | None) -> Language:
        english = self.catalogues[FALLBACK]
        year = now.astimezone(self.timezone).year if now else None
        return Language(code, self.catalogues.get(code, english), english, year)

    def _say(self, say: Say, language: Language) -> str:
        fields = {name: self._field(field, language) for name, field in say.fields.items()}
        return language.template(say.key, say.fields.get("n")).format_map(fields)

    def _field(  # noqa: C901, PLR0911 - one return for each kind of field
        self, field: Field, language: Language
    ) -> str:
        match field:
            case Word(group, value):
                return language.word(f"word.{group}.{value}", value)
            case Typed():
                return command_words(language.code).typed(field)
            case LanguageName(code):
                return self.catalogues.get(code, {}).get("locale.name", code)
            case LanguageOffer(code):
                return self.catalogues.get(code, {}).get("locale.offer", code)
            case Say():
                return self._say(field, language)
            case tuple():
                return "\n".join(filter(None, (self._say(line, language) for line in field)))
            case str() | int():
                return str(field)
            case Code(text):
                return text
            case Npub() | Bolt11():
                return _uri(field)
            case Moment() | Day() | Times():
                return self._date(field, language)
            case Plain(value):
                return self._plain(value)
            case _:
                return self._number(field, language)

    def _number(self, field: Number, language: Language) -> str:
        places = minor_digits(self.currency)
        match field:
            case Fiat(minor):
                return language.fiat(minor, self.currency, decimals=places)
            case Sat(sat):
                return language.sats(sat)
            case Percent(percent_bp):
                return language.percent(percent_bp)
            case Rate(minor, sat):
                whole = rate_minor(minor, sat) // 10**places
                return language.fiat(whole, self.currency, decimals=0)
            case Tenths(tenths):
                return language.number(tenths, decimals=1)
            case Reported(amount, currency):
                decimals = max(-int(amount.as_tuple().exponent), 0)
                whole = int(Fraction(amount) * 10**decimals)
                return language.fiat(whole, currency, decimals=decimals)

    def _date(self, field: Date, language: Language) -> str:
        match field:
            case Moment(at):
                return language.date_text("locale.moment", at.astimezone(self.timezone))
            case Day(day):
                return language.date_text("locale.day", day)
            case Times(times):
                return ", ".join(language.date_text("locale.time", at) for at in times)

    def _plain(self, value: Fiat | Moment) -> str:
        match value:
            case Fiat(minor):
                return typed_fiat(minor, self.currency)
            case Moment(at):
                return f"{at.astimezone(self.timezone):%Y-%m-%d %H:%M}"


def load_texts(programme: Programme, folder: Traversable = _FOLDER) -> Texts:
    """Read all catalogues of a folder, those that come with the program by default."""
    catalogues = {
        language: _catalogue(file.read_text(encoding="utf-8"), language)
        for language, file in _files(folder)
    }
    return Texts(catalogues, programme.currency, programme.timezone)


def _uri(link: Link) -> str:
    """Write a link in small letters: some wallets know neither `LIGHTNING:` nor an invoice in capitals."""
    match link:
        case Npub(npub):
            return f"nostr:{npub}"
        case Bolt11(bolt11):
            return f"lightning:{bolt11.lower()}"


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Turn nested tables into dotted keys.

    >>> _flatten({"page": {"empty": "There is nothing."}})
    {'page.empty': 'There is nothing.'}
    """
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat


@cache
def _catalogue(toml: str, language: str) -> Mapping[str, str]:
    """Return the texts of a catalogue by key; each catalogue is parsed once in a process."""
    words = command_words(language)
    texts = _flatten(tomllib.loads(toml))
    return MappingProxyType({key: words.text(text) for key, text in texts.items()})


def _cut(text: str) -> str:
    """Drop whole lines from the end until the text fits; lists are paged, and rarely need that."""
    if len(text.encode()) <= TEXT_BYTES_MAX:
        return text
    room = TEXT_BYTES_MAX - len("\n…".encode())
    whole_lines = text.encode()[: room + 1].decode(errors="ignore").rpartition("\n")[0]
    return (whole_lines or text.encode()[:room].decode(errors="ignore")) + "\n…"

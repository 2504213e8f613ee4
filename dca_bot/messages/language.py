"""A language: the texts of one catalogue, and how the language writes numbers, dates and plurals.

Plural rules and the marks within numbers come from CLDR by Babel, under the locale that the catalogue
names (`locale.cldr`). The catalogue itself says how a whole amount, an instant or a day looks.
The invariant: an amount is written digit for digit from an integer, and never passes through a float
or a rounding decimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache

from babel import Locale
from babel.dates import DateTimePattern
from babel.dates import parse_pattern as parse_date_pattern
from babel.numbers import get_decimal_symbol, get_group_symbol, parse_pattern

from dca_bot.core.currencies import sign_of
from dca_bot.core.money import plain_decimal

_THOUSANDS = 3
_SATS_ALONE_MAX = 1_000_000
_COIN_DIGITS = 8
_WITHOUT_YEAR = {
    "locale.moment": "locale.moment_this_year",
    "locale.day": "locale.day_this_year",
}


@dataclass(frozen=True, slots=True)
class Language:
    """A catalogue, and the English catalogue for keys that a new language has no text for yet."""

    code: str
    texts: Mapping[str, str]
    english: Mapping[str, str]
    this_year: int | None = None
    """The reader's year, which dates leave out; None: dates have their year."""

    def template(self, key: str, n: object = None) -> str:
        """Return the text of a key; where the key has plural forms, the form of the number `n`.

        Raise KeyError if neither catalogue has the key, or a form for `n`.
        """
        for texts in (self.texts, self.english):
            found = texts.get(key) or _plural(texts, key, n)
            if found is not None:
                return found
        return self.english[key]

    def word(self, key: str, otherwise: str) -> str:
        """Return a term of the program, `otherwise` if neither catalogue has the term."""
        return self.texts.get(key) or self.english.get(key, otherwise)

    def number(self, amount: int, *, decimals: int) -> str:
        """Write an amount of the smallest unit with its groups, and its last digits as decimals."""
        marks = _number_marks(self._locale)
        return plain_decimal(amount, decimals, mark=marks.decimal, group=marks.grouped)

    def fiat(self, amount: int, currency: str, *, decimals: int) -> str:
        """Write an amount of a currency's smallest unit, `decimals` of whose digits are decimals.

        The currency's sign stands beside the number: `Q1,500.00`; the code, where no sign is the currency's
        alone.
        """
        sign = sign_of(currency)
        if sign is None:
            number = self.number(amount, decimals=decimals)
            return self.template("locale.fiat").format(number=number, currency=currency)
        number = self.number(abs(amount), decimals=decimals)
        signed = self.template("locale.fiat_signed").format(number=number, sign=sign)
        return f"-{signed}" if amount < 0 else signed

    def sats(self, sat: int) -> str:
        """Write an amount of sats, with bitcoin beside an amount above a million."""
        sats = self.template("locale.sats", sat).format(n=self.number(sat, decimals=0))
        if abs(sat) <= _SATS_ALONE_MAX:
            return sats
        coins = self.number(sat, decimals=_COIN_DIGITS)
        return self.template("locale.sats_and_coins").format(sats=sats, coins=coins)

    def percent(self, percent_bp: int) -> str:
        """Write a percentage of basis points, without zeros at the end of the decimals."""
        decimals = 2 if percent_bp % 10 else 1 if percent_bp % 100 else 0
        number = self.number(percent_bp // 10 ** (2 - decimals), decimals=decimals)
        return self.template("locale.percent").format(number=number)

    def date_text(self, key: str, at: datetime | date | time) -> str:
        """Write an instant, a day or a time of day, by the CLDR pattern of a key."""
        if not isinstance(at, time) and at.year == self.this_year:
            key = _WITHOUT_YEAR[key]
        pattern = _date_pattern(self.template(key))
        return pattern.apply(at, _locale(self._locale))

    @property
    def _locale(self) -> str:
        return self.template("locale.cldr")


def plural_form(locale: str, n: int) -> str:
    """Return CLDR's name of the plural form of a number: `one`, `few`, `other` and so on."""
    return str(_locale(locale).plural_form(n))


def plural_forms(locale: str) -> frozenset[str]:
    """Return CLDR's names of all plural forms of a language."""
    return frozenset({*_locale(locale).plural_form.tags, "other"})


def _plural(texts: Mapping[str, str], key: str, n: object) -> str | None:
    """Return the plural form of a key; the form `other` stands for each form without a text."""
    if not isinstance(n, int) or not texts.get("locale.cldr"):
        return None
    form = plural_form(texts["locale.cldr"], n)
    return texts.get(f"{key}.{form}") or texts.get(f"{key}.other")


@cache
def _locale(name: str) -> Locale:
    """Load the data of a locale, a megabyte or two; raise UnknownLocaleError if CLDR has none."""
    return Locale.parse(name)


@dataclass(frozen=True, slots=True)
class _NumberMarks:
    """What a language puts between the digits of a number, by CLDR."""

    decimal: str
    group: str
    last_group: int
    """How many digits the last group has; each group before has `other_groups` digits."""
    other_groups: int

    def grouped(self, whole: int) -> str:
        """Write a whole number, 0 or more, with its groups: `12,34,567` in Hindi."""
        if self.last_group == self.other_groups == _THOUSANDS:
            return f"{whole:,}".replace(",", self.group)
        digits = str(whole)
        groups = [digits[-self.last_group :]]
        rest = digits[: -self.last_group]
        while rest:
            groups.insert(0, rest[-self.other_groups :])
            rest = rest[: -self.other_groups]
        return self.group.join(groups)


@cache
def _number_marks(locale: str) -> _NumberMarks:
    cldr = _locale(locale)
    last, others = parse_pattern(cldr.decimal_formats[None].pattern).grouping
    return _NumberMarks(get_decimal_symbol(cldr), get_group_symbol(cldr), last, others)


@cache
def _date_pattern(pattern: str) -> DateTimePattern:
    return parse_date_pattern(pattern)

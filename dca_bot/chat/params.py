"""Parameters of commands: how each is shown, and how a text becomes a value.

A reader takes the text and the bot's currency, and raises CommandRefused for an unreadable text.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.chat.amounts import other_unit
from dca_bot.core.commission import parse_percent
from dca_bot.core.money import parse_fiat, parse_sat
from dca_bot.core.names import folded, mixes_scripts, skeleton, visible
from dca_bot.core.periods import MONTH_WORDS
from dca_bot.errors import DcaBotError, OtherUnit
from dca_bot.messages.lexicon import values_named
from dca_bot.messages.say import CommandRefused, refuse

ALL, LOW = "all", "low"
"""Readers of a message in place of a name: all clients, or those with a low balance."""
OFF = "off"
RANGE_DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365, ALL: None}
_NAME_LENGTH_MAX = 32
NOTE_LENGTH_MAX = 200
NUMBER_MAX = 10**9
_PAGE_MAX = 1000
_NAME = re.compile(r"\w[\w.-]*")
_NPUB = re.compile(r"(?i)(?:nostr:)?(?:npub|nprofile)1[0-9a-z]{10,}|[0-9a-f]{64}|knock-[0-9a-z]{6}")


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a command; only a command's last parameters may be optional.

    `rest`: the last parameter takes all remaining words. `verbatim`: the last parameter takes the
    remaining text with its line breaks. `takes_key`: whether a text is a key that belongs into this
    parameter; a key anywhere else is a secret sent by mistake. `choices`: the words to choose from, which
    are words of the command. `is_new_name`: the text names somebody new (`read_new_name`).
    """

    name: str
    read: Callable[[str, str], str | int]
    optional: bool = False
    rest: bool = False
    verbatim: bool = False
    takes_key: Callable[[str], bool] = lambda _text: False
    choices: tuple[str, ...] = ()
    is_new_name: bool = False


def choice(*words: str, wrong: Callable[[], CommandRefused]) -> Param:
    """Return an optional parameter: one of `words`, in any case; for other words raise `wrong()`."""

    def read(text: str, _currency: str) -> str:
        if text.lower() not in words:
            raise wrong()
        return text.lower()

    return Param("|".join(words), read, optional=True, choices=words)


def read_name(text: str, _currency: str) -> str:
    """Read a name as people write a name to address somebody: `@maria`, `maria:`."""
    name = unicodedata.normalize("NFC", text.removeprefix("@").rstrip(",:;"))
    _refuse_no_name(visible(name))
    return name


def is_npub(text: str) -> bool:
    """Tell whether a text has the form of a public key, or of a stranger's code that stands for the key."""
    return _NPUB.fullmatch(text) is not None


def read_who(text: str, currency: str) -> str:
    """Read who is meant: a name, or a public key as written."""
    return text if is_npub(text) else read_name(text, currency)


def read_new_name(text: str, reserved: Collection[str]) -> str:
    """Read a new name: a word of a single script that reads like no `reserved` word."""
    name = unicodedata.normalize("NFKC", visible(text))
    _refuse_no_name(name)
    if skeleton(name) in reserved:
        raise refuse("wrong.name_taken_by_command")
    if mixes_scripts(name):
        raise refuse("wrong.name_scripts")
    return name


def read_word(text: str, _currency: str) -> str:
    """Return a word that the command itself checks: a key, a destination, the beginning of an id."""
    return text


def read_note(text: str, _currency: str) -> str:
    """Read free text for the ledger."""
    if len(text) > NOTE_LENGTH_MAX:
        raise refuse("wrong.note_long", max=NOTE_LENGTH_MAX)
    return text


def read_fiat(text: str, currency: str) -> int:
    """Read an amount above 0 in minor units."""
    return _read_fiat(text, currency, minor_min=1)


def read_fiat_or_zero(text: str, currency: str) -> int:
    """Read an amount in minor units; 0 is an amount."""
    return _read_fiat(text, currency, minor_min=0)


def read_fiat_or_off(text: str, currency: str) -> str | int:
    """Read an amount above 0 in minor units, or the word `off`."""
    return OFF if text.lower() == OFF else read_fiat(text, currency)


def read_sat(text: str, _currency: str) -> int:
    """Read an amount in sats."""
    try:
        return parse_sat(text)
    except OtherUnit as error:
        raise other_unit(error.unit) from None
    except DcaBotError:
        raise refuse("wrong.sats") from None


def read_percent(text: str, _currency: str) -> int:
    """Read a percentage in basis points."""
    try:
        return parse_percent(text)
    except DcaBotError:
        raise refuse("wrong.percent") from None


def read_number(text: str, _currency: str) -> int:
    """Read the number of a deposit or hold: `5` or `#5`."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise refuse("wrong.number")
    if not 0 < int(digits) <= NUMBER_MAX:
        raise refuse("wrong.number")
    return int(digits)


def read_page(text: str, currency: str) -> int:
    """Read the number of a page, at most 1000."""
    try:
        return min(read_number(text, currency), _PAGE_MAX)
    except CommandRefused:
        raise refuse("wrong.page") from None


def month_named(text: str) -> str:
    """Return the month that a word means in any language, as commands name months; empty for another word.

    >>> month_named("Noviembre")
    'november'
    """
    word = folded(text)
    return word if word in MONTH_WORDS else values_named("month").get(word, "")


def _read_filter(text: str, currency: str) -> str:
    """Read a name, or the number of a page; `@7` is the name 7."""
    name = read_name(text, currency)
    if not name.isdecimal():
        return name
    return f"@{name}" if text.startswith("@") else str(read_page(name, currency))


def _read_range(text: str, _currency: str) -> str:
    """Read how far back a client looks: a key of RANGE_DAYS."""
    if text.lower() not in RANGE_DAYS:
        raise refuse("wrong.range")
    return text.lower()


def start_of(range_: str, now: datetime) -> datetime | None:
    """Return when a range begins; None if the range has no beginning."""
    days = RANGE_DAYS[range_]
    return None if days is None else now - timedelta(days=days)


PAGE = Param("PAGE", read_page, optional=True)
FILTER = Param("FILTER", _read_filter, optional=True)
"""A name before PAGE; a number alone is the page (`Args.filter`, `Args.page`)."""
RANGE = Param("RANGE", _read_range, optional=True)


def _refuse_no_name(name: str) -> None:
    if len(name) > _NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        raise refuse("wrong.name")


def _read_fiat(text: str, currency: str, *, minor_min: int) -> int:
    try:
        return parse_fiat(text, currency, minor_min=minor_min)
    except OtherUnit as error:
        raise other_unit(error.unit) from None
    except DcaBotError:
        raise refuse("wrong.amount") from None

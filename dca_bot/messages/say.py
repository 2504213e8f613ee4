"""Sayings: messages as values, each the key of a catalogue with the fields of the key's text.

Handlers return sayings and never write text. `render` alone decides how an amount or an instant looks in
a language.

>>> Say("balance.balance", balance=Fiat(150_000)).key  # "Balance: Q1,500.00" in English
'balance.balance'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain

from dca_bot.errors import DcaBotError


@dataclass(frozen=True, slots=True)
class Fiat:
    """An amount in minor units of the bot's currency."""

    minor: int


@dataclass(frozen=True, slots=True)
class Sat:
    """An amount in sats."""

    sat: int


@dataclass(frozen=True, slots=True)
class Percent:
    """A percentage in basis points."""

    percent_bp: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one coin in whole units, from a purchase: `minor` units for `sat` sats."""

    minor: int
    sat: int


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, shown in the programme's time zone."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """A date of the programme's calendar."""

    day: date


@dataclass(frozen=True, slots=True)
class Times:
    """Times of the day, in the programme's time zone."""

    times: tuple[time, ...]


@dataclass(frozen=True, slots=True)
class Tenths:
    """A number in tenths, shown with one decimal."""

    tenths: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A finite amount as another program has reported the amount, shown with all its decimals."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A value in the form that commands and other programs read, the same in each language."""

    value: Fiat | Moment


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a person passes on or types back; worthless after `expires_at`."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Npub:
    """A person's public key, shown as a link (NIP-21) that apps open."""

    npub: str


@dataclass(frozen=True, slots=True)
class Bolt11:
    """A Lightning invoice, shown as a link that wallets open."""

    bolt11: str


@dataclass(frozen=True, slots=True, init=False)
class Typed:
    """Command lines in English, shown between commas in the words of the reader's language.

    `is_joined`: lines with the same first word are joined, as in `client (add, close)`.
    """

    lines: tuple[str, ...]
    is_joined: bool

    def __init__(self, *lines: str, is_joined: bool = False) -> None:
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "is_joined", is_joined)


@dataclass(frozen=True, slots=True)
class LanguageName:
    """A language, under the name that speakers of the language use."""

    code: str


@dataclass(frozen=True, slots=True)
class LanguageOffer:
    """A language, as the language itself offers itself: `¿Prefiere español?`, with what to type."""

    code: str


@dataclass(frozen=True, slots=True)
class Word:
    """A term of the program, like a state or a reason: the key `word.GROUP.VALUE` of a catalogue.

    A term that no catalogue has is shown as the value itself.
    """

    group: str
    value: str


@dataclass(frozen=True, slots=True, init=False)
class Say:
    """A text of the catalogue with its fields; a field that is a tuple of sayings has a line for each."""

    key: str
    fields: Mapping[str, Field]

    def __init__(self, key: str, /, **fields: Field) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "fields", fields)


NOTHING = Say("nothing")
"""An empty text; among lines, no line."""
Number = Fiat | Sat | Percent | Rate | Tenths | Reported
Date = Moment | Day | Times
Link = Npub | Bolt11
Field = (
    Number
    | Date
    | Plain
    | Code
    | Link
    | Word
    | LanguageName
    | LanguageOffer
    | Typed
    | Say
    | tuple[Say, ...]
    | str
    | int
)


def expiry(say: Say) -> datetime | None:
    """Return when the first code in a saying becomes worthless; None for a saying without a code."""
    return min(_expiries(say), default=None)


class CommandRefused(DcaBotError):
    """A command can't be carried out; `say` tells the sender the reason and the next step."""

    def __init__(self, say: Say) -> None:
        super().__init__(say.key)
        self.say = say


def _expiries(field: Field) -> Iterator[datetime]:
    match field:
        case Code(expires_at=expires_at):
            yield expires_at
        case Say(fields=fields):
            yield from chain.from_iterable(map(_expiries, fields.values()))
        case tuple():
            yield from chain.from_iterable(map(_expiries, field))


def refuse(key: str, /, **fields: Field) -> CommandRefused:
    """Make the refusal of a command, for the caller to raise."""
    return CommandRefused(Say(key, **fields))

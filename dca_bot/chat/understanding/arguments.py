"""Finds the arguments that a token can be: an amount, a number, a name, a public key, a destination.

The invariant: nothing is corrected here; a destination that can't be paid keeps the form, for the refusal.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dca_bot.chat.params import is_npub
from dca_bot.chat.understanding.normaliser import Token
from dca_bot.chat.understanding.numbers import is_amount
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import mark_of
from dca_bot.core.destination_text import PAYABLE, Form, Reading, read_destination
from dca_bot.core.lnurl_code import is_lnurl_code

OPERATOR = "operator"
_CODE_MIN = 20
_ANY = re.compile(".*")
_NUMBER = re.compile(r"#?[0-9]{1,9}")
_MONTH = re.compile(r"2[0-9]{3}-(?:0[1-9]|1[0-2])")
_IDS = re.compile(r"#?[0-9]{1,9}(?:[,-]#?[0-9]{1,9})+")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
"""`1,500`, an amount or two ids."""
_PERCENT = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{1,2})?%?")
_PREFIX = re.compile(r"([a-z]{1,3})[0-9]+")
"""`z10` is a name, `q10` an amount."""
_NAME = re.compile(r"\w[\w.-]{1,31}")
_SCHEME = re.compile(r"(?i)(?:lightning|bitcoin|mailto|lnurl[pwc]?|keyauth|https?):")
_MEDIA = re.compile(
    r"(?i)https?://\S+\.(?:m4a|mp3|ogg|oga|opus|wav|aac|jpe?g|png|gif|webp|heic|mp4|mov|webm|pdf)\S*|data:\S+"
)
_UNPAYABLE = frozenset(
    {Form.INVOICE, Form.OFFER, Form.ON_CHAIN, Form.NOSTR_KEY, Form.WEB_PAGE, Form.OTHER_LETTERS}
    | {Form.LNURL_BROKEN, Form.LNURL_WITHDRAW, Form.LNURL_LOGIN, Form.LNURL_OTHER}
)


@dataclass(frozen=True, slots=True)
class Places:
    """The arguments that a token can be, and the form of a destination that can't be paid."""

    places: frozenset[str]
    unpayable: Form | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A token with the arguments that the token can be.

    `is_sure`: False for a word that is taken for a client's name only because no lexicon has the word.
    """

    token: Token
    places: Places
    is_sure: bool = True


NO_PLACES = Places(frozenset())


@dataclass(frozen=True, slots=True)
class Names(Collection[str]):
    """The clients' names, and the names of machines, that a message may hold; all folded."""

    clients: Collection[str] = ()
    machines: Collection[str] = ()

    def __contains__(self, word: object) -> bool:
        return word in self.clients

    def __iter__(self) -> Iterator[str]:
        return iter(self.clients)

    def __len__(self) -> int:
        return len(self.clients)


def is_media(text: str) -> bool:
    """Tell whether a text is a link to a picture, a voice message or another file."""
    return _MEDIA.fullmatch(text.strip()) is not None


def destination_of(text: str) -> Reading:
    """Read a text as a destination; among other words, a name without a domain is no address."""
    found = read_destination(text)
    is_name = found.form is Form.ADDRESS and not _has_domain(found.value)
    return Reading(Form.UNKNOWN) if is_name else found


def places_in(left: Sequence[Said]) -> frozenset[str]:
    """Return the arguments that some of the tokens can be."""
    return frozenset[str]().union(*(one.places.places for one in left))


def take(wanted: str, left: list[Said]) -> Said | None:
    """Take the first token that can be an argument out of the tokens; None without one."""
    place = next((n for n, one in enumerate(left) if wanted in one.places.places), None)
    return None if place is None else left.pop(place)


def places_of(token: Token, before: str, vocabulary: Vocabulary, names: Collection[str]) -> Places:
    """Return the arguments that a token can be; `before` is the word before the token."""
    is_operator = vocabulary.role == OPERATOR
    if token.word in names:
        return Places(frozenset({"NAME"}))
    if _MONTH.fullmatch(token.word):
        return Places(frozenset({"MONTH"}))
    if is_operator and is_npub(token.raw):
        return Places(frozenset({"NPUB"}))
    destination = _destination_places(token)
    if destination.places:
        return destination
    numbers = _number_places(token, vocabulary)
    if not numbers and is_operator and can_be_name(token, before, vocabulary):
        return Places(frozenset({"NAME"}))
    return Places(numbers)


def can_be_name(token: Token, before: str, vocabulary: Vocabulary) -> bool:
    """Tell whether a word that no lexicon has can be a name; `before` is the word before."""
    if not _NAME.fullmatch(token.raw) or token.word.isdecimal():
        return False
    match = vocabulary.match(token.word)
    if match.words:
        introduces = vocabulary.list_of("mood", "introducing")
        return match.is_corrected and (match.is_typo or before in introduces)
    return not vocabulary.is_known(token.word)


def _destination_places(token: Token) -> Places:
    text = token.raw
    is_short = len(text) < _CODE_MIN and not is_lnurl_code(text)
    if "@" not in text and is_short and not _SCHEME.match(text):
        return NO_PLACES
    found = destination_of(text)
    if found.form in PAYABLE:
        return Places(frozenset({"DESTINATION"}))
    is_address = "@" in text.strip("@")
    if found.form in _UNPAYABLE or is_address:
        return Places(frozenset({"DESTINATION"}), found.form)
    return NO_PLACES


def _number_places(token: Token, vocabulary: Vocabulary) -> frozenset[str]:
    if _IDS.fullmatch(token.word):
        return frozenset({"ID", "AMOUNT"} if _THOUSANDS.fullmatch(token.word) else {"ID"})
    prefix = _PREFIX.fullmatch(token.word)
    if not is_amount(token) or (prefix and mark_of(prefix[1], vocabulary.currency) is None):
        return frozenset()
    patterns = {"AMOUNT": _ANY, "ID": _NUMBER, "PERCENT": _PERCENT}
    return frozenset(place for place, one in patterns.items() if one.fullmatch(token.word))


def _has_domain(address: str) -> bool:
    host = address.rpartition("@")[2]
    return "." in host.strip(".") or ":" in host or host == "localhost"

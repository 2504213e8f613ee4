"""Reads a text that somebody sent as a destination: a Lightning address, an LNURL-pay code, an invoice key.

Marks that apps and people put around an address are removed. A name, a host or a key is never
corrected. A code that stands for a Lightning address (LUD-01, LUD-16, LUD-17) is read as the
address. A text that can't be paid is read as a form, for a refusal of the form's own.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from dca_bot.core.lnurl_code import decode_lnurl, is_lnurl_code, pay_link, url_of
from dca_bot.core.names import visible

TEXT_CHARS_MAX = 2_500
"""A longer text is no destination; the longest known are LNURL codes and BIP 21 URIs."""
_NESTED_MAX = 3  # schemes can be nested without end: lightning:lnurlp:…
_KEY = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"[a-z0-9._+-]{1,64}@[a-z0-9.:\[\]-]{1,190}")
_WELL_KNOWN = re.compile(r"/\.well-known/lnurlp/([^/]+)/?")
_SCHEME = re.compile(r"(?i)(lightning|mailto|nostr|bitcoin|lnurl[pwc]?|keyauth|https?):(?://)?\s*")
_LINK = re.compile(r"(?i)(?:lightning:)?lnurlp:")
_LINK_ENDS = "/=_-"
"""Marks that can belong to the end of a pay link."""
_SPACED_AT = re.compile(r"\s*@\s*")
_BULLET = re.compile(r"[-*•·\u2013]\s+")
_IN_ANGLES = re.compile(r"<([^<>]+)>\W*$")
_SPELLED_AT = re.compile(r"(?i)\S+\s*[(\[]?\b(at|arroba)\b[)\]]?\s*\S+\.\S+")
_INVOICE = re.compile(r"(?i)ln(bc|tb|bcrt|tbs|sb)[0-9a-z]{20,}")
_OFFER = re.compile(r"(?i)ln[oir]1[0-9a-z]{10,}")
_NOSTR = re.compile(r"(?i)(npub|nprofile)1[0-9a-z]{10,}")
_ON_CHAIN = re.compile(
    r"(?i:(?:bc|tb|bcrt)1[0-9a-z]{20,}|sp1[0-9a-z]{50,})"
    r"|[13][1-9A-HJ-NP-Za-km-z]{25,34}|[xyz]pub[1-9A-HJ-NP-Za-km-z]{50,}"
)
_PHONE = re.compile(r"\+?(?:[\s().-]*[0-9]){7,15}")
_INSIDE_NAME = "._+-"


class Form(StrEnum):
    """The form of a text; only the forms of PAYABLE can be paid."""

    ADDRESS = "address"
    INVOICE_KEY = "invoice_key"
    INVOICE = "invoice"
    OFFER = "offer"
    ON_CHAIN = "on_chain"
    LNURL = "lnurl"
    """An LNURL-pay code or pay link; whether the code is for payments, only the code's server tells."""
    LNURL_WITHDRAW = "lnurl_withdraw"
    """An LNURL that gives sats away (LUD-03)."""
    LNURL_LOGIN = "lnurl_login"
    """An LNURL for logging in (LUD-04)."""
    LNURL_OTHER = "lnurl_other"
    """An LNURL for another service: a channel (LUD-02), for example."""
    LNURL_BROKEN = "lnurl_broken"
    NOSTR_KEY = "nostr_key"
    WEB_PAGE = "web_page"
    PHONE = "phone"
    SPELLED_AT = "spelled_at"
    """An address whose @ is written as a word."""
    OTHER_LETTERS = "other_letters"
    """An address with letters that no Lightning address has: accents, other alphabets."""
    SEVERAL = "several"
    UNKNOWN = "unknown"


PAYABLE = frozenset({Form.ADDRESS, Form.INVOICE_KEY, Form.LNURL})
_SERVICES = {
    "login": Form.LNURL_LOGIN,
    "withdrawRequest": Form.LNURL_WITHDRAW,
    "channelRequest": Form.LNURL_OTHER,
}
"""The form of an LNURL by the parameter `tag` of the URL, where a URL has one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The form of a text. `value`: what is paid, for the forms of PAYABLE; empty for other forms.

    An address, a key and a code are in small letters; a pay link keeps the letters of the path.
    """

    form: Form
    value: str = ""


def is_wallet_key(text: str) -> bool:
    """Tell whether a text has the shape of a wallet's key at LNbits, admin key or invoice key."""
    return _KEY.fullmatch(text) is not None


def read_destination(text: str) -> Reading:
    """Read a text that was sent as a destination.

    >>> read_destination("⚡<Ana@Example.com>.")
    Reading(form=<Form.ADDRESS: 'address'>, value='ana@example.com')
    """
    if len(text) > TEXT_CHARS_MAX:
        return Reading(Form.UNKNOWN)
    plain = visible(unicodedata.normalize("NFKC", text))
    return _read(_SPACED_AT.sub("@", plain), _NESTED_MAX)


def _read(text: str, nested: int) -> Reading:
    bare = _bare(text)
    lower = bare.lower()
    if is_wallet_key(lower):
        return Reading(Form.INVOICE_KEY, lower)
    scheme = _SCHEME.match(bare)
    if scheme and nested:
        return _read_uri(scheme[1].lower(), bare[scheme.end() :], nested - 1)
    if _ADDRESS.fullmatch(lower):
        return Reading(Form.ADDRESS, lower)
    if is_lnurl_code(bare) and bare.isalnum():
        return _read_lnurl(bare.lower() if decode_lnurl(bare) else "")
    return Reading(_form(bare))


def _bare(text: str) -> str:
    """Remove quotes, brackets, emoji, coins' signs and a sentence's end around an address."""
    text = _BULLET.sub("", text.strip(), count=1) if _BULLET.match(text.strip()) else text.strip()
    inner = _IN_ANGLES.search(text)
    before = text[: inner.start()].strip() if inner else ""
    if inner and ("@" not in before or before.lower() == _without_scheme(inner[1])):
        text = inner[1]
    text = text.partition("](")[0]
    first = next((n for n, char in enumerate(text) if _is_inside(char)), len(text))
    text = text[first:]
    ends = _LINK_ENDS if _LINK.match(text) else "]" if "[" in text else ""
    while text and not (text[-1].isalnum() or text[-1] in ends):
        text = text[:-1]
    return text


def _without_scheme(text: str) -> str:
    return _SCHEME.sub("", text.strip(), count=1).partition("?")[0].strip().lower()


def _is_inside(char: str) -> bool:
    return char.isalnum() or char in _INSIDE_NAME


def _read_uri(scheme: str, rest: str, nested: int) -> Reading:
    """Read the part of a URI behind the scheme."""
    match scheme:
        case "lightning" | "nostr" | "lnurl":
            found = _read(rest, nested)
        case "mailto":
            found = _read(rest.partition("?")[0], nested)
        case "bitcoin":
            found = _read_parameter(rest, nested) or Reading(Form.ON_CHAIN)
        case "lnurlp":
            found = _read_lnurl(pay_link(rest)) if "/" in rest else _read(rest, nested)
        case "http" | "https":
            page = _read_parameter(rest, nested) or Reading(Form.WEB_PAGE)
            found = _address_in(_split(f"https://{rest}")) or page
        case "lnurlw":
            found = Reading(Form.LNURL_WITHDRAW)
        case "keyauth":
            found = Reading(Form.LNURL_LOGIN)
        case _:
            found = Reading(Form.LNURL_OTHER)
    return found


def _read_lnurl(value: str) -> Reading:
    """Read an LNURL code or a pay link."""
    url = _split(url_of(value) or "")
    if url is None or not url.netloc:
        return Reading(Form.LNURL_BROKEN)
    tag = parse_qs(url.query).get("tag", [""])[0]
    if tag in _SERVICES:
        return Reading(_SERVICES[tag])
    return _address_in(url) or Reading(Form.LNURL, value)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _address_in(url: SplitResult | None) -> Reading | None:
    """Return the Lightning address that a URL of LUD-16 stands for; None for other URLs."""
    name = _WELL_KNOWN.fullmatch(url.path) if url and not url.query else None
    if url is None or name is None or url.scheme not in ("http", "https"):
        return None
    address = f"{name[1]}@{url.netloc}".lower()
    return Reading(Form.ADDRESS, address) if _ADDRESS.fullmatch(address) else None


def _read_parameter(rest: str, nested: int) -> Reading | None:
    """Read the parameter `lightning` of a URI (BIP 21, LUD-01), if present."""
    for name, value in parse_qsl(rest.partition("?")[2]):
        if name.lower() == "lightning":
            return _read(value, nested)
    return None


def _form(bare: str) -> Form:
    """Tell the form of a text that can't be paid."""
    for form, pattern in (
        (Form.INVOICE, _INVOICE),
        (Form.OFFER, _OFFER),
        (Form.NOSTR_KEY, _NOSTR),
        (Form.ON_CHAIN, _ON_CHAIN),
        (Form.PHONE, _PHONE),
        (Form.SPELLED_AT, _SPELLED_AT),
    ):
        if pattern.fullmatch(bare):
            return form
    if bare.count("@") > 1 and len(re.split(r"[\s,;]+", bare)) > 1:
        return Form.SEVERAL
    if "@" in bare and not bare.isascii():
        return Form.OTHER_LETTERS
    return Form.UNKNOWN

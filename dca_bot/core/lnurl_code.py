"""Reads LNURL codes (LUD-01: a URL in bech32, copied from a QR code) and pay links (LUD-17: `lnurlp://`)."""

import re
from urllib.parse import urlsplit

from dca_bot.core.bech32 import read_bech32

_PREFIX = "lnurl"
_CODE_CHARS_MAX = 2_000
_PAY_LINK = "lnurlp://"
_VISIBLE = re.compile(r"[!-~]+")


def is_lnurl_code(text: str) -> bool:
    """Tell whether a text begins as an LNURL code does, whole or not."""
    return text.lower().startswith(f"{_PREFIX}1")


def decode_lnurl(code: str) -> str | None:
    """Return the URL in an LNURL code; None if letters are missing or mistyped.

    >>> decode_lnurl("LNURL1DP68GURN8GHJ7ETCV9KHQMR99E3K7MF0WPSHJFSW80U")
    'https://example.com/pay'
    """
    found = read_bech32(code) if len(code) <= _CODE_CHARS_MAX else None
    if found is None or found[0] != _PREFIX:
        return None
    try:
        return _to_bytes(found[1]).decode("ascii")
    except UnicodeDecodeError:
        return None


def pay_link(rest: str) -> str:
    """Write a pay link (LUD-17) from host and path: the host in small letters, the path as given.

    >>> pay_link("Example.com/Pay?id=7")
    'lnurlp://example.com/Pay?id=7'
    """
    host, slash, path = rest.partition("/")
    return f"{_PAY_LINK}{host.lower()}{slash}{path}"


def url_of(value: str) -> str | None:
    """Return the URL that an LNURL code or a pay link stands for; None for another text.

    >>> url_of("lnurlp://example.com/Pay?id=7")
    'https://example.com/Pay?id=7'
    """
    if value.startswith(_PAY_LINK):
        url: str | None = f"https://{value.removeprefix(_PAY_LINK)}"
    else:
        url = decode_lnurl(value)
    return url if url is not None and _is_web_address(url) else None


def host_of(value: str) -> str:
    """Return the host of the URL that an LNURL code or a pay link stands for; empty for another text."""
    url = url_of(value)
    return urlsplit(url).netloc.rpartition("@")[2].lower() if url else ""


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and parts.netloc != ""
    return is_web and _VISIBLE.fullmatch(url) is not None


def _to_bytes(values: list[int]) -> bytes:
    """Join groups of 5 bits to bytes; remaining bits are padding."""
    found, bits, held = bytearray(), 0, 0
    for value in values:
        held, bits = (held << 5 | value) & 0xFFF, bits + 5
        if bits >= 8:
            bits -= 8
            found.append(held >> bits & 0xFF)
    return bytes(found)

"""Reads LNURL codes (LUD-01: a URL in bech32, copied from a QR code) and pay links (LUD-17: `lnurlp://`)."""

import re
from urllib.parse import urlsplit

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = "lnurl"
_CHECKSUM_LETTERS = 6
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
    lower = code.lower()
    # BIP 173: a code in mixed case is invalid.
    if code not in (lower, code.upper()) or len(code) > _CODE_CHARS_MAX or not is_lnurl_code(code):
        return None
    letters = lower.removeprefix(f"{_PREFIX}1")
    if len(letters) < _CHECKSUM_LETTERS or not set(letters) <= set(_ALPHABET):
        return None
    values = [_ALPHABET.index(letter) for letter in letters]
    expanded = [ord(c) >> 5 for c in _PREFIX] + [0] + [ord(c) & 31 for c in _PREFIX]
    if _checksum([*expanded, *values]) != 1:
        return None
    try:
        return _to_bytes(values[:-_CHECKSUM_LETTERS]).decode("ascii")
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


def _checksum(values: list[int]) -> int:
    """Return BIP 173's checksum: 1 for a complete code."""
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for place, factor in enumerate(_GENERATOR):
            state ^= factor if (top >> place) & 1 else 0
    return state


def _to_bytes(values: list[int]) -> bytes:
    """Join groups of 5 bits to bytes; remaining bits are padding."""
    found, bits, held = bytearray(), 0, 0
    for value in values:
        held, bits = (held << 5 | value) & 0xFFF, bits + 5
        if bits >= 8:
            bits -= 8
            found.append(held >> bits & 0xFF)
    return bytes(found)

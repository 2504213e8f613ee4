"""Fetches a whole HTTP answer within bounds of size and time."""

import asyncio
import json
import os
import re
import ssl
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from dca_bot.errors import DcaBotError, in_words

_WORDS_CHARS_MAX = 160
# httpx lets errors of ssl and of sockets through at times. A redirect's broken web address makes httpx
# fail (InvalidURL, idna.IDNAError, ValueError), though redirects aren't followed.
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
_SECRET = re.compile(r"[0-9A-Za-z_-]{32,}")


class NoAnswer(DcaBotError):
    """No answer came: `reason` is a fault of the network, the time limit, or an answer too large."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoConnection(NoAnswer):
    """No connection came about, by TCP or by TLS: the server got no request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with the whole body; `location` is a redirect's target.

    `reason`: the words of the header X-Reason, by which file servers (Blossom) explain a refusal.
    """

    status: int
    body: bytes
    location: str = ""
    reason: str = ""

    def json(self) -> Any:
        """Return the body as JSON; None for a body that isn't JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def words(self, name: str) -> str:
        """Return a text member of the JSON object, fit for a person and a log; else empty."""
        value = self.json()
        text = value.get(name) if isinstance(value, dict) else None
        return _clean_words(text) if isinstance(text, str) else ""


def no_cookies() -> CookieJar:
    """Return a cookie jar that stays empty: cookies would fill the memory and let hosts recognize the bot."""
    return CookieJar(DefaultCookiePolicy(netscape=False, rfc2965=False))


def tls_context() -> ssl.SSLContext:
    """Return the context that trusts certifi's authorities, or those of SSL_CERT_FILE or SSL_CERT_DIR."""
    return _context_of(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@cache
def _context_of(*_authorities: str) -> ssl.SSLContext:
    # Reading the authorities takes 25 ms.
    return httpx.create_ssl_context()


async def fetch(
    http: httpx.AsyncClient, request: httpx.Request, *, size_max: int, limit_s: float
) -> Reply:
    """Send a request and read at most `size_max` bytes within `limit_s` seconds in all.

    Redirects are not followed. The answer is not unpacked, so the limit counts the bytes that came.
    Raise NoConnection if the server got no request, NoAnswer if the server may have acted all the
    same.
    """
    # A small compressed answer could unpack to gigabytes.
    request.headers["Accept-Encoding"] = "identity"
    try:
        async with asyncio.timeout(limit_s):
            response = await http.send(request, stream=True, follow_redirects=False)
            try:
                body = await _read(response, size_max)
            finally:
                await response.aclose()
    except TimeoutError as error:
        raise NoAnswer(f"no answer within {limit_s:g} s") from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NoConnection(_reason(error)) from error
    except _FAULTS as error:
        raise NoAnswer(_reason(error)) from error
    headers = response.headers
    reason = _clean_words(headers.get("X-Reason", ""))
    return Reply(response.status_code, body, headers.get("Location", ""), reason)


def _clean_words(text: str) -> str:
    """Shorten another program's words to one line; a text that looks like a key or an invoice becomes `…`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _SECRET.sub("…", line)
    return line if len(line) <= _WORDS_CHARS_MAX else line[: _WORDS_CHARS_MAX - 1] + "…"


def _reason(error: Exception) -> str:
    """Say why no answer came; a garbled answer's own words are left out."""
    match error:
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.NetworkError() | OSError():
            return _clean_words(in_words(error))
        case httpx.RemoteProtocolError():
            return "the connection broke"
        case _:
            return "an answer that can't be read"


async def _read(response: httpx.Response, size_max: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > size_max:
            raise NoAnswer(f"an answer of more than {size_max} bytes")
    return bytes(body)

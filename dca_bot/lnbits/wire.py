"""Fetch one HTTP answer whole, within bounds of size and time.

No answer can fill the memory or hold a caller longer than its limit.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from dca_bot.errors import DcaBotError, in_words

WORDS_CHARS_MAX = 160
# httpx lets ssl's and the sockets' own errors through at times, and stumbles over a redirect's
# broken web address (InvalidURL, idna.IDNAError, ValueError) though it isn't to follow it.
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
_SECRET = re.compile(r"[0-9A-Za-z_-]{32,}")


class NoAnswer(DcaBotError):
    """The network failed, the time was over or the answer too large; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoConnection(NoAnswer):
    """No connection came about, by TCP or by TLS, so nothing was asked."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with its whole body; `location` is where a redirect points."""

    status: int
    body: bytes
    location: str = ""

    def json(self) -> Any:
        """Return the body as JSON, or None if it isn't."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def words(self, name: str) -> str:
        """Return a text member of the JSON object, fit for a person and a log; else empty."""
        value = self.json()
        text = value.get(name) if isinstance(value, dict) else None
        return clean_words(text) if isinstance(text, str) else ""


def no_cookies() -> CookieJar:
    """Return a jar that takes no cookies: they would fill the memory and tell hosts who asks."""
    return CookieJar(DefaultCookiePolicy(netscape=False, rfc2965=False))


async def fetch(
    http: httpx.AsyncClient, request: httpx.Request, *, size_max: int, limit_s: float
) -> Reply:
    """Send a request and read at most `size_max` bytes within `limit_s` seconds in all.

    Redirects are not followed, and nothing is unpacked: what is counted is what came. Raise
    NoAnswer; unless it is NoConnection, what was asked may have happened all the same.
    """
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
    return Reply(response.status_code, body, response.headers.get("Location", ""))


def clean_words(text: str) -> str:
    """Shorten another program's words to one line and drop what looks like a key or an invoice."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _SECRET.sub("…", line)
    return line if len(line) <= WORDS_CHARS_MAX else line[: WORDS_CHARS_MAX - 1] + "…"


def _reason(error: Exception) -> str:
    """Say why there is no answer; not in the words of one that can't be read."""
    match error:
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.NetworkError() | OSError():
            return clean_words(in_words(error))
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

"""Names what is wrong with a relay: errors of the network and words of the relay become a Trouble."""

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from html import unescape

from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    SecurityError,
    WebSocketException,
)

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.errors import in_words, one_line

_CERTIFICATE_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED; Python has no name for OpenSSL's numbers
_OTHER_NAME = 62
_SELF_SIGNED = (18, 19)
_CUT = "the connection was cut"
_REDIRECTS = range(300, 400)
_PAGE = re.compile(r"\s*<(!doctype|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>\s*([^<]*)", re.IGNORECASE)
# The search for a title takes time with the square of the length.
_BODY_BYTES_READ = 4_096
_BY_WORDS = {
    "auth-required": RelayTrouble.AUTH,
    "restricted": RelayTrouble.AUTH,
    "pow": RelayTrouble.PROOF_OF_WORK,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a relay; `detail` is an English sentence, `words` are the relay's own."""

    code: RelayTrouble
    detail: str
    words: str = ""
    status: int = 0


def trouble_of(error: BaseException) -> Trouble:
    """Name the failure of an attempt to connect, or the end of a connection."""
    detail = in_words(error)
    match error:
        case InvalidStatus(response=response):
            body = (response.body or b"")[:_BODY_BYTES_READ]
            words = one_line(_text_of(body.decode(errors="replace")))
            status = response.status_code
            code = RelayTrouble.REDIRECT if status in _REDIRECTS else RelayTrouble.HTTP_STATUS
            return Trouble(code, detail, words, status)
        case ConnectionClosed(rcvd=None, sent=None):
            return Trouble(RelayTrouble.LOST, _CUT)
        case ConnectionClosed(rcvd=received):
            return Trouble(RelayTrouble.LOST, detail, one_line(received.reason if received else ""))
        case ConnectionError() if not str(error):
            return Trouble(RelayTrouble.LOST, _CUT)
    return Trouble(_code_of(error), detail)


def _text_of(body: str) -> str:
    """Return the text of an HTTP answer; of a page in HTML the title."""
    if not _PAGE.match(body):
        return body
    title = _TITLE.search(body)
    return unescape(title[1]) if title else ""


def trouble_said(code: RelayTrouble, words: str) -> Trouble:
    """Name a trouble that the relay itself told in `words`, a reason after CLOSED or OK for example.

    The prefix of the words (NIP-01, `auth-required: …`) wins over `code`.
    """
    words = one_line(words)
    code = _BY_WORDS.get(words.partition(":")[0], code)
    return Trouble(code, words or "no reason given", words)


def unreached(relay: str, trouble: Trouble) -> RelayAnswer:
    """Return the answer of a relay that took no message because of a trouble."""
    return RelayAnswer(
        relay,
        accepted=False,
        reason=_REASONS.get(trouble.code, Undelivered.NO_CONNECTION),
        trouble=trouble.code,
        words=trouble.words,
    )


_REASONS = {
    RelayTrouble.BAD_URL: Undelivered.UNUSABLE_LIST,
    RelayTrouble.NOT_PUBLIC: Undelivered.UNUSABLE_LIST,
    RelayTrouble.NO_ANSWER: Undelivered.NO_ANSWER,
    RelayTrouble.AUTH: Undelivered.REFUSED,
    RelayTrouble.REFUSED: Undelivered.REFUSED,
    RelayTrouble.PROOF_OF_WORK: Undelivered.REFUSED,
}
_BY_ERROR: tuple[tuple[type[BaseException], RelayTrouble], ...] = (
    (TimeoutError, RelayTrouble.TIMEOUT),
    (ssl.SSLError, RelayTrouble.TLS),
    (socket.gaierror, RelayTrouble.NO_HOST),
    (UnicodeError, RelayTrouble.NO_HOST),
    (ConnectionRefusedError, RelayTrouble.CONNECTION_REFUSED),
    (ConnectionError, RelayTrouble.LOST),
    (OSError, RelayTrouble.UNREACHABLE),
    (InvalidURI, RelayTrouble.BAD_URL),
    (WebSocketException, RelayTrouble.NO_WEBSOCKET),
    (ValueError, RelayTrouble.BAD_URL),
)
"""The trouble of each error; a class stands before its base class."""
_BY_CERTIFICATE = {
    _CERTIFICATE_EXPIRED: RelayTrouble.TLS_EXPIRED,
    _OTHER_NAME: RelayTrouble.TLS_OTHER_NAME,
} | dict.fromkeys(_SELF_SIGNED, RelayTrouble.TLS_SELF_SIGNED)


def _code_of(error: BaseException) -> RelayTrouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_CERTIFICATE.get(error.verify_code, RelayTrouble.TLS)
    # A redirect that websockets doesn't follow: to another host, to no relay's URL, or one too many.
    if (
        isinstance(error.__cause__ or error.__context__, InvalidStatus)
        or type(error) is SecurityError
    ):
        return RelayTrouble.REDIRECT
    # Several addresses that failed in different ways: asyncio names each in the text alone.
    if isinstance(error, OSError) and f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return RelayTrouble.CONNECTION_REFUSED
    found = (code for kind, code in _BY_ERROR if isinstance(error, kind))
    return next(found, RelayTrouble.FAILED)

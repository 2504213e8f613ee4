"""Relay URLs: one form for comparison, and which URLs can lead to a relay of the public internet."""

from functools import lru_cache
from urllib.parse import urlsplit

from dca_bot.core.internet import is_address, is_public

_URL_CHARS_MAX = 200
_KNOWN_MAX = 4_096
_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_PRIVATE_ENDINGS = (".onion", ".i2p", ".local", ".localhost", ".internal", ".lan", ".home.arpa")
"""Ends of host names that the public DNS never resolves."""


def normalize(url: str) -> str | None:
    """Write a relay's URL in the form used for comparison; None for a text that is no relay's URL.

    >>> normalize("WSS://Relay.example:443/")
    'wss://relay.example'
    >>> normalize("https://relay.example") is None
    True
    """
    if len(url) > _URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return None
    return _normalized(url)


def default_port(scheme: str) -> int:
    """Return the port of a relay's URL without a port; KeyError for another scheme than ws and wss."""
    return _DEFAULT_PORTS[scheme]


@lru_cache(_KNOWN_MAX)
def may_be_public(url: str) -> bool:
    """Tell whether a normalized URL may lead to a public relay; only DNS knows for sure.

    >>> [may_be_public(url) for url in ("wss://a.example", "ws://a.example", "wss://a.onion")]
    [True, False, False]
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "wss":
        return False
    if is_address(host):
        return is_public(host)
    return "." in host and not host.endswith(_PRIVATE_ENDINGS)


@lru_cache(_KNOWN_MAX)
def _normalized(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = parts.hostname.removesuffix(".")
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}{query}"

"""Decides which relays chosen by other people may be connected to: wss, at public addresses only.

Anybody can publish a 10050 list: no list may lead the bot into the network that the bot runs in.
The connection goes to the addresses that were checked (`Endpoint`), so a DNS answer can't change in
between.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from dca_bot.core.internet import public_addresses
from dca_bot.nostr.relay_socket import Endpoint

_RESOLVE_LIMIT_S = 5
_URL_CHARS_MAX = 200
_DEFAULT_PORTS = {"ws": 80, "wss": 443}


def normalize(url: str) -> str | None:
    """Write a relay's URL in the form used for comparison; None for a text that is no relay's URL.

    >>> normalize("WSS://Relay.example:443/")
    'wss://relay.example'
    >>> normalize("https://relay.example") is None
    True
    """
    if len(url) > _URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return None
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


async def find_public(url: str) -> Endpoint | None:
    """Resolve a relay's URL to the host's public addresses; None for none, and for a URL that isn't wss."""
    parts = urlsplit(url)
    if parts.scheme != "wss" or not parts.hostname:
        return None
    port = parts.port or _DEFAULT_PORTS["wss"]
    try:
        async with asyncio.timeout(_RESOLVE_LIMIT_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                parts.hostname, port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError):
        return None
    hosts = public_addresses(str(address[0]) for *_, address in found)
    return Endpoint(hosts, port) if hosts else None

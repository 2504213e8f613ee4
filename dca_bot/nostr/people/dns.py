"""Decides which relays chosen by other people may be connected to: wss, at public addresses only.

Anybody can publish a 10050 list: no list may lead the bot into the network that the bot runs in.
The connection goes to the addresses that were checked (`Endpoint`), so a DNS answer can't change in
between.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from dca_bot.core.internet import public_addresses
from dca_bot.core.relay_urls import default_port
from dca_bot.nostr.relays.relay_socket import Endpoint

_RESOLVE_LIMIT_S = 5


async def find_public(url: str) -> Endpoint | None:
    """Resolve a relay's URL to the host's public addresses; None for none, and for a URL that isn't wss."""
    parts = urlsplit(url)
    if parts.scheme != "wss" or not parts.hostname:
        return None
    port = parts.port or default_port("wss")
    try:
        async with asyncio.timeout(_RESOLVE_LIMIT_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                parts.hostname, port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError):
        return None
    hosts = public_addresses(str(address[0]) for *_, address in found)
    return Endpoint(hosts, port) if hosts else None

"""Opens a WebSocket to a relay within time limits, at a name or at addresses that were checked.

A redirect is followed to the same host only: a relay, even one of the configuration, must not choose hosts in
the network of the bot.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from dca_bot.core.internet import by_turns, is_address

OPEN_LIMIT_S = 10
_ADDRESS_LIMIT_S = 2
"""How long one address of a relay may take to open if another address is left to try."""
_NEXT_ADDRESS_S = 0.25
"""How long after one address of the bot's own relay the next is tried beside it (RFC 8305)."""
_CLOSE_LIMIT_S = 2
# Relays take smaller events from writers: no stranger's large event should end the bot's connection.
_FRAME_BYTES_MAX = 4 * 1024 * 1024
_LARGE_FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The limit at a relay that holds an event above the usual limit: the event is read, and dropped unparsed."""
_FRAMES_QUEUED_MAX = 16
_GUEST_FRAME_BYTES_MAX = 1024 * 1024
"""The limit at a relay that is visited: many are visited at once, and other people chose the relays."""
_GUEST_FRAMES_QUEUED_MAX = 2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The addresses behind a relay's host name, at least one, in the order to try."""

    hosts: tuple[str, ...]
    port: int


async def open_socket(
    url: str,
    endpoint: Endpoint | None = None,
    *,
    is_guest: bool = False,
    large_frames: bool = False,
    one_by_one: bool = False,
) -> ClientConnection:
    """Open a connection to the relay's name, or to the endpoint's addresses one after the other.

    `is_guest`: take frames of 1 MiB alone. `large_frames`: take frames of 64 MiB, one at a time, instead of
    frames of 4 MiB, unless `is_guest`. `one_by_one`: try the
    addresses behind the relay's name one after the other too, up to the relay's own answer: the first may
    take connections and say nothing. Raise OSError, WebSocketException or ValueError (a broken URL) as
    websockets does.
    """
    frames: dict[str, Any] = {"max_size": _FRAME_BYTES_MAX, "max_queue": _FRAMES_QUEUED_MAX}
    if is_guest:
        frames = {"max_size": _GUEST_FRAME_BYTES_MAX, "max_queue": _GUEST_FRAMES_QUEUED_MAX}
    elif large_frames:
        frames = {"max_size": _LARGE_FRAME_BYTES_MAX, "max_queue": 1}
    if endpoint is None and one_by_one:
        endpoint = await _resolve(url)
    if endpoint is None:
        # Of a race that is called off Python leaves the socket to be collected: an address alone runs none.
        delay_s = None if is_address(parse_uri(url).host) else _NEXT_ADDRESS_S
        return await _open_at(url, happy_eyeballs_delay=delay_s, **frames)
    fixed: dict[str, Any] = {"port": endpoint.port, "proxy": None, **frames}
    *others, last = endpoint.hosts
    share_s = min(_ADDRESS_LIMIT_S, OPEN_LIMIT_S / (len(others) + 2))
    for host in others:
        # A relay's answer, a refusal too, is another error: no further address is tried then.
        with suppress(OSError, InvalidMessage):
            return await _open_at(url, limit_s=share_s, host=host, **fixed)
    return await _open_at(url, host=last, **fixed)


async def _resolve(url: str) -> Endpoint | None:
    """Return the addresses behind a relay's name; None if a proxy resolves the name."""
    place = parse_uri(url)
    if get_proxy(place) is not None:
        return None
    found = await asyncio.get_running_loop().getaddrinfo(
        place.host, place.port, type=socket.SOCK_STREAM
    )
    return Endpoint(by_turns(str(address[0]) for *_, address in found), place.port)


async def _open_at(url: str, *, limit_s: float = OPEN_LIMIT_S, **place: Any) -> ClientConnection:
    return await _Connect(
        url,
        open_timeout=limit_s,
        ping_interval=None,  # `Relay` pings: the last answered ping says until when mail was heard
        close_timeout=_CLOSE_LIMIT_S,
        compression=None,
        **place,
    )


class _Connect(connect):
    """The library's `connect`, except that a redirect to another host is an error."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the URL to go on with, or the error."""
        found = super().process_redirect(exc)
        if isinstance(found, str) and parse_uri(found).host != self.ws_uri.host:
            return exc
        return found

"""Opens a WebSocket to a relay within time limits, at a name or at addresses that were checked."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

OPEN_LIMIT_S = 10
_ADDRESS_LIMIT_S = 2
"""How long one address of a relay may take to open if another address is left to try."""
_NEXT_ADDRESS_S = 0.25
"""How long after one address of the bot's own relay the next is tried beside it (RFC 8305)."""
_CLOSE_LIMIT_S = 2
# Relays take smaller events from writers: no stranger's large event may end the bot's connection.
_FRAME_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The addresses behind a relay's host name, at least one, in the order to try."""

    hosts: tuple[str, ...]
    port: int


async def open_socket(url: str, endpoint: Endpoint | None = None) -> ClientConnection:
    """Open a connection to the relay's name, or to the endpoint's addresses one after the other.

    Raise OSError, WebSocketException or ValueError (a broken URL) as websockets does.
    """
    if endpoint is None:
        return await _open_at(url, happy_eyeballs_delay=_NEXT_ADDRESS_S)
    fixed: dict[str, Any] = {"port": endpoint.port, "proxy": None}
    *others, last = endpoint.hosts
    share_s = min(_ADDRESS_LIMIT_S, OPEN_LIMIT_S / (len(others) + 2))
    for host in others:
        # An answer of the relay, a refusal too, is no OSError: no further address is tried then.
        with suppress(OSError):
            return await _open_at(url, limit_s=share_s, host=host, **fixed)
    return await _open_at(url, host=last, **fixed)


async def _open_at(url: str, *, limit_s: float = OPEN_LIMIT_S, **place: Any) -> ClientConnection:
    return await connect(
        url,
        open_timeout=limit_s,
        ping_interval=None,  # `Relay` pings: the last answered ping says until when mail was heard
        close_timeout=_CLOSE_LIMIT_S,
        max_size=_FRAME_BYTES_MAX,
        compression=None,
        **place,
    )

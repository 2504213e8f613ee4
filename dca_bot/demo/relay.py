"""A real Nostr relay on loopback (nostr-sdk's LocalRelay), for the demo and the tests."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nostr_sdk import LocalRelay, LocalRelayBuilder, RateLimit

from dca_bot.errors import DcaBotError, in_words

LOOPBACK = "127.0.0.1"
_SHUTDOWN_CALLS = 3
_SHUTDOWN_PAUSE_S = 0.02
_EVENTS_PER_MINUTE = 1_000_000  # The default of 60 would refuse a busy demo.


@asynccontextmanager
async def local_relay(
    port: int = 0,
    *,
    address: str = LOOPBACK,
    auth_dm: bool = False,
    filter_limit: int = 500,
    min_pow: int | None = None,
) -> AsyncIterator[str]:
    """Run a relay (port 0: any free port) and yield the URL; events are kept in memory.

    Raise DcaBotError for an `address` that isn't this computer's.
    `auth_dm`: direct messages are served to the receivers only (NIP-42). `filter_limit`: the most
    stored events per request. `min_pow`: the bits of work that every event needs (NIP-13).
    """
    _refuse_other_address(address)
    relay = _build(
        port, address=address, auth_dm=auth_dm, filter_limit=filter_limit, min_pow=min_pow
    )
    await relay.run()
    try:
        yield str(await relay.url()).rstrip("/")
    finally:
        await _shut_down(relay)


def _refuse_other_address(address: str) -> None:
    """Raise DcaBotError for an address that isn't this computer's: LocalRelay would try for ever."""
    try:
        socket.create_server((address, 0)).close()
    except OSError as error:
        raise DcaBotError(
            f"The relay can't listen at {address} ({in_words(error)}): write an address of this computer."
        ) from error


async def _shut_down(relay: LocalRelay) -> None:
    """Shut a relay down; a connection that is busy at that moment doesn't hear the first call."""
    for _ in range(_SHUTDOWN_CALLS):
        relay.shutdown()
        await asyncio.sleep(_SHUTDOWN_PAUSE_S)


def _build(
    port: int, *, address: str, auth_dm: bool, filter_limit: int, min_pow: int | None
) -> LocalRelay:
    builder = (
        LocalRelayBuilder()
        .addr(address)
        .rate_limit(RateLimit(max_reqs=1_000, notes_per_minute=_EVENTS_PER_MINUTE))
        .auth_dm(auth_dm)
        .max_filter_limit(filter_limit)
        .default_filter_limit(filter_limit)
    )
    if port:
        builder = builder.port(port)
    if min_pow is not None:
        builder = builder.min_pow(min_pow)
    return builder.build()

"""The event loop that the bot runs on: host names are resolved in threads that hold nothing else up.

asyncio resolves names in a few threads that other work shares, and waits for each thread at the end. Clients
choose host names (relays, Lightning addresses). A name server that answers late would keep the bot from all
other hosts, and from stopping.
"""

import asyncio
import socket
import threading
from asyncio import SelectorEventLoop
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import BaseSelector
from typing import Any

_AT_ONCE_MAX = 128
"""The names resolved at the same time; a name server that doesn't answer takes up to half a minute."""


class EventLoop(SelectorEventLoop):
    """The usual event loop, on any selector; the end of the program waits for no name server."""

    def __init__(self, selector: BaseSelector | None = None) -> None:
        super().__init__(selector)
        self._room = asyncio.Semaphore(_AT_ONCE_MAX)

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Resolve a name; raise OSError as socket.getaddrinfo does."""
        await self._room.acquire()
        answer: asyncio.Future[list[Any]] = self.create_future()
        ask = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        work = partial(self._resolve, ask, answer)
        threading.Thread(target=work, name="getaddrinfo", daemon=True).start()
        return await answer

    def _resolve(self, ask: Callable[[], list[Any]], answer: asyncio.Future[list[Any]]) -> None:
        try:
            end = partial(_give, answer, answer.set_result, ask())
        except Exception as error:  # noqa: BLE001 - the error is for whoever waits
            end = partial(_give, answer, answer.set_exception, error)
        # RuntimeError: the loop is closed, and nobody waits any more.
        with suppress(RuntimeError):
            self.call_soon_threadsafe(self._room.release)
            self.call_soon_threadsafe(end)


def _give(answer: asyncio.Future[Any], give: Callable[[Any], None], found: Any) -> None:
    if not answer.done():
        give(found)

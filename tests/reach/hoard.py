"""A relay that verifies nothing, keeps everything and sends as fast as it is read: an attacker's own."""

import asyncio
import bisect
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PAGE = 500
EVENT_BYTES_MAX = 1024 * 1024


@dataclass
class Hoard:
    """`stored`: (created_at, number, receivers, kind, text), oldest first."""

    stored: list[tuple[int, int, tuple[str, ...], int, str]] = field(default_factory=list)
    _subscriptions: dict[ServerConnection, dict[str, dict[str, Any]]] = field(default_factory=dict)
    sent: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = serve(
            self._serve, "127.0.0.1", 0, close_timeout=1, compression=None, ping_interval=None
        )
        async with server as running:
            yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"

    def is_read_by(self, receiver: str) -> bool:
        """Tell whether somebody is subscribed to a receiver's messages."""
        filters = (one for each in self._subscriptions.values() for one in each.values())
        return any(receiver in one.get("#p", ()) for one in filters)

    def store(self, text: str, receivers: Sequence[str]) -> None:
        """Keep an event for its receivers; an event without a time or a kind counts as a wrap of now."""
        event = json.loads(text)
        at, kind = event.get("created_at"), event.get("kind")
        at = at if isinstance(at, int) and at > 0 else int(time.time())
        kind = kind if isinstance(kind, int) else 1059
        bisect.insort(self.stored, (at, len(self.stored), tuple(receivers), kind, text))

    async def send(self, text: str, receivers: Sequence[str]) -> None:
        """Pass an event on to whoever reads the receivers' messages; wait while the reader is slow."""
        wanted = set(receivers)
        for socket, filters in list(self._subscriptions.items()):
            for name, one in list(filters.items()):
                if wanted & set(one.get("#p", ())):
                    with suppress(ConnectionClosed):
                        await socket.send(f'["EVENT",{json.dumps(name)},{text}]')
                        self.sent += 1

    async def _serve(self, socket: ServerConnection) -> None:
        self._subscriptions[socket] = {}
        try:
            async for frame in socket:
                await self._answer(socket, json.loads(frame))
        finally:
            del self._subscriptions[socket]

    async def _answer(self, socket: ServerConnection, frame: list[Any]) -> None:
        match frame:
            case ["EVENT", event]:
                text = json.dumps(event)
                receivers = [tag[1] for tag in event["tags"] if tag[0] == "p"]
                self.store(text, receivers)
                await socket.send(json.dumps(["OK", event["id"], True, ""]))
                await self.send(text, receivers)
            case ["REQ", name, wanted, *_]:
                for text in self._page(wanted):
                    await socket.send(f'["EVENT",{json.dumps(name)},{text}]')
                    await asyncio.sleep(0)
                await socket.send(json.dumps(["EOSE", name]))
                self._subscriptions[socket][name] = wanted
            case ["CLOSE", name]:
                self._subscriptions[socket].pop(name, None)

    def _page(self, wanted: dict[str, Any]) -> list[str]:
        """Return the newest stored events within a filter of kinds, receivers and times."""
        if "#p" not in wanted:
            return []
        receivers, kinds = set(wanted["#p"]), set(wanted.get("kinds", ()))
        since, limit = wanted.get("since", 0), min(wanted.get("limit", PAGE), PAGE)
        place = bisect.bisect_right(self.stored, (wanted.get("until", 10**11) + 1,))
        found: list[str] = []
        while place and len(found) < limit:
            place -= 1
            at, _, to, kind, text = self.stored[place]
            if at < since:
                break
            if receivers & set(to) and (not kinds or kind in kinds):
                found.append(text)
        return found

"""A gate stands between the bot and a real relay, and misbehaves as told; people use the relay directly.

The gate passes whole frames of NIP-01. The fault of a gate (`faults`) decides what becomes of each frame.
"""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.http11 import Request, Response

FRAME_BYTES_MAX = 16 * 1024 * 1024


@dataclass
class Way:
    """One connection of the bot through a gate; `notes` lives as long as the connection."""

    gate: "Gate"
    bot: ServerConnection
    relay: Any
    notes: Counter[str] = field(default_factory=Counter)
    later: set[asyncio.Task[None]] = field(default_factory=set)

    async def to_bot(self, *frame: Any) -> None:
        await self.bot.send(json.dumps(frame))

    async def to_relay(self, *frame: Any) -> None:
        await self.relay.send(json.dumps(frame))


Pass = Callable[[Way, list[Any]], Awaitable[None]]


async def pass_to_relay(way: Way, frame: list[Any]) -> None:
    await way.to_relay(*frame)


async def pass_to_bot(way: Way, frame: list[Any]) -> None:
    await way.to_bot(*frame)


async def no_more(_way: Way) -> None:
    """Do nothing when a connection has come about."""


def let_in(_gate: "Gate", _connection: ServerConnection) -> Response | None:
    """Let every connection in."""


@dataclass(frozen=True)
class Fault:
    """How a relay misbehaves.

    `alone`: messages must come through although the relay is the only one. `door`: what a client meets
    before any HTTP; `certificate`: which of the certificates of `certificates` the relay shows.
    """

    name: str
    from_bot: Pass = pass_to_relay
    from_relay: Pass = pass_to_bot
    opened: Callable[[Way], Awaitable[None]] = no_more
    request: Callable[["Gate", ServerConnection], Response | None] = let_in
    alone: bool = True
    door: str = "open"
    certificate: str = "good"
    first_address: str = ""


@dataclass
class Gate:
    """A relay as the bot sees it: `url` is what the bot is told, `relay` the real relay behind.

    `notes` and `born_at` live as long as the gate: a fault counts and times there.
    """

    fault: Fault
    relay: str
    url: str = ""
    port: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    open: set[ServerConnection] = field(default_factory=set)
    born_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def age_s(self) -> float:
        return asyncio.get_running_loop().time() - self.born_at

    def ask(self, connection: ServerConnection, _request: Request) -> Response | None:
        return self.fault.request(self, connection)

    async def lead(self, bot: ServerConnection) -> None:
        self.open.add(bot)
        # Either side may end the connection at any moment.
        with suppress(OSError, ConnectionClosed, WebSocketException):
            async with connect(
                self.relay, max_size=FRAME_BYTES_MAX, compression=None, ping_interval=None
            ) as relay:
                way = Way(self, bot, relay)
                tasks = [
                    asyncio.create_task(one)
                    for one in (
                        self.fault.opened(way),
                        _pump(bot, way, self.fault.from_bot),
                        _pump(relay, way, self.fault.from_relay),
                    )
                ]
                try:
                    await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (*tasks, *way.later):
                        task.cancel()
                    await asyncio.gather(*tasks, *way.later, return_exceptions=True)
        self.open.discard(bot)


async def _pump(source: Any, way: Way, pass_: Pass) -> None:
    with suppress(ConnectionClosed):
        async for frame in source:
            await pass_(way, json.loads(frame))


@asynccontextmanager
async def gate_of(
    fault: Fault, relay: str, *, host: str, tls: ssl.SSLContext | None
) -> AsyncIterator[Gate]:
    """Have a gate in front of a relay; `host` is the name that the bot uses, over TLS if `tls` is given."""
    gate = Gate(fault, relay)
    async with _door(gate, tls) as port:
        gate.port = port
        gate.url = f"{'wss' if tls else 'ws'}://{host}:{port}"
        yield gate


@asynccontextmanager
async def _door(gate: Gate, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    match gate.fault.door:
        case "open":
            server = serve(
                gate.lead,
                "127.0.0.1",
                0,
                process_request=gate.ask,
                ssl=tls,
                max_size=FRAME_BYTES_MAX,
                compression=None,
                ping_interval=None,
                close_timeout=1,
            )
            async with server as running:
                yield running.sockets[0].getsockname()[1]
        case "silent":
            server = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
            yield server.sockets[0].getsockname()[1]
            server.close()
        case _:
            server = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            server.close()
            await server.wait_closed()
            yield port


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await reader.read()
    writer.close()


def refuse_connection(connection: ServerConnection, status: HTTPStatus, **headers: str) -> Response:
    """Refuse a connection with an HTTP status."""
    response = connection.respond(status, f"{status.phrase}\n")
    for name, value in headers.items():
        response.headers[name] = value
    return response

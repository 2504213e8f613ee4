"""A proxy of the tests between the bot and LNbits: request by request, and faulty as told.

A fault is a function of an exchange. The exchange knows the bot's request and can have the request carried
out by the server behind the proxy; what the bot gets to see is the fault's business.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from faults.http_messages import HOST, Answer, Request, ask, read_request

_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Exchange:
    """One request on its way; `kind` is the kind of request, as the matrix names it."""

    proxy: "Proxy"
    kind: str
    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    goes_on: bool = False
    """The connection stays open for a further request."""

    async def carry_out(self) -> Answer:
        """Have the server carry out the request, and return its answer."""
        return await self.proxy.ask(self.request)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, answer: Answer) -> None:
        """Answer as a sound server does; the connection is kept."""
        await self.send(answer.wire())
        self.goes_on = True

    def reset(self) -> None:
        """End the connection with a reset."""
        reset(self.writer)

    async def hold(self) -> None:
        """Say nothing until the bot gives up."""
        await self.reader.read()

    def carry_out_later(self) -> None:
        """Have the server carry out the request once the bot's next request was answered."""
        self.proxy.late.append(self.request)


Play = Callable[[Exchange], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class _Armed:
    """A fault that `left` requests of a kind are still to meet, after `skip` sound ones."""

    play: Play
    kind: str
    skip: int
    left: int

    def strikes(self, kind: str) -> bool:
        """Tell whether a request meets the fault, and count the request."""
        if kind != self.kind or not self.left:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.left -= 1
        return True


@dataclass
class Proxy:
    """Leads to the server at `target` (a port of loopback); speaks TLS with `tls`.

    `kind_of` names the kind of a request. `order` has the kinds in the order of the requests, `answers` the
    first answer of each kind. `translate` may answer by itself, or change an answer.
    """

    target: int
    kind_of: Callable[[Request], str]
    tls: ssl.SSLContext | None = None
    host: str = HOST
    translate: Callable[["Proxy", Request], Awaitable[Answer | None]] | None = None
    port: int = 0
    order: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    late: list[Request] = field(default_factory=list)
    struck: int = 0
    _armed: list[_Armed] = field(default_factory=list)
    _open_for: int | None = None
    _is_other: bool = False
    _server: asyncio.Server | None = None
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def arm(self, play: Play, kind: str, *, skip: int = 0, times: int = 1) -> None:
        """Let `times` requests of a kind meet a fault, after `skip` sound ones; `struck` counts them."""
        self._armed.append(_Armed(play, kind, skip, times))
        self.struck = 0

    def refuse_after(self, requests: int) -> None:
        """Refuse connections once so many further requests were answered."""
        self._open_for, self.struck = requests, int(not requests)
        if not requests:
            self._refuse()

    async def stand_in(self, serve: Serve | None, *, tls: ssl.SSLContext | None = None) -> None:
        """Have something else at the port: another server, or with None this one by another certificate."""
        self._refuse()
        self._is_other, self.struck = True, 1
        await self._listen(serve or self._serve, tls)

    async def heal(self) -> None:
        """Misbehave no more."""
        self._armed, self._open_for = [], None
        if self._is_other:
            self._refuse()
        if self._server is None:
            await self.start()

    async def start(self) -> None:
        self._is_other = False
        await self._listen(self._serve, self.tls)

    async def _listen(self, serve: Serve, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(serve, HOST, self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, request: Request) -> Answer:
        """Ask the server behind."""
        if self.tls:  # what LNbits names as its own address begins with https then
            request = replace(request, headers=(*request.headers, ("x-forwarded-proto", "https")))
        made = await self.translate(self, request) if self.translate else None
        return made if made is not None else await ask(self.target, request)

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._ends.add(writer)
        # The bot may break off at any moment, and the proxy be stopped.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (request := await read_request(reader)) is not None:
                if not await self._one(request, reader, writer):
                    break
        self._ends.discard(writer)
        self._tasks.discard(task)
        writer.close()

    async def _one(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        kind = self.kind_of(request)
        self.order.append(kind)
        exchange = Exchange(self, kind, request, reader, writer)
        late, self.late = self.late, []
        armed = next((one for one in self._armed if one.strikes(kind)), None)
        if armed is not None:
            self.struck += armed is self._armed[-1]
            await armed.play(exchange)
        else:
            answer = await exchange.carry_out()
            self.answers.setdefault(kind, answer)
            await exchange.answer(answer)
        for one in late:
            await self.ask(one)
        return exchange.goes_on and self._stays_open()

    def _stays_open(self) -> bool:
        if self._open_for is not None:
            self._open_for -= 1
            if self._open_for <= 0:
                self.struck += 1
                self._refuse()
                return False
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset in place of an end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()

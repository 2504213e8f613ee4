"""A way to PostgreSQL that counts, waits, breaks and encrypts: what lies between in the real world."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@dataclass
class Wire:
    """Listens on loopback and leads to `target`; `received` counts bytes that came from there.

    After `stop` it starts again at the same port.
    With `tls` it does what a server with `ssl = on` does before anything else is said; with
    `cut_after` it breaks off once so many bytes came; what is said to it while it is `silent` is
    lost. `watch` is shown what comes from there.
    """

    target: int
    tls: ssl.SSLContext | None = None
    cut_after: int | None = None
    silent: bool = False
    swallowed: asyncio.Event = field(default_factory=asyncio.Event)
    watch: Callable[[bytes], None] = len
    received: int = 0
    encrypted: int = 0
    port: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break all connections."""
        for writer in list(self._open):
            writer.transport.abort()

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _lead(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        self._open.add(writer)
        # A client that trusts nobody, or a broken wire: the other side sees it too.
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            if self.tls and first == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self.tls)
                self.encrypted += 1
                first = b""
            there, here = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(here)
            here.write(first)
            await asyncio.gather(self._pump(reader, here), self._pump(there, writer, count=True))
        writer.close()

    async def _pump(self, source, sink, *, count: bool = False) -> None:
        while data := await source.read(2**14):
            if self.silent:
                self.swallowed.set()
                continue
            if count:
                self.received += len(data)
                self.watch(data)
            if self.cut_after is not None and self.received > self.cut_after:
                self.cut()
                return
            sink.write(data)
            await sink.drain()
        sink.close()

"""HTTP messages as bytes: what the proxy reads, passes on, and makes up."""

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; `headers` in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def key(self) -> str:
        return dict(self.headers).get("x-api-key", "")

    def parameter(self, name: str) -> str:
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]

    def wire(self) -> bytes:
        kept = {name: value for name, value in self.headers if name not in _HOP_BY_HOP}
        kept = {"host": HOST, "content-length": str(len(self.body)), **kept, "connection": "close"}
        lines = [f"{name}: {value}" for name, value in kept.items()]
        head = "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *lines, "", ""])
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the server, or one that a fault has made."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def head(self, *, length: int | None = None) -> bytes:
        """Write the head; `length` is what the head says of the body's size."""
        said = len(self.body) if length is None else length
        kept = [one for one in self.headers if one[0] not in {*_HOP_BY_HOP, "content-length"}]
        lines = [f"{name}: {value}" for name, value in [*kept, ("content-length", str(said))]]
        first = f"HTTP/1.1 {self.status} {_phrase(self.status)}"
        return "\r\n".join([first, *lines, "", ""]).encode()

    def wire(self) -> bytes:
        return self.head() + self.body

    def saying(self, body: bytes, content_type: str = "application/json") -> "Answer":
        """Return the answer with another body."""
        others = tuple(one for one in self.headers if one[0] != "content-type")
        return replace(self, headers=(*others, ("content-type", content_type)), body=body)


async def ask(port: int, request: Request) -> Answer:
    """Ask a server at a port of loopback, on a connection of its own."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request.wire())
        await writer.drain()
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.transport.abort()
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple(_header(line) for line in lines)
    assert dict(headers).get("transfer-encoding") is None, "a body in chunks isn't read here"
    return Answer(int(first.split(" ")[1]), headers, body)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read a request with its whole body; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = tuple(_header(line) for line in lines)
    length = int(dict(headers).get("content-length", "0"))
    return Request(method, target, headers, await reader.readexactly(length))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

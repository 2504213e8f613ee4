"""Answers collectors of metrics over HTTP, on this computer alone.

The server runs on the bot's own loop: while the loop hangs nothing is answered, and the collector notices. A
page in a browser can't read the metrics by a name that leads to this computer (DNS rebinding): the header
Host must name this computer.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from dca_bot.core.figures import Figures
from dca_bot.core.internet import is_loopback
from dca_bot.errors import in_words
from dca_bot.monitoring.metrics import MetricsPage

_PATH = "/metrics"
_LIMIT_S = 5
_HEAD_BYTES_MAX = 16 * 1024
_CONNECTIONS_MAX = 16
_TRIED_AGAIN_AFTER_S = 60
_log = logging.getLogger(__name__)


class MetricsServer:
    """The server at `host` and `port`; port 0 takes any, which `port` is then."""

    def __init__(self, host: str, port: int, *, limit_s: float = _LIMIT_S) -> None:
        self.host, self.port = host, port
        self._limit_s = limit_s
        self._page = MetricsPage()
        self._open = 0
        self._is_told = False

    def show(self, figures: Figures) -> None:
        """Show these numbers from now on."""
        self._page.figures = figures

    async def run(self) -> None:
        """Answer until cancelled; a port that another program has is tried again each minute."""
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, self.host, self.port, limit=_HEAD_BYTES_MAX
                )
            except OSError as error:
                if not self._is_told:
                    _log.error("metrics not shown port=%d why=%s", self.port, in_words(error))
                self._is_told = True
                await asyncio.sleep(_TRIED_AGAIN_AFTER_S)
                continue
            async with server:
                self.port = server.sockets[0].getsockname()[1]
                _log.info("metrics shown host=%s port=%d", self.host, self.port)
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection; a slow or broken one is closed without an answer."""
        self._open += 1
        try:
            async with asyncio.timeout(self._limit_s):
                if self._open <= _CONNECTIONS_MAX:
                    writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # TimeoutError is an OSError
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, target = first.rpartition(" ")[0].partition(" ")
        pairs = (line.split(":", 1) for line in lines if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        status = self._status(method, target, headers)
        if status is not HTTPStatus.OK:
            return _reply(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())
        content_type, page = self._page.write(headers.get("accept", ""))
        return _reply(status, content_type, page, with_body=method == "GET")

    def _status(self, method: str, target: str, headers: Mapping[str, str]) -> HTTPStatus:
        if not _is_own_name(headers.get("host", "")):
            return HTTPStatus.FORBIDDEN
        if target.partition("?")[0] != _PATH:
            return HTTPStatus.NOT_FOUND
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED
        return HTTPStatus.OK if self._page.figures else HTTPStatus.SERVICE_UNAVAILABLE


def _is_own_name(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _reply(status: HTTPStatus, content_type: str, body: bytes, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")

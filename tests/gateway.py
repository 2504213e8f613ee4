"""Stands in front of LNbits: Lightning addresses of another LNbits, replies that get lost or changed."""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

HOP_HEADERS = {"connection", "content-length", "content-encoding", "transfer-encoding", "date"}


class Gateway:
    """Passes requests on to `lnbits_url`; names of `abroad` are looked up at `other_url`.

    `lose` is asked for each answered request (method, path, body) whether the reply gets lost, `change`
    what becomes of its status and content. `own` answers a path, and `instead` a request (method, path,
    body), by itself where it returns something. Websockets are led through.
    """

    def __init__(self, lnbits_url: str, other_url: str) -> None:
        self.lnbits_url = lnbits_url
        self.other_url = other_url
        self.abroad: set[str] = set()
        self.lose: Callable[[str, str, bytes], bool] = lambda _method, _path, _body: False
        self.change: Callable[[str, str, int, bytes], tuple[int, bytes]] = (
            lambda _method, _path, status, content: (status, content)
        )
        self.own: Callable[[str], Any] = lambda _path: None
        self.instead: Callable[[str, str, bytes], tuple[int, bytes] | None] = (
            lambda _method, _path, _body: None
        )
        self.lost = 0
        self._http = httpx.Client(timeout=60, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.netloc}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()

    def _target(self, path: str) -> str:
        if path.startswith("/abroad/"):
            return self.other_url + path.removeprefix("/abroad")
        name = path.removeprefix("/.well-known/lnurlp/")
        return (self.other_url if name in self.abroad else self.lnbits_url) + path

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        sent = {k: v for k, v in headers.items() if k.lower() == "x-api-key"}
        if body:
            sent["content-type"] = "application/json"
        return self._http.request(method, self._target(path), content=body, headers=sent)

    def _seen_from_here(self, path: str, content: bytes) -> bytes:
        """Have what the other LNbits says of itself lead through the gateway."""
        if not self._target(path).startswith(self.other_url):
            return content
        here = f"{self.url}/abroad".encode()
        return content.replace(json.dumps(self.other_url)[1:-1].encode(), here)

    def _answer_alone(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        made = self.own(path)
        return (
            self.instead(method, path, body) if made is None else (200, json.dumps(made).encode())
        )

    def _lead_through(self, asked: BaseHTTPRequestHandler) -> bool:
        """Lead a websocket through until one side ends it; return False for any other request."""
        if asked.headers.get("upgrade", "").lower() != "websocket":
            return False
        asked.close_connection = True
        url = httpx.URL(self.lnbits_url)
        lines = [asked.requestline, *(f"{name}: {value}" for name, value in asked.headers.items())]
        with suppress(OSError), socket.create_connection((url.host, url.port)) as there:
            there.sendall("\r\n".join([*lines, "", ""]).encode())
            Thread(target=_pump, args=(asked.connection, there), daemon=True).start()
            _pump(there, asked.connection)
        return True

    def _handler(gateway) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                if gateway._lead_through(self):
                    return
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                answered = gateway._answer_alone(self.command, self.path, body)
                if answered is not None:
                    self._send(*answered, {"content-type": "application/json"})
                    return
                answer = gateway._ask(self.command, self.path, body, self.headers)
                if gateway.lose(self.command, self.path, body):
                    gateway.lost += 1
                    self.close_connection = True
                    return
                content = gateway._seen_from_here(self.path, answer.content)
                status, content = gateway.change(
                    self.command, self.path, answer.status_code, content
                )
                self._send(status, content, answer.headers)

            def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in HOP_HEADERS:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**14):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

"""Stands in front of LNbits: Lightning addresses of another LNbits, replies that get lost or changed."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

HOP_HEADERS = {"connection", "content-length", "content-encoding", "transfer-encoding", "date"}


class Gateway:
    """Passes requests on to `lnbits_url`; names of `abroad` are looked up at `other_url`.

    `lose` is asked for each answered request (method, path, body) whether the reply gets lost, `change`
    what becomes of its status and content. `own` answers a path by itself where it returns something.
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

    def _handler(gateway) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                made = gateway.own(self.path)
                if made is not None:
                    self._send(200, json.dumps(made).encode(), {"content-type": "application/json"})
                    return
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {k: v for k, v in self.headers.items() if k.lower() == "x-api-key"}
                if body:
                    headers["content-type"] = "application/json"
                target = gateway._target(self.path)
                answer = gateway._http.request(self.command, target, content=body, headers=headers)
                if gateway.lose(self.command, self.path, body):
                    gateway.lost += 1
                    self.close_connection = True
                    return
                content = answer.content
                if target.startswith(gateway.other_url):
                    content = content.replace(
                        json.dumps(gateway.other_url)[1:-1].encode(),
                        f"{gateway.url}/abroad".encode(),
                    )
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

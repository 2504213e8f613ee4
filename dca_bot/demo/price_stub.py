"""A price service on loopback, in place of price services on the internet."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOST = "127.0.0.1"
GTQ_PER_BTC = "826091.28"


class PriceStub:
    """Answers GET on any path with the median price of one bitcoin.

    `median` may be changed at any time; LNbits caches prices for some seconds.
    """

    def __init__(self, median: str = GTQ_PER_BTC) -> None:
        self.median = median
        self._server = ThreadingHTTPServer((_HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the address to give to LNbits."""
        return f"http://{_HOST}:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(stub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 # the handler has its own self
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f'{{"rates": {{"median": {stub.median}}}}}'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler

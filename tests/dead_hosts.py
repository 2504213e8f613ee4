"""Addresses on loopback where no connection comes about, as for hosts whose second address works."""

import socket
from contextlib import ExitStack, contextmanager

REFUSING = "127.0.0.3"
"""Nobody listens here: a connection is refused at once."""
SILENT = "127.0.0.2"
"""Where `silence` makes a port silent."""


@contextmanager
def silence(port):
    """Have a port of SILENT, any for 0, answer nothing, as behind a firewall that drops all; yield it."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind((SILENT, port))
        listener.listen(0)
        here = listener.getsockname()
        # Linux drops what comes once the queue of a listener is full.
        for _ in range(4):
            one = opened.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(here)
        yield here[1]

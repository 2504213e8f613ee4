"""A connection that runs each function in the caller's thread, as a simulation would."""

import sqlite3


class Here:
    def __init__(self, uri, factory=sqlite3.Connection):
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, factory=factory)

    async def run(self, work):
        return work(self._connection)

    async def aclose(self):
        self._connection.close()


async def open_here(uri):
    return Here(uri)


def at_once(coroutine):
    """Run a coroutine that waits for nothing, without an event loop, and return the result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("the coroutine waits for something")

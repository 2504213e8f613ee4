"""A connection that runs each function in the caller's thread, as a simulation would."""

import sqlite3


class Here:
    def __init__(self, uri):
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)

    async def run(self, work):
        return work(self._connection)

    async def aclose(self):
        self._connection.close()


async def open_here(uri):
    return Here(uri)

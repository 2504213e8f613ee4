import asyncio
import contextlib
import json

import pytest

from dca_bot.lnbits.client import LnbitsWallet


@pytest.fixture
def source_keys(wallets):
    return wallets("source", balance_sat=100_000)


@pytest.fixture
def alice(wallets):
    return wallets("alice")


@pytest.fixture
async def source(lnbits, source_keys):
    async with LnbitsWallet(lnbits.url, admin_key=source_keys.admin_key) as wallet:
        yield wallet


@pytest.fixture
def order():
    """What a payout asks of an invoice."""
    return {
        "amount_sat": 1000,
        "memo": "1,000 sats for Q8.26",
        "expiry_s": 86_400,
        "external_id": "payout-1",
        "extra": {"client": "alice"},
    }


class Web:
    """A loopback HTTP server that answers as told, for faults that no honest server has.

    `answers` maps a path to the bytes to send; None: never answer.
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self._serving = {}

    def answer(self, path, body, *, status=200, headers=()):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
        self.answers[path] = "\r\n".join([*lines, "", ""]).encode() + content

    def serve(self, reader, writer):
        # As soon as a connection is there: a task of asyncio's own might never have begun at the end.
        self._serving[writer] = asyncio.create_task(self._answer(reader, writer))

    async def end(self):
        """Close the connections; one that is left would be found open in a later test."""
        for writer, task in self._serving.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._serving.values(), return_exceptions=True)

    async def _answer(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            _, target, _ = head.split("\r\n", 1)[0].split(" ")
            self.asked.append((target, head))
            answer = self.answers[target.partition("?")[0]]
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()


@pytest.fixture
async def web():
    site = Web()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    site.url = f"http://127.0.0.1:{site.port}"
    yield site
    server.close()
    await server.wait_closed()
    await site.end()

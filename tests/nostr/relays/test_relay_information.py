import asyncio
import gzip
import tracemalloc
from contextlib import asynccontextmanager

import pytest

from dca_bot.nostr.relays.relay_information import work_told
from dca_bot.nostr.relays.relay_socket import Endpoint


@asynccontextmanager
async def telling(document):
    """Serve a document over HTTP, whatever is asked for."""

    async def answer(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\naccept: application/nostr+json\r\n" in request.lower()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/nostr+json\r\n\r\n" + document)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("document", "bits"),
    [
        (b'{"limitation":{"min_pow_difficulty":18}}', 18),
        (b'{"limitation":{"min_pow_difficulty":0}}', 0),
        (b'{"limitation":{"min_pow_difficulty":"18"}}', 0),
        (b'{"limitation":{"min_pow_difficulty":-3}}', 0),
        (b'{"limitation":[]}', 0),
        (b"[]", 0),
        (b"<html>", 0),
        (b"\xff", 0),
        (b" " * 1_000_000, 0),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_work_is_read_from_the_relays_document(document, bits):
    async with telling(document) as port:
        assert await work_told(f"ws://127.0.0.1:{port}/path", None) == bits
        checked = Endpoint(("127.0.0.1",), port)
        assert await work_told(f"ws://relay.example:{port}", checked) == bits


async def test_work_of_a_relay_that_tells_nothing_is_not_known():
    assert await work_told("ws://127.0.0.3:9", None) == 0


async def test_document_that_unpacks_to_far_more_than_was_sent_takes_no_memory():
    bomb = gzip.compress(gzip.compress(bytes(100 * 1024 * 1024)))

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n" + bomb)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    tracemalloc.start()
    try:
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await work_told(f"ws://127.0.0.1:{port}", None) == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 1024 * 1024

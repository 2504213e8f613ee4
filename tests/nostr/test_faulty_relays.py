"""The bot at relays that each have one fault: what arrives, and how soon."""

import asyncio

import pytest
from faulty_relays import FAULTS
from websockets.asyncio.client import connect


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_faulty_relay_serves(fault):
    async with FAULTS[fault]().serving() as url, connect(url) as socket:
        await socket.send('["EVENT",{"id":"00","kind":1,"created_at":1,"pubkey":"","tags":[]}]')
        await socket.send('["REQ","a",{"kinds":[1]}]')
        async with asyncio.timeout(5):
            await (await socket.ping())

import asyncio

import pytest

from dca_bot.nostr.people.dns import find_public
from dca_bot.nostr.relays.relay_socket import Endpoint


@pytest.mark.parametrize(
    "url",
    [
        "ws://1.1.1.1",
        "wss://127.0.0.1:7777",
        "wss://localhost",
        "wss://[::1]",
        "wss://2130706433",
        "wss://0x7f.1",
        "wss://192.168.0.1",
    ],
)
async def test_relay_chosen_by_others_is_not_looked_for_inside(url):
    assert await find_public(url) is None


async def test_relay_at_a_public_address_is_pinned_to_it():
    assert await find_public("wss://1.1.1.1:7777/inbox") == Endpoint(("1.1.1.1",), 7777)


async def test_relay_is_looked_for_at_all_public_addresses_of_its_name(monkeypatch):
    found = ["2606:4700::1", "2606:4700::2", "10.0.0.1", "1.1.1.1"]

    async def getaddrinfo(host, port, **_):
        assert host == "relay.example.com"
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    hosts = ("2606:4700::1", "1.1.1.1", "2606:4700::2")
    assert await find_public("wss://relay.example.com") == Endpoint(hosts, 443)
    found[:] = ["10.0.0.1", "fd00::1"]
    assert await find_public("wss://relay.example.com") is None

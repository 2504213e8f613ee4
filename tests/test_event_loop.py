"""Names that nobody resolves hold up neither other names nor the end of the program."""

import asyncio
import socket
import threading
import time

import pytest

from dca_bot.event_loop import EventLoop
from dca_bot.nostr.people.dns import find_public
from dca_bot.nostr.relays.relay_socket import Endpoint

LIMIT_S = 10
SLOW = 40


@pytest.fixture
def slow_names(monkeypatch):
    """Have names of evil.example resolved only at the end of the test; the list has who asked."""
    asked, go_on, resolve = [], threading.Event(), socket.getaddrinfo

    def getaddrinfo(host, *args):
        if str(host).endswith("evil.example"):
            asked.append(host)
            go_on.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return resolve(host, *args)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    go_on.set()


def test_slow_names_hold_up_neither_other_names_nor_other_work_nor_the_end(slow_names):
    async def work():
        slow = [asyncio.create_task(find_public(f"wss://{n}.evil.example")) for n in range(SLOW)]
        await asyncio.sleep(0)
        async with asyncio.timeout(LIMIT_S):
            assert await find_public("wss://1.1.1.1") == Endpoint(("1.1.1.1",), 443)
            found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            assert await asyncio.to_thread(lambda: "done") == "done"
        for task in slow:
            task.cancel()
        return found

    began_at = time.monotonic()
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        assert runner.run(work())[0][4][1] == 80
    assert time.monotonic() - began_at < LIMIT_S
    assert len(slow_names) == SLOW


def test_name_that_does_not_exist_is_an_error_and_leaves_room(monkeypatch):
    monkeypatch.setattr("dca_bot.event_loop._AT_ONCE_MAX", 1)

    def getaddrinfo(host, *_):
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    async def work():
        for name in ("one.example", "two.example"):
            with pytest.raises(socket.gaierror, match=name):
                await asyncio.get_running_loop().getaddrinfo(name, 443)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(work())

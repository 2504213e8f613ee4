"""What systemd hears, over a real datagram socket."""

import asyncio
import socket

import pytest

from dca_bot.systemd import Supervisor, supervisor_of


class HeldClock:
    """Notes each pause; the third one doesn't end."""

    def __init__(self):
        self.pauses = []

    async def sleep(self, delay_s):
        self.pauses.append(delay_s)
        if len(self.pauses) == 3:
            await asyncio.Event().wait()


async def nothing():
    pass


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    """The address that a bot gets, and the socket behind it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path if request.param == "path" else f"\0{path}")
        listener.settimeout(0)
        yield path if request.param == "path" else f"@{path}", listener


def heard(listener):
    words = []
    while True:
        try:
            words.append(listener.recv(100))
        except BlockingIOError:
            return words


async def test_bot_says_that_it_is_ready_and_twice_each_limit_that_it_lives(systemd):
    address, listener = systemd
    clock = HeldClock()
    supervisor = supervisor_of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000000"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await supervisor.run(clock, nothing)
    assert heard(listener) == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    assert clock.pauses == [150, 150, 150]


async def test_bot_whose_ledger_hangs_says_nothing_more(systemd):
    address, listener = systemd
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Supervisor(address, 300).run(HeldClock(), asyncio.Event().wait)
    assert heard(listener) == [b"READY=1"]


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "1000000"}, {"NOTIFY_SOCKET": "/nowhere/notify"}]
)
async def test_bot_without_a_supervisor_says_nothing_and_fails_at_nothing(environment):
    await supervisor_of(environment).run(HeldClock(), nothing)


async def test_supervisor_that_went_away_is_no_trouble():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Supervisor("/nowhere/notify", 1).run(HeldClock(), nothing)

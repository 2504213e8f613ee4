"""Tells systemd that the bot has started, and from then on that it doesn't hang (sd_notify(3))."""

import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dca_bot.core.ports import Clock


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Whoever started the bot and waits for word from it; without an address, nobody does."""

    address: str = ""
    watchdog_s: float = 0

    async def run(self, clock: Clock, is_alive: Callable[[], Awaitable[object]]) -> None:
        """Say that the bot is ready, then twice within each limit that `is_alive` has returned."""
        self._tell(b"READY=1")
        while self.address and self.watchdog_s:
            await is_alive()
            self._tell(b"WATCHDOG=1")
            await clock.sleep(self.watchdog_s / 2)

    def _tell(self, state: bytes) -> None:
        """Send a word, or lose it: nothing waits for a supervisor that doesn't listen."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(0)
            out.sendto(state, re.sub("^@", "\0", self.address))


def supervisor_of(environment: Mapping[str, str]) -> Supervisor:
    """Return what systemd has put into the environment."""
    watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000
    return Supervisor(environment.get("NOTIFY_SOCKET", ""), watchdog_s)

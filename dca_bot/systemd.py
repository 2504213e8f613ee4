"""Tells systemd that the bot has started and still responds (sd_notify(3))."""

import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dca_bot.core.ports import Clock


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The socket of the supervisor that started the bot; an empty `address` means no supervisor."""

    address: str = ""
    watchdog_s: float = 0

    async def run(self, clock: Clock, is_alive: Callable[[], Awaitable[object]]) -> None:
        """Report READY=1, then WATCHDOG=1 twice within each limit, each after `is_alive` has returned."""
        self._tell(b"READY=1")
        while self.address and self.watchdog_s:
            await is_alive()
            self._tell(b"WATCHDOG=1")
            await clock.sleep(self.watchdog_s / 2)

    def _tell(self, state: bytes) -> None:
        """Send a state without waiting; a state that can't be sent is lost."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(0)
            out.sendto(state, re.sub("^@", "\0", self.address))


def supervisor_of(environment: Mapping[str, str]) -> Supervisor:
    """Return the supervisor that systemd names in the environment."""
    watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000
    return Supervisor(environment.get("NOTIFY_SOCKET", ""), watchdog_s)

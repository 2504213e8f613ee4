"""The computer's own clock, as `core.ports.Clock`."""

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from dca_bot.core.ports import Uptime


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        return datetime.now(UTC)

    def uptime(self) -> Uptime:
        """Return how long the computer has run, time asleep included where the system counts such time."""
        which = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return Uptime(_boot(), timedelta(microseconds=time.clock_gettime_ns(which) // 1000))

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        await asyncio.sleep(delay_s)


@cache
def _boot() -> str:
    """Return the id of the computer's start, or an id of the bot's start where the system gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)

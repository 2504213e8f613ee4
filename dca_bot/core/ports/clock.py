"""Time: handed in, so that a simulated world can set the pace."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a computer has run since the start; setting the clock doesn't change an uptime.

    `boot` names the start: two uptimes can be compared only if `boot` is the same.
    """

    boot: str
    elapsed: timedelta


class Clock(Protocol):
    """Tells the time, and sleeps."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...

    def uptime(self) -> Uptime:
        """Return how long the computer has run, including time asleep."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...

"""Virtual time: an event loop that leaps from timer to timer, and the clock of the bot's computer."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dca_bot.core.ports import Uptime

BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""The instant at which each simulation begins."""


class Standstill(Exception):
    """Nothing in the simulated world will ever happen again."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time, and threads' work is done at once.

    `on_turn` is called at each turn of the loop, before the turn's callbacks run.
    """

    def __init__(self) -> None:
        self.turns = 0
        self.on_turn: Callable[[], None] = lambda: None
        self._elapsed_s = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Return the seconds since the beginning."""
        return self._elapsed_s

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function now, in this thread."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the caller gets whatever the function raises
            done.set_exception(error)
        return done

    def leap(self, delay_s: float | None) -> None:
        """Let time pass until the next timer; raise Standstill without one."""
        if delay_s is None:
            raise Standstill
        self._elapsed_s += delay_s
        self.turns += 1
        self.on_turn()


class _Leaping(selectors.SelectSelector):
    """Leaps instead of waiting; there is no input or output to wait for."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.leap(timeout)
        return []


class WorldTime:
    """The true time of the simulated world."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop

    def now(self) -> datetime:
        """Return the true instant."""
        return BEGIN + timedelta(microseconds=round(self.loop.time() * 1_000_000))

    async def sleep(self, delay: timedelta | float) -> None:
        """Let time pass."""
        await asyncio.sleep(delay if isinstance(delay, int | float) else delay.total_seconds())


class ComputerClock:
    """The clock of the bot's computer, which can be set wrong; fulfils `core.ports.Clock`.

    `changed_at`: the true instant at which the clock was set for the last time.
    """

    def __init__(self, time: WorldTime) -> None:
        self._time = time
        self._offset, self._drift = timedelta(), 0.0
        self._boots, self._booted_at = 1, time.now()
        self.changed_at = time.now()

    def now(self) -> datetime:
        """Return the time that the computer shows."""
        return self._time.now() + self.wrong()

    def wrong(self) -> timedelta:
        """Return how far the clock is ahead of the true time."""
        return self._offset + self._drift * (self._time.now() - self.changed_at)

    def is_right(self) -> bool:
        """Tell whether a person who looks at the clock finds it right."""
        return abs(self.wrong()) < timedelta(minutes=2)

    def set(self, offset: timedelta = timedelta(), drift: float = 0.0) -> None:
        """Set the clock, by default right; `drift`: the seconds that it gains in each second."""
        self._offset, self._drift, self.changed_at = offset, drift, self._time.now()

    def reboot(self, shown: datetime) -> None:
        """Start the computer anew, with a clock that shows an instant."""
        self._boots, self._booted_at = self._boots + 1, self._time.now()
        self.set(shown - self._time.now())

    def uptime(self) -> Uptime:
        """Return how long the computer has run since its start."""
        return Uptime(f"boot {self._boots}", self._time.now() - self._booted_at)

    async def sleep(self, delay_s: float) -> None:
        """Let time pass."""
        await self._time.sleep(delay_s)

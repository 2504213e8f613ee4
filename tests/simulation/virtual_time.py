"""Virtual time: an event loop that leaps from timer to timer, and the clock of the bot's computer."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from dca_bot.core.ports import Uptime

BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""The instant at which each simulation begins."""


class Standstill(Exception):
    """Nothing in the simulated world will ever happen again."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop in which waiting takes no time, and threads' work is done at once.

    A callback that raises ends the loop. `turns` counts rounds over what is ready, and other moments that a
    world counts by `step`.
    """

    def __init__(self) -> None:
        self.turns = 0
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._timer_count = 0
        self._elapsed_s = 0.0
        self._watched_turn = -1
        self._watch: Callable[[], None] = lambda: None

    def at_turn(self, turn: int, watch: Callable[[], None]) -> None:
        """Have `watch` called at a turn, instead of what was to be called before; below 0 for never."""
        self._watched_turn, self._watch = turn, watch

    def step(self) -> None:
        """Count a turn, and call what is to be called then."""
        self.turns += 1
        if self.turns == self._watched_turn:
            self._watch()

    def time(self) -> float:
        """Return the seconds since the beginning."""
        return self._elapsed_s

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine has ended, and return the result; raise Standstill without more to do."""
        main: asyncio.Task[Any] = self.create_task(future)
        asyncio._set_running_loop(self)
        try:
            while not main.done():
                self._turn()
        finally:
            asyncio._set_running_loop(None)
        return main.result()

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Call at the next turn."""
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Call after a delay in seconds."""
        return self.call_at(self._elapsed_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Call at a time; of several callbacks at a time, the first given first."""
        handle = _Handle(callback, args, context)
        self._timer_count += 1
        heappush(self._timers, (when, self._timer_count, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **named: Any) -> "asyncio.Task[Any]":
        """Make a task of this loop."""
        return asyncio.Task(coro, loop=self, **named)

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function now, in this thread."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the caller gets whatever the function raises
            done.set_exception(error)
        return done

    def get_debug(self) -> bool:
        """Return False: nothing is traced."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Do nothing about an error that nobody waits for: a killed process has many."""

    def _turn(self) -> None:
        """Let time pass until something is ready, and call what is ready."""
        ready, timers = self._ready, self._timers
        while not ready:
            if not timers:
                raise Standstill
            when, _, handle = heappop(timers)
            if not handle.is_cancelled:
                self._elapsed_s = max(self._elapsed_s, when)
                ready.append(handle)
        while timers and timers[0][0] <= self._elapsed_s:
            ready.append(heappop(timers)[2])
        self.step()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.is_cancelled:
                handle.run(handle.callback, *handle.args)


class _Handle:
    """A callback to come, which can be cancelled."""

    __slots__ = ("args", "callback", "is_cancelled", "run")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Context | None) -> None:
        self.callback, self.args, self.is_cancelled = callback, args, False
        self.run = (copy_context() if context is None else context).run

    def cancel(self) -> None:
        """Keep the callback from being called."""
        self.is_cancelled = True


class WorldTime:
    """The true time of the simulated world."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self._read_s, self._now = 0.0, BEGIN

    def now(self) -> datetime:
        """Return the true instant."""
        elapsed_s = self.loop.time()
        if elapsed_s != self._read_s:
            self._read_s = elapsed_s
            self._now = BEGIN + timedelta(microseconds=round(elapsed_s * 1_000_000))
        return self._now

    async def sleep(self, delay: timedelta | float) -> None:
        """Let time pass."""
        await asyncio.sleep(delay if isinstance(delay, int | float) else delay.total_seconds())


SEEN_AFTER = timedelta(minutes=2)
"""The time within which a running bot sees that its computer's clock was set."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class ComputerClock:
    """The clock of the bot's computer, which can be set wrong; fulfils `core.ports.Clock`.

    `changed_at`: the true instant at which the clock was set for the last time. `seen_by`: when a bot has
    seen that at the latest.
    """

    def __init__(self, time: WorldTime) -> None:
        self._time = time
        self._offset, self._drift, self._is_set = timedelta(), 0.0, False
        self._boots, self._booted_at = 1, time.now()
        self.changed_at = self.seen_by = time.now()
        self._is_watched = False

    def now(self) -> datetime:
        """Return the time that the computer shows."""
        now = self._time.now()
        return now + self.wrong() if self._is_set else now

    def wrong(self) -> timedelta:
        """Return how far the clock is ahead of the true time."""
        return self._offset + self._drift * (self._time.now() - self.changed_at)

    def true_span(self, shown: timedelta) -> timedelta:
        """Return the true time in which the clock goes on by `shown`."""
        return shown / (1 + self._drift)

    def is_right(self) -> bool:
        """Tell whether a person who looks at the clock finds it right."""
        return abs(self.wrong()) < timedelta(minutes=2)

    def set(self, offset: timedelta = timedelta(), drift: float = 0.0) -> None:
        """Set the clock, by default right; `drift`: the seconds that it gains in each second."""
        self._offset, self._drift, self.changed_at = offset, drift, self._time.now()
        self._is_set = bool(offset or drift)
        self.seen_by = self.changed_at + SEEN_AFTER if self._is_watched else _NEVER

    def begin_watch(self) -> None:
        """Note that a bot starts, which looks at the clock at once."""
        self._is_watched, self.seen_by = True, min(self.seen_by, self._time.now())

    def end_watch(self) -> None:
        """Note that the bot has ended, perhaps before it has seen how the clock was set."""
        self._is_watched = False
        if self._time.now() < self.seen_by:
            self.seen_by = _NEVER

    def reboot(self, shown: datetime) -> None:
        """Start the computer anew, with a clock that shows an instant."""
        self._boots, self._booted_at = self._boots + 1, self._time.now()
        self.set(shown - self._time.now())

    def uptime(self) -> Uptime:
        """Return how long the computer has run since its start."""
        return Uptime(f"boot {self._boots}", self._time.now() - self._booted_at)

    def sleep(self, delay_s: float) -> Coroutine[Any, Any, None]:
        """Let time pass."""
        return asyncio.sleep(delay_s)

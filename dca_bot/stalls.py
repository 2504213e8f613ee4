"""Notices when the event loop works for too long at a time, and where it was then.

Meanwhile nobody is answered, paid or told. The selector, which the loop asks at each turn, sees how long
a turn takes; a thread looks what the loop is doing, and sleeps while the loop is idle.
"""

import asyncio
import gc
import logging
import selectors
import sys
import sysconfig
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType

STALL_S = 0.05
_TOLD_EVERY_S = 60
"""How often a stall is logged at most; the longest is remembered all the same."""
_AWAKE_S = 1
"""How long the thread goes on looking at a loop that is idle."""
_LIBRARY = sysconfig.get_path("stdlib")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stall:
    """A turn of the loop that took too long. `place`: where the loop was, as `module:line function`.

    `cpu_ms` far below `ms` means that the computer was busy with something else.
    """

    ms: int
    cpu_ms: int
    place: str


class StallWatch:
    """Watches a loop that is made with `selector`, from the thread that makes the watch, while `run` runs."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = _Selector(self)
        self.longest: Stall | None = None
        self._is_longer = asyncio.Event()
        self._is_on = False
        self._thread_id = threading.get_ident()
        self._turn: tuple[float, float] | None = None
        """Since when the loop works, on the wall clock and in CPU seconds; None while it is idle."""
        self._place = ""
        self._told_at = -float(_TOLD_EVERY_S)
        self._wake = threading.Event()
        self._is_asleep = False
        threading.Thread(target=self._look, name="stalls", daemon=True).start()

    async def run(self, note: Callable[[Stall | None], Awaitable[None]]) -> None:
        """Have each stall noted that is longer than all before, at first that there is none; never return."""
        self._is_on = True
        try:
            while True:
                await note(self.longest)
                await self._is_longer.wait()
                self._is_longer.clear()
        finally:
            self._is_on = False

    def begin(self) -> None:
        """Note that the loop begins to work."""
        if not self._is_on:
            return
        self._place = ""
        self._turn = time.monotonic(), time.thread_time()
        if self._is_asleep:
            self._wake.set()

    def end(self) -> None:
        """Note that the loop has no work left in this turn."""
        turn, self._turn = self._turn, None
        now = time.monotonic()
        if turn is None or now - turn[0] <= STALL_S:
            return
        took_s, cpu_s = now - turn[0], time.thread_time() - turn[1]
        stall = Stall(round(took_s * 1000), round(cpu_s * 1000), self._place or "unknown")
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            _log.warning(
                "event loop stalled ms=%d cpu_ms=%d place=%s", stall.ms, stall.cpu_ms, stall.place
            )
        if self.longest is None or stall.ms > self.longest.ms:
            self.longest = stall
            self._is_longer.set()

    def _look(self) -> None:
        """Note where the loop is, once in a turn that takes too long; never return."""
        idle_since = time.monotonic()
        while True:
            time.sleep(STALL_S / 2)
            turn, now = self._turn, time.monotonic()
            if turn is not None:
                idle_since = now
                if not self._place and now - turn[0] > STALL_S:
                    place = _place_of(sys._current_frames().get(self._thread_id))  # noqa: SLF001 - for debuggers
                    if self._turn is turn:
                        self._place = place
            elif now - idle_since > _AWAKE_S:
                self._is_asleep = True
                self._wake.wait()
                self._wake.clear()
                self._is_asleep = False
                idle_since = time.monotonic()


def spare_what_is_loaded() -> None:
    """Have the garbage collector look through what comes from now on, and never again through what is loaded.

    A look through all modules takes some 60 ms, and it is the loop that waits.
    """
    gc.collect()
    gc.freeze()


class _Selector(selectors.DefaultSelector):
    """The usual selector; the loop works whenever it doesn't wait here."""

    def __init__(self, watch: StallWatch) -> None:
        super().__init__()
        self._watch = watch

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as the usual selector does."""
        self._watch.end()
        try:
            return super().select(timeout)
        finally:
            self._watch.begin()


def _place_of(frame: FrameType | None) -> str:
    """Return the innermost place outside of Python's own library."""
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        if "site-packages" in frame.f_code.co_filename:
            break
        frame = frame.f_back
    if frame is None:
        return ""
    module = frame.f_globals.get("__name__", "?")
    return f"{module}:{frame.f_lineno} {frame.f_code.co_name}"

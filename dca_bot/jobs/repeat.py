"""The loop of a periodic job."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from dca_bot.core.ports import Clock


async def repeat(
    look: Callable[[], Awaitable[object]], clock: Clock, pause_s: float | Callable[[], float]
) -> NoReturn:
    """Call `look` now, and again after each pause; an error of `look` ends the loop.

    A function as `pause_s` is asked for each pause.
    """
    while True:
        await look()
        await clock.sleep(pause_s if isinstance(pause_s, int | float) else pause_s())

"""Slow work on files, outside the event loop and outside the ledger's thread."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def aside(work: Callable[[threading.Event], _T]) -> _T:
    """Run `work` in a new thread; set the thread's event once no caller waits any more."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()

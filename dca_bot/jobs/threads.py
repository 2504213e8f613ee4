"""Work on files that takes a while, away from the event loop and from the ledger's own thread."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[threading.Event], T]) -> T:
    """Run `work` in a thread of its own; its event is set once nobody waits for it any more."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()

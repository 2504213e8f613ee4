"""Has charts drawn by matplotlib, in a process that ends: neither its CPU nor its memory is the bot's."""

import asyncio
import importlib.util
from contextlib import suppress

from dca_bot.aside import run_aside
from dca_bot.core.files import SIZES
from dca_bot.core.ports import Draw
from dca_bot.errors import ChartFailed

_LIMIT_S = 60


def painter() -> Draw | None:
    """Return what draws charts; None without matplotlib, the extra `charts`."""
    return draw_aside if importlib.util.find_spec("matplotlib") else None


async def draw_aside(picture: bytes, *, module: str = "dca_bot.charts.draw") -> bytes:
    """Draw a picture (`core/picture`, as JSON) as PNG, 60 seconds at most; raise ChartFailed."""
    process = await run_aside(module)
    try:
        async with asyncio.timeout(_LIMIT_S):
            drawn, _ = await process.communicate(picture)
    except TimeoutError:
        raise ChartFailed(f"a chart was not drawn within {_LIMIT_S} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0 or not 0 < len(drawn) <= SIZES[-1]:
        raise ChartFailed(f"a chart was not drawn: matplotlib ended with {process.returncode}")
    return drawn

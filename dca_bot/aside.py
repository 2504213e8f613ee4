"""Runs a module in a process of its own, which needs none of the bot's secrets and gets none.

The invariant: only installed code is run. Without `-P` Python would look into the working folder first, where
others may have put a file with the name of a library.
"""

import asyncio
import os
import sys

_OWN = "DCA_BOT_"
"""Variables with this beginning hold the bot's keys and passwords."""


async def run_aside(module: str) -> asyncio.subprocess.Process:
    """Start a module with pipes for its input and output; what it complains of goes nowhere."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OWN)},
    )

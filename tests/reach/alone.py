"""Runs the bot of `reach.bot` in a process of its own until the input ends."""

import asyncio
import json
import logging
import sys
from pathlib import Path

if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path.insert(0, str(Path(__file__).parents[1]))

from dca_bot.nostr.keys import parse_secret_key
from reach.bot import Bot


async def main(given: dict[str, str]) -> None:
    """Start the bot with one relay and one client, and say so."""
    bot = Bot(
        parse_secret_key(given["key"]),
        Path(given["folder"]),
        relays=[given["relay"]],
        discovery=[],
        operators=[given["operator"]],
        find_endpoint=_nowhere,
    )
    if given["client"]:
        await bot.prepare({"ana": given["client"]}, {})
    try:
        await bot.start()
    except BaseException:
        await bot.database.aclose()  # its thread would keep the process alive
        raise
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await bot.stop()


async def _nowhere(_url: str) -> None:
    """Find no relay of other people's."""


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(json.loads(sys.argv[1])))

"""The end of the demo: a person at a terminal can be the operator for a while."""

import asyncio
import contextlib
import os
import sys

from dca_bot.commands.chat import talk
from dca_bot.commands.chat_terminal import Lines
from dca_bot.core.ports import DmProtocol
from dca_bot.demo.world import World

_QUESTION = "\nTry it yourself as the operator? [y/N] "


def is_at_a_terminal() -> bool:
    """Tell whether a person can be asked; never in CI, nor in a pipe."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


async def offer_chat(world: World) -> None:
    """Ask the person, and connect the terminal with the running bot until Ctrl-D or Ctrl-C."""
    with contextlib.suppress(asyncio.CancelledError):
        print(_QUESTION, end="", flush=True)  # noqa: T201 - the line goes on with the answer
        lines = Lines(sys.stdin.fileno(), sys.stdin.encoding)
        answer = await lines.get()
        if (answer or "").strip().lower() not in ("y", "yes"):
            return
        print("Try: status, clients, txs, deposit ana 500, help. End with Ctrl-D.")  # noqa: T201
        protocol, bot = DmProtocol.NIP17, world.bot.public_key
        await talk(world.operator, bot, [world.relay], lines, protocol=protocol)

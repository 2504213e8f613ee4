"""Prints the delivery matrix: `python tests/reach/matrix.py --seed 1` (make reach).

Each second of the figures is a real second, and each message went over real sockets.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path.insert(0, str(Path(__file__).parents[1]))

from reach.cast import Cast, combinations, matrix
from reach.certificates import DOMAIN, Authority, make_authority
from reach.figures import failures, report, total
from reach.node_people import NodeApp, node_process
from reach.outcomes import Outcome
from reach.people import SdkApp, answering_challenges
from reach.world import play

PEOPLE, COMMANDS, NOTICES = 7, 5, 2
LIMIT_S = 600
SDK, TOOLS = "nostr-sdk", "nostr-tools"
AT_ONCE = 8
GOAL_PER_MILLE = 999


async def play_all(
    casts: Sequence[Cast], *, limit_s: float, at_once: int = AT_ONCE, app: str = SDK
) -> list[Outcome]:
    """Play all casts, some at the same time, and return what became of every message."""
    async with AsyncExitStack() as exits:
        authority = exits.enter_context(names_of_the_tests())
        exits.enter_context(answering_challenges())
        make_app = SdkApp
        if app == TOOLS:
            process = await exits.enter_async_context(node_process())
            make_app = partial(NodeApp, process)
        room = asyncio.Semaphore(at_once)

        async def one(cast: Cast) -> list[Outcome]:
            async with room:
                return await play(cast, authority, limit_s=limit_s, make_app=make_app)

        return [
            outcome for outcomes in await asyncio.gather(*map(one, casts)) for outcome in outcomes
        ]


@contextmanager
def names_of_the_tests():
    """Have made-up relays resolve to loopback, and their authority trusted, while this lasts."""
    loop = asyncio.get_running_loop()
    resolve, before = loop.getaddrinfo, os.environ.get("SSL_CERT_FILE")

    async def getaddrinfo(host, port, **more):
        name = host.decode() if isinstance(host, bytes) else host
        return await resolve("127.0.0.1" if str(name).endswith(DOMAIN) else host, port, **more)

    with TemporaryDirectory(prefix="dca-bot-reach-") as name:
        authority: Authority = make_authority(Path(name))
        loop.getaddrinfo = getaddrinfo
        os.environ["SSL_CERT_FILE"] = str(authority.file)
        try:
            yield authority
        finally:
            loop.getaddrinfo = resolve
            if before is None:
                del os.environ["SSL_CERT_FILE"]
            else:
                os.environ["SSL_CERT_FILE"] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; 1 if the goal was missed."""
    options = _options(arguments)
    random = combinations(
        options.seed, options.worlds, people=PEOPLE, commands=COMMANDS, notices=NOTICES
    )
    casts = ([] if options.no_matrix else matrix(options.seed, commands=3, notices=1)) + random
    outcomes = asyncio.run(
        play_all(casts, limit_s=options.limit, at_once=options.at_once, app=options.app)
    )
    wrong = failures(outcomes)
    print(f"seed {options.seed}, apps of {options.app}\n\n{report(outcomes)}\n")  # noqa: T201 - a program that prints
    print("\n".join(wrong or ["Nothing lost, carried out twice, or out of order."]))  # noqa: T201
    mixed = total(one for one in outcomes if not one.column)
    return int(bool(wrong) or 1000 * mixed.delivered < GOAL_PER_MILLE * mixed.count)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=24, help="random combinations")
    parser.add_argument("--limit", type=int, default=LIMIT_S, help="seconds for the last message")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="worlds at the same time")
    parser.add_argument("--app", choices=(SDK, TOOLS), default=SDK, help="what people write with")
    parser.add_argument("--no-matrix", action="store_true", help="random combinations alone")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())

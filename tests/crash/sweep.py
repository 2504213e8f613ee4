"""Kills the bot, LNbits or the power at each point of each scenario, on real parts: `make crash-sweep`."""

import argparse
import asyncio
import logging
import os
import re
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from crash.checker import Outcome, look  # noqa: E402 - after the paths
from crash.parts import DATABASES, Parts, parts  # noqa: E402 - after the paths
from crash.planted import PLANTS  # noqa: E402 - after the paths
from crash.power import LOSSES  # noqa: E402 - after the paths
from crash.scenarios import SCENARIOS, Scenario  # noqa: E402 - after the paths
from crash.world import LIMIT_S, PLANT, Strike, crash_world  # noqa: E402 - after the paths

from dca_bot.demo import lnbits_process  # noqa: E402 - after the paths

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system; a folder of its own is made there
LNBITS_DELAYS_S = (0, 0.005, 0.015, 0.03, 0.06)
"""How long after a pay request has left LNbits is killed: before, between and after LNbits' own commits."""
PAYING = ("sale", "address")
WAYS = {
    "kill": tuple(SCENARIOS),
    "twice": tuple(SCENARIOS),
    "power": tuple(SCENARIOS),
    "lnbits": PAYING,
}
"""What is struck, and in which scenarios."""
HEADS = (
    *("scenario", "LNbits on", "struck", "points", "worlds", "kills", "lost", "doubled"),
    *("told twice", "untold", "open at LNbits", "faults"),
)


@dataclass
class Row:
    """A line of the table: one way to strike in one scenario on one database."""

    name: tuple[str, str, str]
    points: int
    strikes: int
    worlds: int = 0
    total: Outcome = field(default_factory=Outcome)

    def cells(self) -> list[str]:
        found = self.total
        figures = (
            *(self.points, f"{self.worlds} of {self.strikes}", found.kills),
            *(found.lost_sat, found.doubled_sat, found.told_twice),
            *(found.untold, found.open_sat, len(found.faults)),
        )
        return [*self.name, *map(str, figures)]


async def run_world(
    shared: Parts, scenario: Scenario, strikes: list[Strike], reference: Outcome | None = None
) -> tuple[Outcome, list[str]]:
    """Play a scenario in a world of its own; return the outcome and the points of the first life."""
    lenient = any(strike.lnbits_delay_s is not None for strike in strikes)
    async with crash_world(shared, strikes, **scenario.settings) as world:
        await scenario.prepare(world)
        world.start()
        tasks = [asyncio.create_task(world.keep_alive()), asyncio.create_task(scenario.play(world))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            points = world.points()
            await world.stop()
            await tasks[0]
            return await look(world, scenario, reference, lenient=lenient), points
        finally:
            for task in tasks:
                task.cancel()


async def judged(
    shared: Parts, scenario: Scenario, strikes: list[Strike], reference: Outcome
) -> Outcome:
    """Play a scenario; a world that doesn't come to its end is a fault, not an error."""
    try:
        return (await run_world(shared, scenario, strikes, reference))[0]
    except (AssertionError, TimeoutError, sqlite3.DatabaseError) as error:
        return Outcome(faults=[f"no end: {str(error)[:1500]}"])


def strikes_of(points: list[str], way: str) -> list[tuple[str, list[Strike]]]:
    """Return each strike of a sweep with what it does, from the points of a run without a kill.

    >>> strikes_of(["commit fact #1"], "kill")[1]
    ('after', [Strike(at='commit fact #1', side='after', power='', lnbits_delay_s=None)])
    """
    make = {"kill": _kills, "twice": _kills_twice, "power": _power_cuts, "lnbits": _lnbits_kills}
    return [
        strike for number, name in enumerate(points) for strike in make[way](name, number, points)
    ]


def _kills(name, _number, _points):
    sides = ("before", "sent", "after") if name.startswith("request") else ("before", "after")
    return [(side, [Strike(name, side)]) for side in sides]


def _kills_twice(name, number, points):
    """The life after the kill is ended too, anywhere."""
    again = Strike(points[number * 7 % len(points)], ("before", "after")[number % 2])
    return [(f"then {again.side} {again.at}, after", [Strike(name, "after"), again])]


def _power_cuts(name, _number, _points):
    """Within a commit, or while a copy of the ledger is being brought to disk."""
    side = "after" if name.startswith("commit") else "before"
    is_cut = side == "after" or re.match(r"fsync .*\.part ", name)
    return [(how, [Strike(name, side, how)]) for how in LOSSES if is_cut]


def _lnbits_kills(name, _number, _points):
    if not name.startswith("request POST"):
        return []
    sides = [("before", 0), *(("sent", wait) for wait in LNBITS_DELAYS_S), ("after", 0)]
    return [
        (f"{side} +{wait} s", [Strike(name, side, lnbits_delay_s=wait)]) for side, wait in sides
    ]


def sampled(found: list, count: int) -> list:
    """Return so many of a list, evenly; all for 0.

    >>> sampled([1, 2, 3, 4, 5, 6], 3)
    [1, 3, 5]
    """
    if not count or count >= len(found):
        return found
    return [found[i * len(found) // count] for i in range(count)]


async def sweep(
    shared: Parts,
    name: tuple[str, str, str],
    references: dict[str, tuple[Outcome, list[str]]],
    *,
    count: int,
    room: asyncio.Semaphore,
    until: float,
) -> Row:
    """Strike a scenario at its points, in worlds as `room` has place; tell each fault at once.

    `references`: the runs without a strike so far, by the scenario.
    """
    scenario, begun = SCENARIOS[name[0]], time.monotonic()
    if scenario.name not in references:
        async with room:
            references[scenario.name] = await run_world(shared, scenario, [])
    reference, points = references[scenario.name]
    # A ledger that an earlier version made has findings of its own.
    assert len(reference.faults) == len(reference.findings), (name, reference.faults)
    cut = (i for i, line in enumerate(points) if scenario.cut and scenario.cut in line)
    points = points[: next(cut, None)]
    strikes = strikes_of(points, name[2])
    row = Row(name, len(points), len(strikes))

    async def one(how: str, ends: list[Strike]) -> None:
        async with room:
            if time.monotonic() > until:
                return
            outcome = await judged(shared, scenario, ends, reference)
        row.worlds += 1
        row.total.add(outcome)
        if not outcome.is_clean:
            tell("\n    ".join([f"✗ {' · '.join(name)}: {how} {ends[0].at}", *outcome.faults[:6]]))

    await asyncio.gather(*(one(*strike) for strike in sampled(strikes, count)))
    tell(f"{' · '.join(row.cells())}  ({time.monotonic() - begun:.0f} s)")
    return row


def table(rows: list[Row]) -> str:
    """Write the rows as a table of Markdown."""
    lines = [list(HEADS), ["---"] * len(HEADS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


async def main(options: argparse.Namespace) -> int:
    rows, until = [], time.monotonic() + options.minutes * 60
    for database in options.on:
        with (
            tempfile.TemporaryDirectory(prefix="dca-bot-crash-") as folder,
            parts(database, Path(folder)) as shared,
        ):
            references: dict[str, tuple[Outcome, list[str]]] = {}
            for way in options.ways:
                # Other worlds would suffer too while LNbits is killed.
                room = asyncio.Semaphore(1 if way == "lnbits" else options.jobs)
                names = [(one, database, way) for one in options.scenarios or WAYS[way]]
                rows += await asyncio.gather(
                    *(
                        sweep(
                            shared, name, references, count=options.points, room=room, until=until
                        )
                        for name in names
                    )
                )
    tell(f"\n{table(rows)}")
    return int(any(not row.total.is_clean for row in rows))


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program that prints


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=0, help="so many per scenario; 0: all")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no world after these")
    parser.add_argument("--jobs", type=int, default=8, help="worlds at the same time")
    parser.add_argument("--on", nargs="*", default=list(DATABASES), choices=DATABASES)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--scenarios", nargs="*", default=[], choices=[*SCENARIOS, []])
    parser.add_argument("--plant", choices=PLANTS, help="a fault that the sweep has to notice")
    return parser.parse_args()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    if SHARED_MEMORY.is_dir() and "TMPDIR" not in os.environ:
        # For the processes that the sweep starts, too.
        os.environ["TMPDIR"] = tempfile.tempdir = str(SHARED_MEMORY)
    lnbits_process._START_LIMIT_S = LIMIT_S
    options = _options()
    if options.plant:
        os.environ[PLANT] = options.plant
    sys.exit(asyncio.run(main(options)))

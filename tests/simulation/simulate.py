"""Plays simulated worlds from seeds, and prints what they went through; ends with 1 at a broken promise.

A seed that breaks a promise is played again with simpler plans; the story of the simplest is printed.
"""

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.world import Broken, Figures, Plan, play, simpler

_STORY_LINES = 60
_ID = re.compile(r"[0-9a-f]{8}")


def main() -> int:
    """Play the seeds that the command line names."""
    given = _parser().parse_args()
    logging.disable(logging.CRITICAL)
    one = partial(_told, plan=Plan(days=given.days), shrinks=not given.whole)
    played = []
    with ProcessPoolExecutor(given.jobs) as pool:
        for seeds in _rounds(given.seed, given.seeds, given.hours, 4 * given.jobs):
            for text, world in pool.map(one, seeds):
                _say(text)
                played.append(world)
    _say(_summary(played))
    return 0 if all(world.figures for world in played) else 1


def _rounds(first: int, count: int, hours: float, size: int) -> Iterator[range]:
    """Yield the seeds, `size` at a time: `count` of them, or as many as `hours` let begin."""
    if not hours:
        yield range(first, first + count)
        return
    end = time.monotonic() + hours * 3600
    while time.monotonic() < end:
        yield range(first, first + size)
        first += size


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument(
        "--hours", type=float, default=0, help="as many seeds as begin in so many hours"
    )
    parser.add_argument("--days", type=int, default=3, help="the days with faults of each world")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worlds at the same time")
    parser.add_argument("--whole", action="store_true", help="don't look for a simpler plan")
    return parser


@dataclass(frozen=True)
class _Played:
    """A seed that was played; `figures`: None if a promise was broken."""

    figures: Figures | None
    cpu_s: float


def _summary(played: Sequence[_Played]) -> str:
    """Return the last line: what all worlds that kept their promises went through, and how fast."""
    kept = [world.figures for world in played if world.figures]
    days, cpu_s = sum(one.days for one in kept), sum(world.cpu_s for world in played)
    parts = [
        f"{len(played)} seeds, {len(played) - len(kept)} broken promises",
        f"{days:.1f} virtual days",
        f"{sum(one.kills for one in kept)} kills",
        f"{sum(one.restored for one in kept)} restored copies",
        f"{cpu_s:.1f} CPU s",
        f"{days * 86_400 / cpu_s:,.0f} virtual s a CPU s",
        f"{cpu_s / days if days else 0:.2f} CPU s a day",
    ]
    return ", ".join(parts)


def _told(seed: int, *, plan: Plan, shrinks: bool) -> tuple[str, _Played]:
    """Play a seed; return what to print, and what was played."""
    began = time.process_time()
    with _folder() as folder:
        found = play(seed, plan, folder)
        cpu_s = time.process_time() - began
        if isinstance(found, Figures):
            figures = " ".join(f"{name}={_short(value)}" for name, value in asdict(found).items())
            pace = found.days * 86_400 / cpu_s
            text = f"seed={seed} {figures} cpu_s={cpu_s:.1f} virtual_s_a_cpu_s={pace:,.0f}"
            return text, _Played(found, cpu_s)
        what, story = found.what, _story(found)
    text = f"seed={seed} BROKEN {what}\n{story}\nwith {plan}"
    text += f"\nsimplest: {_simplest(seed, plan)}" if shrinks else ""
    return text, _Played(None, cpu_s)


def _simplest(seed: int, plan: Plan) -> Plan:
    """Return the simplest plan by which the seed still breaks a promise."""
    for other in simpler(plan):
        if other != plan:
            with _folder() as folder:
                found = play(seed, other, folder)
            if isinstance(found, Broken):
                return _simplest(seed, other)
    return plan


def _story(found: Broken) -> str:
    """Return the lines of the journal about what the broken promise names, or the last ones."""
    journal = found.world.journal
    named: list[Callable[[str], bool]] = [
        partial(lambda id_, line: id_ in line, id_) for id_ in _ID.findall(found.what)
    ]
    lines = [line for line in journal.texts() if any(is_about(line) for is_about in named)]
    return "\n".join((lines or journal.texts())[-_STORY_LINES:])


def _short(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


@contextmanager
def _folder() -> Iterator[Path]:
    in_memory = Path("/dev/shm")  # noqa: S108 - fsync costs nothing there
    place = in_memory if in_memory.is_dir() else None
    with TemporaryDirectory(prefix="dca-bot-world-", dir=place) as name:
        yield Path(name)


if __name__ == "__main__":
    sys.exit(main())

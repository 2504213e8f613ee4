"""Plays simulated worlds from seeds, and prints what they went through; ends with 1 at a broken promise.

A seed that breaks a promise is played again with simpler plans; the story of the simplest is printed.
"""

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
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
    seeds = range(given.seed, given.seed + given.seeds)
    one = partial(_told, plan=Plan(days=given.days), shrinks=not given.whole)
    with ProcessPoolExecutor(given.jobs) as pool:
        broken = 0
        for is_kept, text in pool.map(one, seeds):
            _say(text)
            broken += not is_kept
    _say(f"{len(seeds)} seeds, {broken} broken promises")
    return 1 if broken else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--days", type=int, default=3, help="the days with faults of each world")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worlds at the same time")
    parser.add_argument("--whole", action="store_true", help="don't look for a simpler plan")
    return parser


def _told(seed: int, *, plan: Plan, shrinks: bool) -> tuple[bool, str]:
    """Play a seed; return whether all promises were kept, and what to print."""
    began = time.process_time()
    with _folder() as folder:
        found = play(seed, plan, folder)
        cpu_s = time.process_time() - began
        if isinstance(found, Figures):
            figures = " ".join(f"{name}={_short(value)}" for name, value in asdict(found).items())
            pace = found.days * 86_400 / cpu_s
            return True, f"seed={seed} {figures} cpu_s={cpu_s:.1f} virtual_s_a_cpu_s={pace:,.0f}"
        what, story = found.what, _story(found)
    text = f"seed={seed} BROKEN {what}\n{story}\nwith {plan}"
    return False, text + (f"\nsimplest: {_simplest(seed, plan)}" if shrinks else "")


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

"""Plants faults into the program, one at a time: the simulation has to notice each.

`python tests/simulation/planted.py` plays seeds with each fault until a promise breaks, and prints which seed
found the fault, after how much CPU time, and the promise.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.faults import clocks, commands, fixed, notices, payments, sales
from simulation.faults.fault import Fault, NeverReached, broken, find
from simulation.world import Plan

CPU_MAX_S = 300
_PROMISE = "Violation: "
PLAN = Plan(
    days=1,
    savers=8,
    sales_a_day=20,
    restore_rate=0,
    doing_every=timedelta(minutes=30),
    check_every=timedelta(hours=6),
)
"""Few people who do much: each world costs little. A ledger that is no older copy is held to more."""
FAULTS: tuple[Fault, ...] = (
    *sales.FAULTS,
    *payments.FAULTS,
    *fixed.FAULTS,
    *notices.FAULTS,
    *commands.FAULTS,
    *clocks.FAULTS,
)
BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True)
class Search:
    """What became of the search for a fault; `seed`: 0 if no world has noticed the fault."""

    name: str
    plan: Plan
    seed: int
    cpu_s: float
    what: str

    def row(self) -> str:
        """Return the row of the table."""
        found = self.seed or "NOT FOUND"
        what = self.what.removeprefix(_PROMISE)
        return f"| {self.name} | {found} | {self.cpu_s:.0f} s | {what[:110]} |"


def main() -> int:
    """Look for each planted fault, and print the table; return 1 if a fault isn't found.

    Each world that has noticed a fault is played without a fault too: a promise that breaks then says nothing
    of the fault, and the fault counts as not found.
    """
    given = _parser().parse_args()
    names = [name for name in BY_NAME if given.name in name]
    _say("| fault | seed | CPU | what broke |\n|---|---|---|---|")
    # Each process is forked from one that has imported everything.
    forked = get_context("forkserver")
    with ProcessPoolExecutor(given.jobs, mp_context=forked, max_tasks_per_child=1) as pool:
        searches = []
        for search in pool.map(partial(_search, cpu_max_s=given.cpu), names):
            _say(search.row())
            searches.append(search)
        worlds = list({(one.seed, one.plan) for one in searches if one.seed})
        anyway = dict(zip(worlds, pool.map(_broken_anyway, worlds), strict=True))
    lines = missed(searches, anyway)
    for line in lines:
        _say(line)
    found = len(names) - len(lines)
    _say(f"{found} of {len(names)} faults found; {len(worlds)} worlds played without a fault")
    return 1 if lines else 0


def missed(searches: Sequence[Search], anyway: Mapping[tuple[int, Plan], str]) -> list[str]:
    """Return a line for each fault that no world has shown.

    An error of the program is no broken promise: it may be the planted code that fails. `anyway`: the promise
    that each world breaks without a fault, "" for none.
    """
    lines = [f"not found: {one.name} {one.what}".rstrip() for one in searches if not one.seed]
    for one in searches:
        what = anyway.get((one.seed, one.plan))
        if one.seed and not one.what.startswith(_PROMISE):
            lines.append(f"not shown: {one.name}; seed {one.seed}: {one.what}")
        elif what:
            lines.append(f"not shown: {one.name}; seed {one.seed} without it: {what}")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, default=CPU_MAX_S, help="the most CPU seconds for each")
    parser.add_argument("--name", default="", help="only the faults with that in their names")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worlds at the same time")
    return parser


def _search(name: str, *, cpu_max_s: int) -> Search:
    """Look for a fault for a while."""
    _be_quiet()
    fault, began = BY_NAME[name], time.process_time()
    plan = replace(PLAN, **fault.plan)
    try:
        seed, what = find(fault, plan, is_over=lambda: time.process_time() - began > cpu_max_s)
    except NeverReached as error:
        seed, what = 0, f"never reached: {error}"
    return Search(name, plan, seed, time.process_time() - began, what)


def _broken_anyway(world: tuple[int, Plan]) -> str:
    """Return the promise that a world, by seed and plan, breaks without a fault, or an empty text."""
    _be_quiet()
    return broken(*world)


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

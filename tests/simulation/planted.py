"""Plants faults into the program, one at a time: the simulation has to notice each.

`python tests/simulation/planted.py` plays seeds with each fault until a promise breaks, and prints which seed
found the fault, after how much CPU time, and the promise.
"""

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.faults import clocks, commands, fixed, notices, payments, sales
from simulation.faults.fault import Fault, NeverReached, find
from simulation.world import Plan

CPU_MAX_S = 300
PLAN = Plan(days=1, savers=8, sales_a_day=20, doing_every=timedelta(minutes=30))
"""Few people who do much: each world costs little."""
FAULTS: tuple[Fault, ...] = (
    *sales.FAULTS,
    *payments.FAULTS,
    *fixed.FAULTS,
    *notices.FAULTS,
    *commands.FAULTS,
    *clocks.FAULTS,
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def main() -> int:
    """Look for each planted fault, and print the table; return 1 if a fault isn't found."""
    given = _parser().parse_args()
    names = [name for name in BY_NAME if given.name in name]
    _say("| fault | seed | CPU | what broke |\n|---|---|---|---|")
    with ProcessPoolExecutor(given.jobs, max_tasks_per_child=1) as pool:
        missed = 0
        for is_found, row in pool.map(partial(_row, cpu_max_s=given.cpu), names):
            _say(row)
            missed += not is_found
    _say(f"{len(names)} faults, {missed} not found")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, default=CPU_MAX_S, help="the most CPU seconds for each")
    parser.add_argument("--name", default="", help="only the faults with that in their names")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worlds at the same time")
    return parser


def _row(name: str, *, cpu_max_s: int) -> tuple[bool, str]:
    """Look for a fault for a while; return whether it was found, and the row of the table."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # A world that ends in its midst leaves tasks behind.
    fault, began = BY_NAME[name], time.process_time()
    plan = replace(PLAN, **fault.plan)
    try:
        seed, what = find(fault, plan, is_over=lambda: time.process_time() - began > cpu_max_s)
    except NeverReached as error:
        seed, what = 0, f"never reached: {error}"
    cpu_s = time.process_time() - began
    return bool(seed), f"| {name} | {seed or 'NOT FOUND'} | {cpu_s:.0f} s | {what[:110]} |"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

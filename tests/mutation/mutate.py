"""Mutates the money path, and counts the mutants that the tests notice: docs/simulation.md, "Mutants".

`python tests/mutation/mutate.py --piece core --sample 200` plays 200 mutants of the core, prints each
module's score and the survivors, and ends with 1 if fewer than 90 % were killed. What was killed is kept in
`.mutation`: a run that was broken off goes on, and after new tests only survivors are played again.
"""

import argparse
import hashlib
import os
import pickle
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from mutation import runner
from mutation.mutants import Mutant, sites_of
from mutation.pieces import PIECES, ROOT, Piece
from mutation.runner import Called, Trial, Verdict, play, watch

LEAST_PERCENT = 90
TESTS_MAX_S = 40
"""How long the tests of one mutant compute together, at most, if none fails; beside the quick ones."""
QUICK_S = 0.1
SLOWNESS_MAX, START_MAX_S = 20, 120
"""A mutant is hung when its tests take so many times as long as they compute without it, and a start."""
KEPT = ROOT / ".mutation"
LISTED = Path(__file__).with_name("survivors.tsv")


def main() -> int:
    """Play the mutants of a piece or of all; return 1 if too many survive, else 0."""
    given = _parser().parse_args()
    names = [given.piece] if given.piece else list(PIECES)
    KEPT.mkdir(exist_ok=True)
    return max(_mutate(name, given) for name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--piece", choices=["", *PIECES], default="", help="else all")
    parser.add_argument("--module", default="", help="only modules with that in their paths")
    parser.add_argument(
        "--sample", type=int, default=0, help="so many mutants of a piece, else all"
    )
    parser.add_argument("--seed", type=int, default=1, help="draws the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants at a time")
    return parser


def _mutate(name: str, given: argparse.Namespace) -> int:
    piece, began = PIECES[name], time.monotonic()
    modules = [module for module in piece.modules() if given.module in module]
    sites = [site for module in modules for site in sites_of(module, (ROOT / module).read_text())]
    if given.sample:
        sites = Random(given.seed).sample(sites, min(given.sample, len(sites)))
    mutants = [mutant for site in sites if (mutant := site.mutant())]
    verdicts: dict[Mutant, Verdict] = {}
    for mutant, verdict in _verdicts(mutants, _Guards(piece), given.jobs):
        verdicts[mutant] = verdict
        if verdict is Verdict.SURVIVED:
            reason = _reasons().get(mutant.name)
            _say("\t".join([f"listed: {reason}" if reason else "new", *mutant.name]))
    percent = _report(name, verdicts, time.monotonic() - began)
    return 0 if percent >= LEAST_PERCENT else 1


def _verdicts(
    mutants: Iterable[Mutant], guards: "_Guards", jobs: int
) -> Iterator[tuple[Mutant, Verdict]]:
    """Yield what becomes of each mutant; no test that calls what has changed: the mutant survives."""
    kept = KEPT / "killed"
    kept.touch()
    known = dict(line.split() for line in kept.read_text().splitlines())
    trials = {}
    for mutant in mutants:
        tests = [] if mutant.digest in known else guards.of(mutant)
        if tests:
            limit_s = START_MAX_S + SLOWNESS_MAX * sum(test.called.seconds for test in tests)
            ids = tuple(test.id for test in tests)
            trials[Trial(mutant.module, mutant.code, ids, limit_s)] = mutant
        else:
            yield mutant, Verdict(known.get(mutant.digest, Verdict.SURVIVED))
    with kept.open("a") as file:
        for trial, verdict in play(trials, jobs=jobs):
            if verdict is not Verdict.SURVIVED:
                file.write(f"{trials[trial].digest} {verdict}\n")
                file.flush()
            yield trials[trial], verdict


@dataclass(frozen=True)
class _Test:
    id: str
    rank: int
    called: Called

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]


class _Guards:
    """The tests of a piece, and what each calls."""

    def __init__(self, piece: Piece) -> None:
        self.tests = [
            _Test(id_, rank, called)
            for rank, file in enumerate(piece.files())
            for id_, called in _watched(file).items()
        ]

    def of(self, mutant: Mutant) -> list[_Test]:
        """Return the tests that a mutant concerns: those named after the module, then the nearest."""
        stem = Path(mutant.module).stem
        calling = [test for test in self.tests if _concerns(test, mutant)]
        calling.sort(key=lambda test: (stem not in test.file, test.rank, test.called.seconds))
        ends = accumulate(test.called.seconds for test in calling)
        return [
            test
            for test, end in zip(calling, ends, strict=True)
            if end <= TESTS_MAX_S or test.called.seconds < QUICK_S
        ]


def _concerns(test: _Test, mutant: Mutant) -> bool:
    """Tell whether a test calls the function that has changed.

    Outside functions: whether the test calls any function of the module, or its file names the module.
    """
    if mutant.place:
        return (mutant.module, mutant.place) in test.called.functions
    is_named = Path(mutant.module).stem in _words(test.file)
    return is_named or any(module == mutant.module for module, _ in test.called.functions)


@cache
def _words(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", (ROOT / file).read_text()))


def _watched(file: str) -> dict[str, Called]:
    """Return what the tests of a file call; they are watched once, until something changes."""
    digest = hashlib.sha256(file.encode())
    for path in [*sorted((ROOT / "dca_bot").rglob("*.py")), Path(runner.__file__), ROOT / file]:
        digest.update(path.read_bytes())
    kept = KEPT / f"{digest.hexdigest()[:16]}.watched"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(watch([file])))
    found: dict[str, Called] = pickle.loads(kept.read_bytes())  # noqa: S301 - written above
    return found


def _report(name: str, verdicts: dict[Mutant, Verdict], took_s: float) -> float:
    """Print the score of each module; return how many of 100 mutants were killed."""
    counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for mutant, verdict in verdicts.items():
        counts[mutant.module][verdict] += 1
    for module, count in sorted(counts.items()):
        killed = count.total() - count[Verdict.SURVIVED]
        _say(f"| {module.removeprefix('dca_bot/')} | {count.total()} | {killed} |")
    reasons = _reasons()
    survivors = [mutant for mutant, verdict in verdicts.items() if verdict is Verdict.SURVIVED]
    all_ = sum(counts.values(), Counter[Verdict]())
    percent = 100 - 100 * len(survivors) / all_.total()
    _say(
        f"{name}: {all_.total()} mutants, {percent:.1f} % killed, {all_[Verdict.HUNG]} of them hung,"
        f" {len(survivors)} survived, {sum(one.name not in reasons for one in survivors)} of them new,"
        f" {took_s:.0f} s"
    )
    return percent


@cache
def _reasons() -> dict[tuple[str, ...], str]:
    """Return why each listed mutant may survive."""
    rows = (line.split("\t") for line in LISTED.read_text().splitlines())
    return {tuple(row[1:]): row[0] for row in rows}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

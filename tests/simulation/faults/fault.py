"""A fault: what stands in the program's place while the fault is planted."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from simulation.world import Figures, Plan, play

_PROGRAM = "dca_bot."


@dataclass(frozen=True)
class Fault:
    """A wrong change of the program.

    `replaces`: by full name below `dca_bot`, what stands there instead; several names where the program has
    several lines of defence. `plan`: what of the usual plan of a world is another, so that the rule is needed
    often.
    """

    name: str
    replaces: Mapping[str, Any]
    plan: Mapping[str, Any] = field(default_factory=dict)


class NeverReached(Exception):
    """No world has called what was planted, so the worlds show nothing about the fault."""


@contextmanager
def planted(fault: Fault) -> Iterator[Counter[str]]:
    """Plant a fault; count by name how often the replacements are called.

    Raise AttributeError if the program has no such name.
    """
    calls: Counter[str] = Counter()
    with ExitStack() as patches:
        for name, by in fault.replaces.items():
            patches.enter_context(patch(_PROGRAM + name, _counted(calls, name, by)))
        yield calls


def _counted(calls: Counter[str], name: str, by: Any) -> Any:
    if isinstance(by, property):
        assert by.fget is not None
        return property(_counted(calls, name, by.fget))
    if not callable(by):
        calls[name] += 1  # A constant has no calls.
        return by
    function: Callable[..., Any] = by

    @wraps(function, updated=())
    def called(*args: Any, **named: Any) -> Any:
        calls[name] += 1
        return function(*args, **named)

    return called


def find(fault: Fault, plan: Plan, *, is_over: Callable[[], bool]) -> tuple[int, str]:
    """Play seeds until one notices a fault; return the seed and the broken promise, (0, "") if none does.

    No further seed is played once `is_over`. Raise NeverReached if a replacement was never called.
    """
    seed = 0
    with planted(fault) as calls:
        while not is_over():
            seed += 1
            what = broken(seed, plan)
            if what:
                return seed, what
    unreached = [name for name in fault.replaces if not calls[name]]
    if unreached:
        raise NeverReached(", ".join(unreached))
    return 0, ""


def broken(seed: int, plan: Plan) -> str:
    """Play a seed with what is planted now, if anything; return the promise that broke, or ""."""
    with TemporaryDirectory(prefix="dca-bot-planted-", dir=_memory()) as folder:
        found = play(seed, plan, Path(folder))
    return "" if isinstance(found, Figures) else found.what


def _memory() -> Path | None:
    """Return a folder in memory, where fsync costs nothing; None if the system has none."""
    folder = Path("/dev/shm")  # noqa: S108
    return folder if folder.is_dir() else None

"""Runs tests in forked processes that have the libraries already: a start costs half a second.

Each process loads the program itself, with a mutant in its module's place if there is one.
"""

import inspect
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# What is loaded here isn't loaded for each mutant.
import _hypothesis_pytestplugin  # noqa: F401
import aiosqlite  # noqa: F401
import asyncssh  # noqa: F401
import httpx  # noqa: F401
import hypothesis
import pydantic  # noqa: F401
import pytest
import pytest_asyncio.plugin  # noqa: F401
import pytest_timeout  # noqa: F401

ROOT = Path(__file__).parents[2]
PACKAGE = f"{ROOT / 'dca_bot'}/"
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system; each process gets a folder of its own there
LOOK_EVERY_S = 0.02
_ARGUMENTS = (
    *("-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-m", "not (outside or slow or long)", "--hypothesis-profile", "mutation"),
)


class Verdict(StrEnum):
    """What tests make of a mutant: one fails, none does, or they don't end in time."""

    KILLED = "killed"
    SURVIVED = "survived"
    HUNG = "hung"


class TestsFailedError(Exception):
    """The tests fail without a mutant."""


@dataclass(frozen=True)
class Trial:
    """A mutant (a module's path and code), the ids of the tests that are to notice, and their time limit."""

    module: str
    code: str
    tests: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True)
class Called:
    """What a test calls, and how long it computes, in seconds.

    `functions`: the functions of the program, each by its module's path and its qualified name.
    """

    seconds: float
    functions: frozenset[tuple[str, str]]


def watch(tests: Iterable[str]) -> dict[str, Called]:
    """Run tests as they are; return what each calls, by its id.

    Raise TestsFailedError if a test fails.
    """
    with _folder() as folder:
        pid = _fork(partial(_watched, tests, folder), folder)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise TestsFailedError(" ".join(tests))
        found = json.loads((folder / "watched").read_bytes())
    return {
        test: Called(seconds, frozenset((path, name) for path, name in functions))
        for test, (seconds, functions) in found.items()
    }


def play(trials: Iterable[Trial], *, jobs: int) -> Iterator[tuple[Trial, Verdict]]:
    """Play trials, so many at a time; yield each with its verdict as soon as the verdict is there."""
    running: dict[int, tuple[Trial, float, Path]] = {}
    waiting = iter(trials)
    try:
        while True:
            while len(running) < jobs and (trial := next(waiting, None)):
                folder = _new_folder()
                pid = _fork(partial(_tried, trial, folder), folder)
                running[pid] = trial, time.monotonic(), folder
            if not running:
                return
            time.sleep(LOOK_EVERY_S)
            for pid, (trial, began, folder) in list(running.items()):
                verdict = _verdict(pid, is_late=time.monotonic() - began > trial.limit_s)
                if verdict is not None:
                    del running[pid]
                    shutil.rmtree(folder, ignore_errors=True)
                    yield trial, verdict
    finally:
        for pid, (_, _, folder) in running.items():
            _end(pid)
            shutil.rmtree(folder, ignore_errors=True)


def _verdict(pid: int, *, is_late: bool) -> Verdict | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        if is_late:
            _end(pid)
            return Verdict.HUNG
        return None
    return Verdict.KILLED if status else Verdict.SURVIVED


def _end(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="dca-bot-mutant-", dir=MEMORY if MEMORY.is_dir() else None))


@contextmanager
def _folder() -> Iterator[Path]:
    folder = _new_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _fork(run: Callable[[], int], folder: Path) -> int:
    """Begin a silent process of its own group that ends with what `run` returns; return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        os.setsid()
        _settle_in(folder)
        code = run()
    finally:
        os._exit(code)


def _settle_in(folder: Path) -> None:
    os.chdir(ROOT)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    # No test starts a real LNbits.
    os.environ |= {
        "TMPDIR": str(folder),
        "DCA_BOT_LNBITS_BIN": str(folder / "none"),
        "DCA_BOT_SIMULATED_LNBITS": "yes",
    }
    tempfile.tempdir = None
    hypothesis.settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )


def _watched(tests: Iterable[str], folder: Path) -> int:
    plugin = _Watch()
    code = pytest.main([*_ARGUMENTS, f"--basetemp={folder / 'tests'}", *tests], [plugin])
    (folder / "watched").write_text(json.dumps(plugin.found))
    return code


def _tried(trial: Trial, folder: Path) -> int:
    sys.meta_path.insert(0, _Planted(trial))
    files = dict.fromkeys(test.partition("::")[0] for test in trial.tests)
    arguments = [*_ARGUMENTS, "-x", f"--basetemp={folder / 'tests'}", *files]
    return pytest.main(arguments, [_Only(trial.tests)])


class _Planted(SourceFileLoader, MetaPathFinder):
    """Loads a mutant in its module's place."""

    def __init__(self, trial: Trial) -> None:
        name = trial.module.removesuffix(".py").replace("/", ".")
        super().__init__(name, str(ROOT / trial.module))
        self.mutant = trial.code

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        is_it = fullname == self.name
        return spec_from_file_location(fullname, self.path, loader=self) if is_it else None

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self.mutant, self.path, "exec")


class _Only:
    """A plugin of pytest that runs some of the tests, in their order, each with all its parameters.

    A parameter can be another one because of the mutant, and so can the test's id.
    """

    def __init__(self, tests: Iterable[str]) -> None:
        functions = dict.fromkeys(map(_function_of, tests))
        self.places = {function: place for place, function in enumerate(functions)}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> Iterator[None]:
        yield
        items[:] = sorted(
            (item for item in items if _function_of(item.nodeid) in self.places),
            key=lambda item: self.places[_function_of(item.nodeid)],
        )


def _function_of(test: str) -> str:
    return test.partition("[")[0]


class _Watch:
    """A plugin of pytest that notes what each test calls, and how long it computes.

    What is called while the tests are collected, for their parameters say, is called by each.
    """

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, list[tuple[str, str]]]] = {}
        self._called: set[tuple[str, str]] = set()
        self._while_collected: frozenset[tuple[str, str]] = frozenset()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[Any]:
        with self._traced():
            result = yield
        self._while_collected = frozenset(self._called)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[Any]:
        began = time.process_time()
        with self._traced():
            result = yield
        called = sorted(self._called | self._while_collected)
        self.found[item.nodeid] = (time.process_time() - began, called)
        return result

    @contextmanager
    def _traced(self) -> Iterator[None]:
        """Note what is called meanwhile, in new threads too."""
        self._called = set()
        threading.settrace(self._note)
        sys.settrace(self._note)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        is_function = (
            code.co_flags & inspect.CO_OPTIMIZED
        )  # The bodies of modules and classes aren't.
        if event == "call" and is_function and code.co_filename.startswith(PACKAGE):
            module = code.co_filename.removeprefix(f"{ROOT}/")
            self._called.add((module, code.co_qualname))

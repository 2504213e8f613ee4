"""A private folder for a trial, removed afterwards, however the trial ends."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_PREFIX = "dca-bot-trial-"
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def trial_folder() -> Iterator[Path]:
    """Make a folder of mode 700 and remove the folder at the end, also on SIGTERM and SIGHUP.

    A trial that was killed otherwise leaves a folder with an ended claim; the next trial removes that folder.
    """
    _remove_left()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    claim = os.open(folder, os.O_RDONLY)
    fcntl.flock(claim, fcntl.LOCK_EX)
    before = {number: signal.signal(number, _end) for number in _ENDING}
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(claim)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _remove_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or somebody else's trial
            claim = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(claim).st_uid == os.geteuid():
                    fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(claim)

"""Runs a part of a test as another user, whom modes stop; root passes every mode."""

# Python finds it only when it parses its first date, and may be in a folder that is closed to others.
import _strptime  # noqa: F401
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
NAMELESS = 54321
"""A user whom no table of the system knows."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")


@contextmanager
def as_bot(user: int = NOBODY) -> Iterator[None]:
    """Be an ordinary user meanwhile; who is one already stays it."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def open_folder(owner: int = NOBODY) -> Iterator[Path]:
    """Give a folder that every user can reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, owner, owner)
        folder.chmod(0o755)
        yield folder

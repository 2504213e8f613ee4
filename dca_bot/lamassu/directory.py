"""Reads Lamassu from a folder of exported CSV files."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

from dca_bot.core.ports import Copy, Export
from dca_bot.errors import SourceUnavailable, one_line
from dca_bot.lamassu.csv import Table
from dca_bot.lamassu.rows import (
    ACTIONS,
    CASH_INS,
    CASH_OUTS,
    DEVICES,
    lacks_cash_ins,
    read_export,
)

_LISTED_MAX = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DirectorySource:
    """A folder with cash_out_txs.csv and cash_out_actions.csv.

    Without devices.csv the machines have no names, without cash_in_txs.csv there are no cash-ins.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self, since: datetime) -> Export:
        """Read every cash-out and cash-in created at `since` or later."""
        return await asyncio.to_thread(read_directory, self._path, since)

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""


def read_directory(path: Path, since: datetime) -> Export:
    """Read the folder; raise SourceUnavailable, or ExportBroken for an incomplete file.

    Cash-ins that are there and can't be opened are told in `unreadable`.
    """
    with ExitStack() as files:
        cash_outs, actions = _open(files, path, CASH_OUTS), _open(files, path, ACTIONS)
        devices = _open_if_there(files, path, DEVICES)
        try:
            cash_ins, failure = _open_if_there(files, path, CASH_INS), ""
        except SourceUnavailable as error:
            cash_ins, failure = None, lacks_cash_ins(str(error))
        try:
            export = read_export(cash_outs, actions, devices, cash_ins=cash_ins, since=since)
            copies = tuple(_copy(file) for file in (cash_outs, actions, devices, cash_ins) if file)
        except OSError as error:
            raise _unavailable(path, path, error) from error
    unreadable = (failure, *export.unreadable) if failure else export.unreadable
    return replace(export, unreadable=unreadable, copies=copies)


def _copy(file: IO[bytes]) -> Copy:
    """Take a file's time, which moving it leaves; it can't have been written after its arrival here."""
    state = os.fstat(file.fileno())
    # A file's own time can lie ahead, where another computer has set it; that of its inode can't.
    nanoseconds = max(min(state.st_mtime_ns, state.st_ctime_ns), 0)
    as_of = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    return Copy(Path(file.name).name, as_of)


def _open(files: ExitStack, path: Path, table: Table) -> IO[bytes]:
    file = path / f"{table.name}.csv"
    try:
        return files.enter_context(file.open("rb"))
    except OSError as error:
        raise _unavailable(path, file, error) from error


def _open_if_there(files: ExitStack, path: Path, table: Table) -> IO[bytes] | None:
    """Open a file that may be missing; a link that leads nowhere isn't missing."""
    is_there = os.path.lexists(path / f"{table.name}.csv")
    return _open(files, path, table) if is_there else None


def _unavailable(path: Path, file: Path, error: OSError) -> SourceUnavailable:
    remedy = _remedy(path, file, error)
    return SourceUnavailable(f"{file} can't be read ({error.strerror}); {remedy}.")


def _remedy(path: Path, file: Path, error: OSError) -> str:
    """Say what to do about a file that can't be read, by what is there instead."""
    if isinstance(error, PermissionError):
        return "let the bot's user read it, and enter the folders above it"
    if path.is_file():
        return f"{path} is a file: unpack it if it is packed, and name the folder"
    if file.is_dir():
        return f"it is a folder: put the file {file.name} in its place"
    if file.is_symlink() and not file.exists():
        return "it is a link that leads to no file: make it anew"
    if isinstance(error, FileNotFoundError) and (found := next(_alike(path, file), None)):
        return f"there is {one_line(str(found))}: if that is meant, make it {file}"
    return f"put the exported CSV files into {path}"


def _alike(path: Path, file: Path) -> Iterator[Path]:
    """Find what may be meant: a name in capitals, with a number behind it, one folder below, packed."""
    try:
        for entry in islice(path.iterdir(), _LISTED_MAX):
            if entry.name.casefold().startswith(file.stem):
                yield entry.relative_to(path)
            elif (entry / file.name).is_file():
                yield (entry / file.name).relative_to(path)
    except OSError:
        return

"""Reads Lamassu from a folder of exported CSV files."""

import asyncio
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

from dca_bot.core.ports import NOTHING_KNOWN, Copy, Export, KnownRows
from dca_bot.errors import FileRefused, SourceUnavailable, in_words, one_line
from dca_bot.faults import SourceFault
from dca_bot.files.rights import open_to_read
from dca_bot.lamassu.csv import Table
from dca_bot.lamassu.kept_reading import KeptReading
from dca_bot.lamassu.row_models import ACTIONS, CASH_INS, CASH_OUTS, DEVICES
from dca_bot.lamassu.rows import lacks_cash_ins, read_export

_LISTED_MAX = 1000
_YOUNG_NS = 2 * 10**9
"""A file that was written so shortly ago may be written again without another time."""
_TRUSTED_FOR_S = 6 * 3600
"""How long at most a file is trusted to tell by its times that it hasn't changed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DirectorySource:
    """A folder with cash_out_txs.csv and cash_out_actions.csv.

    Without devices.csv the machines have no names; without cash_in_txs.csv no cash-ins are read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = KeptReading()
        self._read_at_s = -math.inf

    async def fetch(self, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
        """Return every cash-out and cash-in created at `since` or later; raise as `read_directory` does.

        Files that haven't changed since the last reading aren't read again.
        """
        return await asyncio.to_thread(self._fetch, since, known)

    def _fetch(self, since: datetime, known: KnownRows) -> Export:
        states, now_s = _states(self._path), time.monotonic()
        is_trusted = states and now_s - self._read_at_s < _TRUSTED_FOR_S
        export = self._kept.recall(states, since, known) if is_trusted else None
        if export is None:
            self._kept.forget()
            export = read_directory(self._path, since, known)
            if states and states == _states(self._path):
                self._kept.keep(states, since, export, known)
                self._read_at_s = now_s
        return export

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""


def _states(path: Path) -> tuple[object, ...]:
    """Return what would be another if one of the files had changed; empty if that can't be known."""
    states: list[object] = []
    for table in (CASH_OUTS, ACTIONS, DEVICES, CASH_INS):
        try:
            state = (path / _name(table)).stat()
        except OSError:
            states.append(os.path.lexists(path / _name(table)))
            continue
        if max(state.st_mtime_ns, state.st_ctime_ns) > time.time_ns() - _YOUNG_NS:
            return ()
        states.append(
            (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        )
    return tuple(states)


def read_directory(path: Path, since: datetime, known: KnownRows = NOTHING_KNOWN) -> Export:
    """Read the folder; raise SourceUnavailable, or ExportBroken for an incomplete file.

    A file of cash-ins that exists but can't be opened is reported in `left_out`.
    """
    with ExitStack() as files:
        cash_outs, actions = _open(files, path, CASH_OUTS), _open(files, path, ACTIONS)
        devices = _open_if_there(files, path, DEVICES)
        try:
            cash_ins, failure = _open_if_there(files, path, CASH_INS), None
        except SourceUnavailable as error:
            cash_ins, failure = None, lacks_cash_ins(str(error))
        opened = {CASH_OUTS: cash_outs, ACTIONS: actions, DEVICES: devices, CASH_INS: cash_ins}
        try:
            export = read_export(
                cash_outs, actions, devices, cash_ins=cash_ins, since=since, known=known
            )
            copies = tuple(_copy(_name(table), file) for table, file in opened.items() if file)
        except OSError as error:
            raise _unreadable(path, error) from error
    left_out = (failure, *export.left_out) if failure else export.left_out
    return replace(export, left_out=left_out, copies=copies)


def _name(table: Table) -> str:
    return f"{table.name}.csv"


def _copy(name: str, file: IO[bytes]) -> Copy:
    """Take a file's age: the older of the content's time (kept when moved) and the inode's time."""
    state = os.fstat(file.fileno())
    # Another computer may have set the content's time ahead; the inode's time is this computer's.
    nanoseconds = max(min(state.st_mtime_ns, state.st_ctime_ns), 0)
    return Copy(name, _EPOCH + timedelta(microseconds=nanoseconds // 1000))


def _open(files: ExitStack, path: Path, table: Table) -> IO[bytes]:
    file = path / _name(table)
    try:
        return files.enter_context(open_to_read(file))
    except FileNotFoundError:
        raise SourceUnavailable(
            f"{file} can't be read (it isn't there); {_remedy(path, file)}.",
            fault=SourceFault.FILE_MISSING,
            path=str(file),
        ) from None
    except FileRefused as error:
        is_packed = os.path.isfile(path)  # noqa: PTH113 (raises for no folder that is closed)
        if is_packed:
            raise SourceUnavailable(
                f"{path} is a file: unpack it if it is packed, and name the folder.",
                fault=SourceFault.NO_FOLDER,
                path=str(path),
            ) from error
        raise SourceUnavailable(str(error), fault=SourceFault.FILE_UNFIT, path=str(file)) from error
    except OSError as error:
        raise _unreadable(file, error) from error


def _open_if_there(files: ExitStack, path: Path, table: Table) -> IO[bytes] | None:
    """Open a file that may be missing; a link that leads nowhere isn't missing."""
    is_there = os.path.lexists(path / _name(table))
    return _open(files, path, table) if is_there else None


def _unreadable(path: Path, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(
        f"{path} can't be read ({in_words(error)}); look at what it lies on.",
        fault=SourceFault.FILE_UNREADABLE,
        path=str(path),
    )


def _remedy(path: Path, file: Path) -> str:
    """Say what to do about a missing file, by the other files in the folder."""
    found = next(_alike(path, file), None)
    if found is None:
        return f"put the exported CSV files into {path}"
    place = one_line(str(found))
    if found.name == file.name:
        return f"there is {place}: if that is meant, name the folder {one_line(str(path / found.parent))}"
    return f"there is {place}: if that is meant, make it {file}"


def _alike(path: Path, file: Path) -> Iterator[Path]:
    """Find files that may be meant: in capitals, with a number behind the name, one folder below, packed."""
    try:
        for entry in islice(path.iterdir(), _LISTED_MAX):
            if entry.name.casefold().startswith(file.stem):
                yield entry.relative_to(path)
            elif (entry / file.name).is_file():
                yield (entry / file.name).relative_to(path)
    except OSError:
        return

"""Reads Lamassu from a folder of exported CSV files."""

import asyncio
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO

from dca_bot.core.ports import Export
from dca_bot.errors import SourceUnavailable
from dca_bot.lamassu.rows import read_export


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
    """Read the folder; raise SourceUnavailable, or ExportBroken for an incomplete file."""
    try:
        with ExitStack() as files:
            return read_export(
                files.enter_context((path / "cash_out_txs.csv").open("rb")),
                files.enter_context((path / "cash_out_actions.csv").open("rb")),
                _open_if_there(files, path / "devices.csv"),
                cash_ins=_open_if_there(files, path / "cash_in_txs.csv"),
                since=since,
            )
    except OSError as error:
        raise SourceUnavailable(
            f"{error.filename or path} can't be read ({error.strerror}); put the exported CSV files"
            f" into {path}."
        ) from error


def _open_if_there(files: ExitStack, path: Path) -> IO[bytes] | None:
    return files.enter_context(path.open("rb")) if path.exists() else None

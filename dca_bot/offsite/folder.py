"""A folder on another disk of this computer: a stick, a network drive.

The folder is never made: where a stick isn't plugged in, the copies would fill the disk that they are to
outlive.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dca_bot.core.offsite import PART
from dca_bot.core.ports import Take
from dca_bot.errors import OffsiteFailed, in_words
from dca_bot.faults import OffsiteFault

_T = TypeVar("_T")
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder; fulfils `core.ports.CopyPlace`."""

    label: str
    folder: Path

    async def names(self) -> Sequence[str]:
        """Return the names of the files there; raise OffsiteFailed."""
        return await self._aside(lambda: [path.name for path in self.folder.iterdir()])

    async def put(self, sealed: Path, name: str) -> str:
        """Copy a file there, under another name until it is whole; return the name. Raise OffsiteFailed."""
        await self._aside(lambda: self._copy(sealed, self.folder / name))
        return name

    async def fetch(self, name: str, take: Take) -> None:
        """Hand over the content of a file; raise OffsiteFailed."""
        with await self._aside(lambda: (self.folder / name).open("rb")) as file:
            while piece := await self._aside(lambda: file.read(_CHUNK_BYTES)):
                take(piece)

    async def remove(self, name: str) -> None:
        """Remove a file; raise OffsiteFailed."""
        await self._aside(lambda: (self.folder / name).unlink(missing_ok=True))

    def _copy(self, sealed: Path, target: Path) -> None:
        part = target.with_name(target.name + PART)
        part.unlink(missing_ok=True)
        with sealed.open("rb") as source, part.open("xb") as file:
            while piece := source.read(_CHUNK_BYTES):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)

    async def _aside(self, work: Callable[[], _T]) -> _T:
        """Run work on files in a thread; raise OffsiteFailed for an error of the system."""
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OffsiteFailed:
        said = in_words(error)
        text = f"{error.filename or self.folder} can't be used ({said})"
        match error.errno:
            case errno.ENOENT | errno.ENOTDIR:
                return OffsiteFailed(
                    f"{text}: is the disk of {self.folder} plugged in and mounted? The folder has to be"
                    " made by hand, on that disk.",
                    fault=OffsiteFault.NO_FOLDER,
                    place=self.label,
                )
            case errno.EACCES | errno.EPERM | errno.EROFS:
                return OffsiteFailed(
                    f"{text}: let the bot's user write there.",
                    fault=OffsiteFault.NO_RIGHTS,
                    place=self.label,
                )
            case errno.ENOSPC | errno.EDQUOT:
                return OffsiteFailed(
                    f"{text}: free some space there, or lower backup.keep.",
                    fault=OffsiteFault.DISK_FULL,
                    place=self.label,
                )
        return OffsiteFailed(f"{text}.", fault=OffsiteFault.FAILED, place=self.label, said=said)

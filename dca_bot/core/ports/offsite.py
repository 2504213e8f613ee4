"""Places beyond this computer that keep encrypted copies of the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted copy: length in bytes, and SHA-256 in hex."""

    size: int
    sha256: str


Seal = Callable[[Path, Path], Sealed]
"""Encrypts a copy of the ledger, and the bot's key, into a new file: (copy, file)."""
Take = Callable[[bytes], object]
"""Takes the next bytes of a file that is fetched."""


class CopyPlace(Protocol):
    """A place for encrypted copies; each method raises OffsiteFailed where the place doesn't do its part."""

    @property
    def label(self) -> str:
        """Return the place as the configuration has it."""
        ...

    async def names(self) -> Sequence[str]:
        """Return the names of the files in the place."""
        ...

    async def put(self, sealed: Path, name: str) -> str:
        """Copy a file there, and return the name by which the place has it.

        A file with the name is whole, whatever breaks off.
        """
        ...

    async def fetch(self, name: str, take: Take) -> None:
        """Hand over the content of a file, piece by piece."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a file; one that isn't there counts as removed."""
        ...

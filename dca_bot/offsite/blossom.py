"""A Blossom server: keeps a copy by its hash, and lists what the bot's key has uploaded (BUD-02).

A server knows no names. A copy's name here has the time of the upload as the server lists it, so that the
newest copy is found with the bot's public key alone. A server that doesn't list is of no use: after a lost
disk nobody would know the hash.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dca_bot.blossom.server import BlossomServer
from dca_bot.core.offsite import offsite_name
from dca_bot.core.ports import Take
from dca_bot.errors import FileServerFailed, OffsiteFailed
from dca_bot.faults import OffsiteFault


@dataclass(slots=True)
class BlossomPlace:
    """A server; fulfils `core.ports.CopyPlace`. `connect` makes a client, `bot` is the bot's public key."""

    label: str
    connect: Callable[[], BlossomServer]
    bot: str
    _hashes: dict[str, str] = field(default_factory=dict, init=False)

    async def names(self) -> Sequence[str]:
        """Return names for the copies that the server lists; raise OffsiteFailed."""
        with self._told():
            async with aclosing(self.connect()) as server:
                listed = await server.listed(self.bot)
        self._hashes = {offsite_name(self.bot, at): sha256 for sha256, at in listed}
        return list(self._hashes)

    async def put(self, sealed: Path, _name: str) -> str:
        """Upload a file, and return the name that the server's list gives it; raise OffsiteFailed."""
        sha256, size = await asyncio.to_thread(_described, sealed)
        with self._told():
            async with aclosing(self.connect()) as server:
                await server.upload_copy(sealed, sha256, size)
        await self.names()
        for name, kept in self._hashes.items():
            if kept == sha256:
                return name
        raise OffsiteFailed(
            f"{self.label} took the copy, but doesn't list it: after a lost disk nobody would find it."
            " Choose a server that lists uploads (BUD-02).",
            fault=OffsiteFault.FAILED,
            place=self.label,
            said="",
        )

    async def fetch(self, name: str, take: Take) -> None:
        """Hand over the content of a file; raise OffsiteFailed."""
        with self._told():
            async with aclosing(self.connect()) as server:
                await server.download(self._hashes[name], take)

    async def remove(self, name: str) -> None:
        """Delete a file; raise OffsiteFailed."""
        with self._told():
            async with aclosing(self.connect()) as server:
                await server.delete(self.label, self._hashes[name])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileServerFailed as error:
            raise OffsiteFailed(
                f"{error}.", fault=OffsiteFault.FAILED, place=self.label, said=str(error)
            ) from error


def _described(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size

"""A folder on an SSH server, by SFTP; only a server with a known key gets anything.

A file is uploaded under another name and renamed once it is whole. The folder is never made: it may be the
place where another disk belongs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import asyncssh

from dca_bot.core.offsite import PART
from dca_bot.core.ports import Take
from dca_bot.errors import OffsiteFailed, SourceUnavailable, in_words
from dca_bot.faults import OffsiteFault
from dca_bot.lamassu.ssh_login import SshServer, connect

_CHUNK_BYTES = 2**20
"""asyncssh splits a piece into requests that are under way together."""


@dataclass(frozen=True, slots=True)
class SftpLimits:
    """How long the login, a look and the transfer of a copy may take, in seconds."""

    connect_s: float = 20
    look_s: float = 60
    transfer_s: float = 3600


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """A folder on a server; fulfils `core.ports.CopyPlace`. Each call logs in anew."""

    label: str
    server: SshServer
    folder: str
    limits: SftpLimits = SftpLimits()

    async def names(self) -> Sequence[str]:
        """Return the names of the files there; raise OffsiteFailed."""
        async with self._connected(self.limits.look_s) as sftp:
            return [str(name) for name in await sftp.listdir(self.folder)]

    async def put(self, sealed: Path, name: str) -> str:
        """Upload a file, and return the name; raise OffsiteFailed."""
        part = self._path(name + PART)
        async with self._connected(self.limits.transfer_s) as sftp:
            with sealed.open("rb") as source:
                await self._upload(sftp, source, part)
            target = self._path(name)
            try:
                await sftp.rename(part, target)
            except asyncssh.SFTPError:
                # Servers differ in how they say that the name is taken, by an upload whose answer was lost.
                await sftp.remove(target)
                await sftp.rename(part, target)
        return name

    async def fetch(self, name: str, take: Take) -> None:
        """Hand over the content of a file; raise OffsiteFailed."""
        async with self._connected(self.limits.transfer_s) as sftp:
            file = await sftp.open(self._path(name), "rb")
            while piece := await file.read(_CHUNK_BYTES):
                take(cast("bytes", piece))

    async def remove(self, name: str) -> None:
        """Remove a file; raise OffsiteFailed."""
        async with self._connected(self.limits.look_s) as sftp:
            with suppress(asyncssh.SFTPNoSuchFile):
                await sftp.remove(self._path(name))

    async def _upload(self, sftp: asyncssh.SFTPClient, source: IO[bytes], part: str) -> None:
        # Closed at the end alone: after a failure a server that hangs would not answer to that either.
        file = await sftp.open(part, "wb")
        while piece := await asyncio.to_thread(source.read, _CHUNK_BYTES):
            await file.write(piece)
        with suppress(asyncssh.SFTPOpUnsupported):
            await file.fsync()
        await file.close()

    def _path(self, name: str) -> str:
        return f"{self.folder.rstrip('/')}/{name}"

    @asynccontextmanager
    async def _connected(self, limit_s: float) -> AsyncIterator[asyncssh.SFTPClient]:
        """Log in, for `limit_s` seconds at most; raise OffsiteFailed for any failure inside."""
        try:
            async with asyncio.timeout(limit_s):
                connection = await connect(self.server, limit_s=self.limits.connect_s)
                try:
                    yield await connection.start_sftp_client()
                finally:
                    # A server that hangs would not take part in an orderly end.
                    connection.abort()
        except SourceUnavailable as error:
            raise OffsiteFailed(str(error), fault=error.fault, **error.fields) from error
        except TimeoutError as error:
            raise OffsiteFailed(
                f"{self.server.address} was not done within {limit_s:g} s: look at the connection and at"
                " that server's disk.",
                fault=OffsiteFault.SLOW,
                place=self.label,
            ) from error
        except (asyncssh.Error, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> OffsiteFailed:
        said = in_words(error)
        match error:
            case (
                asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath() | asyncssh.SFTPNotADirectory()
            ):
                return OffsiteFailed(
                    f"{self.server.address} has no folder {self.folder}, or not that copy in it: make the"
                    " folder there, for the user that the bot logs in as.",
                    fault=OffsiteFault.NO_FOLDER,
                    place=self.label,
                )
            case asyncssh.SFTPPermissionDenied() | asyncssh.SFTPWriteProtect():
                return OffsiteFailed(
                    f"{self.server.address} lets {self.server.username} not write in {self.folder}: give"
                    " that user the right.",
                    fault=OffsiteFault.NO_RIGHTS,
                    place=self.label,
                )
            case asyncssh.SFTPNoSpaceOnFilesystem() | asyncssh.SFTPQuotaExceeded():
                return OffsiteFailed(
                    f"{self.server.address} has no room in {self.folder}: free some there, or lower"
                    " backup.keep.",
                    fault=OffsiteFault.DISK_FULL,
                    place=self.label,
                )
            case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
                pass
            case asyncssh.SFTPError() | asyncssh.ChannelOpenError():
                return OffsiteFailed(
                    f"{self.server.address} didn't do its part in {self.folder} ({said}): does it offer"
                    " SFTP, and has its disk room?",
                    fault=OffsiteFault.FAILED,
                    place=self.label,
                    said=said,
                )
        return OffsiteFailed(
            f"The connection to {self.server.address} broke ({said}).",
            fault=OffsiteFault.CONNECTION_LOST,
            place=self.label,
        )

"""A server that keeps encrypted files until they are deleted, and the drawing of charts."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from dca_bot.core.files import SealedFile


class FileServer(Protocol):
    """The operator's file server; `url` names it in the ledger."""

    @property
    def url(self) -> str:
        """Return the server's address, without a slash at the end."""
        ...

    def seal(self, content: bytes) -> SealedFile:
        """Encrypt a file with a fresh key and nonce."""
        ...

    async def upload(self, file: SealedFile) -> str:
        """Upload an encrypted file; return the URL to fetch it at. Raise FileServerFailed."""
        ...

    async def delete(self, server: str, sha256: str) -> None:
        """Delete a file at the server where it was uploaded; a file that isn't there counts as deleted.

        Raise FileServerFailed.
        """
        ...


Draw = Callable[[bytes], Awaitable[bytes]]
"""Draws a chart (`core/picture`, as JSON) as PNG; raises ChartFailed."""

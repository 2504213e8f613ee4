"""Files for people: how many bytes a server sees, and how apps are told to open them (NIP-17, kind 15)."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SIZES = (*(quarters << power for power in range(12, 18) for quarters in range(4, 8)), 1 << 20)
"""The sizes that files are padded to, in bytes: 16 KiB to 1 MiB, each a quarter more at most.

A server can't tell more of a file, and a table doesn't become many times as long.
"""
_PNG_END = 12
"""The length of a PNG's last chunk, IEND, and of any other chunk without data."""
_PNG_PADDING = b"paDd"
"""A chunk that readers of PNG may pass over: ancillary, private, safe to copy."""


class FilesWish(StrEnum):
    """Whether a client gets pictures and tables as files, and which pictures."""

    OFF = "off"
    LIGHT = "light"
    DARK = "dark"


class FileForm(StrEnum):
    """What a file is: a table as CSV, or a chart that is still to be drawn."""

    TABLE = "table"
    CHART = "chart"

    @property
    def media_type(self) -> str:
        """Return the media type of the finished file."""
        return "text/csv" if self is FileForm.TABLE else "image/png"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An encrypted file: AES-256-GCM, with the 16 bytes of the tag at the end of `sealed`.

    `key` has 32 bytes, `nonce` 12; `sha256` is the hash of `sealed` in hex, `plain_sha256` that of the file.
    """

    sealed: bytes
    key: bytes
    nonce: bytes
    sha256: str
    plain_sha256: str

    def tags(self, form: FileForm) -> tuple[tuple[str, str], ...]:
        """Return the tags by which an app opens the file (NIP-17)."""
        return (
            ("file-type", form.media_type),
            ("encryption-algorithm", "aes-gcm"),
            ("decryption-key", self.key.hex()),
            ("decryption-nonce", self.nonce.hex()),
            ("x", self.sha256),
            ("ox", self.plain_sha256),
            ("size", str(len(self.sealed))),
        )


def table(lines: Iterable[str], *, is_marked: bool = True) -> bytes:
    """Return the bytes of a table; with a mark (BOM), spreadsheets read UTF-8 as such."""
    text = "".join(f"{line}\n" for line in lines)
    return text.encode("utf-8-sig" if is_marked else "utf-8")


def padded(content: bytes, form: FileForm) -> bytes:
    """Bring a file to the next of SIZES so that it reads as before; raise ValueError for a larger file.

    A table gets empty lines at the end, a picture a chunk that isn't shown.
    """
    least = len(content) + (_PNG_END if form is FileForm.CHART else 0)
    size = next((size for size in SIZES if size >= least), None)
    if size is None:
        raise ValueError("The file is too large to be sent.")
    if form is FileForm.TABLE:
        return content + b"\n" * (size - len(content))
    filling = bytes(size - least)
    checksum = zlib.crc32(_PNG_PADDING + filling)
    chunk = len(filling).to_bytes(4) + _PNG_PADDING + filling + checksum.to_bytes(4)
    return content[:-_PNG_END] + chunk + content[-_PNG_END:]

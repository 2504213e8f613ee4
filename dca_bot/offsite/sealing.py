"""Encrypts a copy of the ledger and the bot's key to the recovery keys (age), and decrypts them; as streams.

The encrypted file is a tar of two members, `ledger.sqlite3` and `bot.nsec`, in age's format, so that `age -d`
and `tar` open it too. The admin key of LNbits is never in it. Only this module imports pyrage.

The invariant: what `unseal` returns was encrypted whole, to that key, and nobody has changed a byte. Memory
doesn't grow with the ledger.
"""

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pyrage import (
    DecryptError,
    EncryptError,
    IdentityError,
    RecipientError,
    decrypt_io,
    encrypt_io,
    x25519,
)

from dca_bot.core.ports import Sealed
from dca_bot.errors import CopyRefused, KeyRefused

_LEDGER, _NSEC = "ledger.sqlite3", "bot.nsec"
_NSEC_BYTES_MAX = 1024
_CHUNK_BYTES = 2**16
_SECRET, _PUBLIC = "AGE-SECRET-KEY-1", "age1"
_DAMAGED = (
    "The copy is damaged or cut short: it doesn't decrypt to its end. Take another one (--copy), or another"
    " place (--from)."
)


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """A recovery key: the secret half opens copies, `public` (age1…) makes them."""

    secret: str = field(repr=False)
    public: str

    @property
    def identity(self) -> x25519.Identity:
        """Return the key as age's library takes it."""
        return x25519.Identity.from_str(self.secret)


def generate_key() -> RecoveryKey:
    """Make a fresh recovery key."""
    identity = x25519.Identity.generate()
    return RecoveryKey(str(identity), str(identity.to_public()))


def parse_key(text: str) -> RecoveryKey:
    """Read the secret half, as typed or as the file of `age-keygen`; spaces and case don't matter.

    Raise KeyRefused with a sentence that doesn't show the key.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    typed = "".join("".join(lines).split()).upper()
    if typed.startswith(_PUBLIC.upper()):
        raise KeyRefused(
            "That is the public half of a recovery key, which only encrypts. Needed is the secret half,"
            f" {_SECRET}…, which you have kept on paper or in a password manager."
        )
    if not typed.startswith(_SECRET):
        raise KeyRefused(f"That is no recovery key; it begins with {_SECRET}")
    try:
        return RecoveryKey(typed, str(x25519.Identity.from_str(typed).to_public()))
    except IdentityError:
        raise KeyRefused(
            "That is no whole recovery key: a character is wrong, missing or too many. Compare it with what"
            " you have written down: behind its beginning there is no 1, B, I or O."
        ) from None


def parse_recipients(text: str) -> list[str]:
    """Read the public halves in a file of age's recipients, one a line; raise KeyRefused for another line."""
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    for line in found:
        if line.upper().startswith(_SECRET):
            raise KeyRefused(
                "It has the secret half of a recovery key in it, which must not lie on this computer. Make"
                " a new key, and keep only the public half (age1…) there."
            )
        try:
            x25519.Recipient.from_str(line)
        except RecipientError:
            raise KeyRefused(f"A line of it is no public recovery key ({_PUBLIC}…).") from None
    return found


def seal(copy: Path, target: Path, *, recipients: Sequence[str], nsec: str) -> Sealed:
    """Encrypt a copy of the ledger and the bot's key into a new file of mode 600.

    Raise OSError if the copy can't be read, or the file not be made or written.
    """
    keys = [x25519.Recipient.from_str(one) for one in recipients]
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, copy.open("rb") as ledger:
        hashed = _Hashed(file)
        try:
            encrypt_io(_Pieces(_tar_of(ledger, nsec)), hashed, keys)
        except EncryptError as error:  # the library's word for an error of either file
            raise OSError(str(error)) from error
        file.flush()
        os.fsync(file.fileno())
    return Sealed(hashed.size, hashed.digest.hexdigest())


def unseal(source: IO[bytes], ledger: Path, key: RecoveryKey) -> str:
    """Decrypt a copy: write the ledger into a new file of mode 600, and return the bot's key (nsec).

    Raise CopyRefused for another key, for a copy that is damaged or cut short, and for another file; OSError
    if the ledger can't be written. The file counts only once this has returned.
    """
    reading, writing = os.pipe()
    failures: list[Exception] = []
    nsec = ""

    def decrypt() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                decrypt_io(source, pipe, [key.identity])
        except (DecryptError, OSError) as error:
            failures.append(error)

    thread = threading.Thread(target=decrypt, name="decrypt")
    thread.start()
    try:
        with os.fdopen(reading, "rb") as pipe:
            with suppress(tarfile.TarError):
                nsec = _unpack(pipe, ledger)
            # What is left of the stream: only its end proves that nothing was cut off.
            while pipe.read(_CHUNK_BYTES):
                pass
    finally:
        thread.join()
    if failures:
        raise _refusal(failures[0]) from failures[0]
    if not nsec:
        raise CopyRefused("The file opens, but is no copy that dca-bot has made.")
    return nsec


def _refusal(error: Exception) -> CopyRefused:
    words = str(error)
    if isinstance(error, DecryptError) and "matching keys" in words:
        return CopyRefused(
            "The recovery key doesn't open this copy: it was encrypted to another key. Is there an older"
            " key, or another programme's copy in that place?"
        )
    if isinstance(error, DecryptError) and "header" in words:
        return CopyRefused("The file is no encrypted copy, or hardly more than its beginning.")
    return CopyRefused(_DAMAGED)


def _unpack(stream: IO[bytes], ledger: Path) -> str:
    """Write the ledger out of a tar, and return the key; raise tarfile.TarError for a broken tar."""
    nsec = ""
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            if member.name == _NSEC:
                nsec = content.read(_NSEC_BYTES_MAX).decode("ascii", "replace").strip()
            elif member.name == _LEDGER:
                descriptor = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    while piece := content.read(_CHUNK_BYTES):
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
    return nsec if ledger.exists() else ""


def _tar_of(ledger: IO[bytes], nsec: str) -> Iterator[bytes]:
    """Yield a tar of the ledger and the key, piece by piece."""
    key = f"{nsec}\n".encode("ascii")
    for name, content in ((_LEDGER, ledger), (_NSEC, io.BytesIO(key))):
        member = tarfile.TarInfo(name)
        member.mode, member.size = 0o600, content.seek(0, os.SEEK_END)
        content.seek(0)
        yield member.tobuf(tarfile.GNU_FORMAT)
        while piece := content.read(_CHUNK_BYTES):
            yield piece
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


class _Pieces(io.RawIOBase):
    """Reads from pieces of bytes, as age's library asks for them."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        taken, self._left = self._left[:size], self._left[size:]
        return taken


class _Hashed(io.RawIOBase):
    """Writes through to a file, and keeps length and hash."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write bytes, and return their number."""
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)

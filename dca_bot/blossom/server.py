"""The client of a Blossom server: upload and list (BUD-02), what a server takes (BUD-06), delete (BUD-12).

The invariant: the server gets nothing but encrypted bytes, and people fetch a file at that server's own
address, under the hash of the bytes that were uploaded.
"""

import asyncio
import base64
import hashlib
import http
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from dca_bot.core.files import SIZES, SealedFile
from dca_bot.core.ports import Clock
from dca_bot.errors import FileServerFailed, in_words
from dca_bot.web import NoAnswer, Reply, fetch, no_cookies, tls_context

KIND_TOKEN = 24242
_TOKEN_LIFE = timedelta(minutes=10)
_CLOCK_TOLERANCE = timedelta(minutes=1)
"""A token is dated back, as a server refuses one of the future."""
_ANSWER_BYTES_MAX = 64 * 1024
_UPLOAD_LIMIT_S = 30
_NOT_ASKABLE = (404, 405, 501)
_GONE = (200, 202, 204, 404, 410)
_TAG_BYTES = 16
_SEALED_MAX = SIZES[-1] + _TAG_BYTES
_CLIENTS_SIZES = frozenset(size + _TAG_BYTES for size in SIZES)
_LIST_BYTES_MAX = 8 * 2**20
_PIECE_BYTES = 2**20

Tags = tuple[tuple[str, ...], ...]
Sign = Callable[[int, int, Tags, str], str]
"""Signs an event with the bot's key: kind, created_at in seconds, tags, content; returns the JSON."""


class BlossomServer:
    """The file server at `url`; `sign` signs the bot's tokens (BUD-11)."""

    def __init__(
        self,
        url: str,
        sign: Sign,
        *,
        clock: Clock,
        random: Random,
        limit_s: float = _UPLOAD_LIMIT_S,
    ) -> None:
        self._url = url
        self._sign = sign
        self._clock = clock
        self._random = random
        self._limit_s = limit_s
        self._http = httpx.AsyncClient(
            timeout=limit_s, cookies=no_cookies(), verify=tls_context(), trust_env=False
        )

    @property
    def url(self) -> str:
        """Return the server's address, without a slash at the end."""
        return self._url

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def seal(self, content: bytes) -> SealedFile:
        """Encrypt a file with a fresh key and nonce (AES-256-GCM)."""
        key, nonce = self._random.randbytes(32), self._random.randbytes(12)
        sealed = AESGCM(key).encrypt(nonce, content, None)
        return SealedFile(sealed, key, nonce, _sha256(sealed), _sha256(content))

    async def upload(self, file: SealedFile) -> str:
        """Upload an encrypted file; return the URL to fetch it at (BUD-01). Raise FileServerFailed.

        The server's own URL isn't used: it could lead anywhere.
        """
        headers = self._headers(file.sha256, len(file.sealed))
        reply = await self._ask("PUT", f"{self._url}/upload", "upload", file, headers)
        if reply.status not in (200, 201):
            raise FileServerFailed(f"{self._host} did not take a file: {_words(reply)}")
        found = reply.json()
        if not isinstance(found, Mapping) or found.get("sha256") != file.sha256:
            raise FileServerFailed(f"{self._host} has not kept a file as it was uploaded")
        return f"{self._url}/{file.sha256}"

    async def delete(self, server: str, sha256: str) -> None:
        """Delete a file at the server where it was uploaded; a file that isn't there counts as deleted.

        Raise FileServerFailed.
        """
        reply = await self._ask("DELETE", f"{server}/{sha256}", "delete", sha256)
        if reply.status not in _GONE:
            raise FileServerFailed(f"{_host(server)} did not delete a file: {_words(reply)}")

    async def upload_copy(self, path: Path, sha256: str, size: int) -> None:
        """Upload a large file as a stream; raise FileServerFailed."""
        headers = {
            **self._headers(sha256, size),
            "Content-Length": str(size),
            "Authorization": self._token("upload", sha256, self._host),
        }
        reply = await self._fetch("PUT", f"{self._url}/upload", headers, _pieces(path))
        if reply.status not in (200, 201):
            raise FileServerFailed(f"{self._host} did not take a copy: {_words(reply)}")

    async def listed(self, pubkey: str) -> list[tuple[str, datetime]]:
        """Return the hashes that a key has uploaded, with the times, but for files of the sizes of clients'.

        Raise FileServerFailed.
        """
        reply = await self._fetch("GET", f"{self._url}/list/{pubkey}", {}, None)
        found = reply.json()
        if reply.status != http.HTTPStatus.OK or not isinstance(found, list):
            raise FileServerFailed(f"{self._host} lists no uploads (BUD-02): {_words(reply)}")
        try:
            blobs = _BLOBS.validate_python(found)
        except ValidationError as error:
            raise FileServerFailed(f"{self._host} lists uploads in another form") from error
        return [
            (blob.sha256, datetime.fromtimestamp(blob.uploaded, UTC))
            for blob in blobs
            if blob.size not in _CLIENTS_SIZES
        ]

    async def download(self, sha256: str, take: Callable[[bytes], object]) -> None:
        """Hand over a file piece by piece, also from where the server leads to; raise FileServerFailed."""
        url = f"{self._url}/{sha256}"
        try:
            async with (
                asyncio.timeout(self._limit_s),
                self._http.stream("GET", url, follow_redirects=True) as response,
            ):
                if response.status_code != http.HTTPStatus.OK:
                    raise FileServerFailed(
                        f"{self._host} did not give a copy: {response.status_code}"
                    )
                async for piece in response.aiter_raw():
                    take(piece)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise FileServerFailed(f"{self._host} did not answer: {in_words(error)}") from error

    async def _fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: AsyncIterator[bytes] | None,
    ) -> Reply:
        request = self._http.build_request(method, url, headers=dict(headers), content=content)
        try:
            return await fetch(self._http, request, size_max=_LIST_BYTES_MAX, limit_s=self._limit_s)
        except NoAnswer as error:
            raise FileServerFailed(f"{self._host} did not answer: {error.reason}") from error

    async def probe(self) -> bool:
        """Ask whether the server would take the largest file; False if it can't be asked before an upload.

        Nothing is uploaded. Raise FileServerFailed for a server that would not.
        """
        sha256 = _sha256(self._random.randbytes(32))
        headers = self._headers(sha256, _SEALED_MAX)
        reply = await self._ask("HEAD", f"{self._url}/upload", "upload", sha256, headers)
        if reply.status in _NOT_ASKABLE:
            return False
        if reply.status != http.HTTPStatus.OK:
            raise FileServerFailed(f"{self._host} would not take a file: {_words(reply)}")
        return True

    @property
    def _host(self) -> str:
        return _host(self._url)

    def _headers(self, sha256: str, size: int) -> dict[str, str]:
        media_type = "application/octet-stream"
        told = {"X-SHA-256": sha256, "X-Content-Length": str(size), "X-Content-Type": media_type}
        return {"Content-Type": media_type, **told}

    async def _ask(
        self,
        method: str,
        url: str,
        verb: str,
        file: SealedFile | str,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request with a token for this verb, file and server; `file`: to be sent, or a hash."""
        sha256, content = (file, None) if isinstance(file, str) else (file.sha256, file.sealed)
        token = self._token(verb, sha256, _host(url))
        request = self._http.build_request(
            method, url, headers={**(headers or {}), "Authorization": token}, content=content
        )
        try:
            return await fetch(
                self._http, request, size_max=_ANSWER_BYTES_MAX, limit_s=self._limit_s
            )
        except NoAnswer as error:
            raise FileServerFailed(f"{_host(url)} did not answer: {error.reason}") from error

    def _token(self, verb: str, sha256: str, host: str) -> str:
        """Write the token that allows one action with one file at one server (BUD-11).

        JSON with spaces at its end is as long in either alphabet of Base64, and without padding: servers
        differ in which one they read. None of JSON's bytes here makes a letter in which the alphabets differ.
        """
        now = self._clock.now()
        expires_at = int((now + _TOKEN_LIFE).timestamp())
        tags = (
            ("t", verb),
            ("x", sha256),
            ("expiration", str(expires_at)),
            ("server", host),
        )
        created_at = int((now - _CLOCK_TOLERANCE).timestamp())
        event = self._sign(KIND_TOKEN, created_at, tags, f"{verb.capitalize()} a file").encode()
        event += b" " * (-len(event) % 3)
        return f"Nostr {base64.b64encode(event).decode()}"


class _Blob(BaseModel):
    """What a server lists of a file (BUD-02)."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int
    uploaded: Annotated[int, Field(ge=0, le=2**35)]


_BLOBS = TypeAdapter(list[_Blob])


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """Yield the content of a file."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece


def _words(reply: Reply) -> str:
    """Say what a refusal means, with the server's own words where it has any."""
    try:
        phrase = http.HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "an unknown status"
    said = reply.reason or reply.words("message")
    return f"{reply.status} ({phrase}){f': {said}' if said else ''}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()

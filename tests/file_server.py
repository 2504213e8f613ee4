"""A file server in the test's own process, written from the BUDs: tokens are verified by a library of others.

`faults` gives the next requests another answer.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import time
from contextlib import asynccontextmanager

import nostr_sdk

OCTETS = "application/octet-stream"


class FileServer:
    """Keeps `blobs` by hash and `owners` by hash; `asked` has (method, path, headers) of each request."""

    def __init__(self, *, can_be_asked=True, size_max=2**21):
        self.blobs, self.owners, self.asked, self.faults = {}, {}, [], []
        self.times, self.can_list = {}, True
        self.can_be_asked, self.size_max = can_be_asked, size_max
        self._tasks = set()

    def accept(self, reader, writer):
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        closing = contextlib.closing(writer)
        with closing, contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")[:-2]
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                method, path, _ = first.split(" ")
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.asked.append((method, path, headers))
                fault = self.faults.pop(0) if self.faults else None
                if fault == "hang":
                    await asyncio.Event().wait()
                if fault == "cut":
                    break
                status, answer, *more = fault or self._answer(method, path, headers, body)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                content = b"" if method == "HEAD" or status == 204 else content
                told = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *more, "", ""]
                writer.write("\r\n".join(told).encode() + content)
                await writer.drain()

    def _answer(self, method, path, headers, body):
        if method == "GET":
            return self._give(path)
        if path == "/upload" and method == "HEAD" and not self.can_be_asked:
            return 404, {}
        sha256 = headers.get("x-sha-256", "") if path == "/upload" else path.strip("/")
        owner = owner_of(headers, "delete" if method == "DELETE" else "upload", sha256)
        if owner is None:
            return 401, {}, "X-Reason: no token for this"
        if method == "DELETE":
            return self._delete(sha256, owner)
        if int(headers["x-content-length"]) > self.size_max:
            return 413, {}, "X-Reason: too large"
        return (200, {}) if method == "HEAD" else self._keep(sha256, owner, body)

    def _give(self, path):
        if not path.startswith("/list/"):
            found = self.blobs.get(path.strip("/"))
            return (404, {}) if found is None else (200, found)
        if not self.can_list:
            return 404, {}
        mine = [sha256 for sha256, owner in self.owners.items() if owner == path[len("/list/") :]]
        return 200, [self._described(sha256) for sha256 in mine]

    def _described(self, sha256):
        return {
            "url": f"https://cdn.example/{sha256}.bin",
            "sha256": sha256,
            "size": len(self.blobs[sha256]),
            "type": OCTETS,
            "uploaded": self.times[sha256],
        }

    def _delete(self, sha256, owner):
        if self.owners.get(sha256) != owner:
            return 404, {}
        del self.owners[sha256], self.blobs[sha256]
        return 204, {}

    def _keep(self, sha256, owner, body):
        if hashlib.sha256(body).hexdigest() != sha256:
            return 409, {}
        self.blobs[sha256], self.owners[sha256] = body, owner
        # Each upload a second later, as the list has seconds alone.
        self.times[sha256] = int(time.time()) + len(self.times)
        return 201, self._described(sha256)


def owner_of(headers, verb, sha256):
    """Return who has signed a request's token (BUD-11); None for a token that doesn't allow the request."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    try:
        # Strict in the older form, with padding; the newer form without padding has to be the same text.
        text = base64.b64decode(token, validate=True)
        if base64.urlsafe_b64decode(token) != text or "=" in token:
            return None
        event = nostr_sdk.Event.from_json(text.decode())
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return None
    tags = [tag.to_vec() for tag in event.tags()]
    given = {name: value for name, value, *_ in tags}
    good = (
        scheme == "Nostr"
        and event.verify()
        and event.kind().as_u16() == 24242
        and given.get("t") == verb
        and given.get("x") == sha256
        and given.get("server") in (None, "127.0.0.1")
        and event.created_at().as_secs() <= time.time() < int(given.get("expiration", 0))
        and event.content() != ""
    )
    return event.author().to_hex() if good else None


@asynccontextmanager
async def serving(**how):
    """Serve on a port of this computer; `url` of the server is its address."""
    site = FileServer(**how)
    server = await asyncio.start_server(site.accept, "127.0.0.1", 0)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield site
    finally:
        server.close()
        await site.end()

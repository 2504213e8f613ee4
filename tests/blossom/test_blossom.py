"""Files at a Blossom server: uploaded with a token that others verify, deleted, and every answer judged."""

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from file_server import serving

from dca_bot.blossom.server import BlossomServer
from dca_bot.errors import FileServerFailed
from dca_bot.nostr.events import sign
from dca_bot.nostr.keys import generate
from dca_bot.system_clock import SystemClock

KEY = generate()
PLAIN = b"date,what\n" * 100


def token(kind, created_at, tags, content):
    return sign(KEY, kind=kind, created_at=created_at, tags=tags, content=content).to_json()


@pytest.fixture
async def site():
    async with serving() as site:
        yield site


@pytest.fixture
async def server(site):
    server = BlossomServer(
        site.url, token, clock=SystemClock(), random=random.SystemRandom(), limit_s=0.5
    )
    yield server
    await server.aclose()


async def test_uploaded_file_is_encrypted_kept_and_deleted(site, server):
    file = server.seal(PLAIN)
    url = await server.upload(file)
    assert url == f"{site.url}/{file.sha256}"
    assert site.blobs == {file.sha256: file.sealed}
    assert site.owners == {file.sha256: KEY.public_key}
    assert AESGCM(file.key).decrypt(file.nonce, file.sealed, None) == PLAIN
    assert file.plain_sha256 == hashlib.sha256(PLAIN).hexdigest()
    await server.delete(site.url, file.sha256)
    assert site.blobs == {}
    await server.delete(site.url, file.sha256)  # A file that isn't there is deleted.


async def test_server_learns_nothing_of_a_file_but_its_size(site, server):
    await server.upload(server.seal(PLAIN))
    ((_, path, headers),) = site.asked
    assert path == "/upload"
    assert headers["content-type"] == headers["x-content-type"] == "application/octet-stream"
    assert not {"referer", "cookie", "content-disposition"} & set(headers)


async def test_each_file_has_a_key_and_nonce_of_its_own(server):
    files = [server.seal(PLAIN) for _ in range(20)]
    assert len({file.key for file in files} | {file.nonce for file in files}) == 40
    assert len({file.sha256 for file in files}) == 20


FAULTS = {
    "hang": "hang",
    "connection that ends": "cut",
    "no right": (401, {}, "X-Reason: whitelist only"),
    "payment": (402, {}),
    "too large": (413, {}, "X-Reason: too large"),
    "server's fault": (500, {"message": "oops"}),
    "overload": (503, {}),
    "redirect": (307, {}, "Location: http://127.0.0.1:1/upload"),
    "another hash": (201, {"sha256": "0" * 64}),
    "no descriptor": (200, ["sha256"]),
    "huge answer": (200, "x" * 100_000),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_faulty_answer_to_an_upload_is_no_upload(site, server, fault):
    site.faults.append(fault)
    with pytest.raises(FileServerFailed):
        await server.upload(server.seal(PLAIN))
    assert len(site.asked) == 1


@pytest.mark.parametrize("fault", ["hang", (403, {}), (500, {}), (302, {}, "Location: /")])
async def test_file_that_may_still_be_there_is_not_deleted(site, server, fault):
    site.faults.append(fault)
    with pytest.raises(FileServerFailed):
        await server.delete(site.url, "0" * 64)


async def test_refusal_is_told_with_the_servers_words(site, server):
    site.faults.append((403, {}, "X-Reason: your key is not on the list"))
    with pytest.raises(FileServerFailed, match=r"403 \(Forbidden\): your key is not on the list"):
        await server.upload(server.seal(PLAIN))


async def test_server_says_before_an_upload_whether_it_takes_files(site, server):
    assert await server.probe()
    site.size_max = 1000
    with pytest.raises(FileServerFailed, match=r"413 .*too large"):
        await server.probe()
    site.can_be_asked = False
    assert not await server.probe()
    assert site.blobs == {}

"""Copies at a Blossom server are found again with the bot's npub alone."""

import pytest
from file_server import serving

from dca_bot.core.offsite import offsite_copies
from dca_bot.errors import ConfigError, OffsiteFailed
from dca_bot.faults import OffsiteFault
from dca_bot.nostr.keys import generate
from dca_bot.offsite_places import build_place

KEY, OTHER = generate(), generate()
CONTENT = bytes(range(256)) * 9_000


@pytest.fixture
async def site():
    async with serving(size_max=2**23) as site:
        yield site


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "sealed"
    path.write_bytes(CONTENT)
    return path


def place_of(site, key=KEY, bot=""):
    return build_place(None, site.url, key, bot)


async def test_copy_is_found_and_fetched_without_the_bots_key(site, sealed):
    mine, theirs = place_of(site), place_of(site, OTHER)
    kept = await mine.put(sealed, "ignored")
    sealed.write_bytes(CONTENT + b"newer")
    newest = await mine.put(sealed, "ignored")
    sealed.write_bytes(b"another programme's")
    await theirs.put(sealed, "ignored")
    restored = place_of(site, None, KEY.public_key)
    found = offsite_copies(await restored.names())
    assert {one.name for one in found} == {newest, kept}
    content = bytearray()
    await restored.fetch(newest, content.extend)
    assert content == CONTENT + b"newer"
    await mine.remove(kept)
    assert await mine.names() == [newest]


async def test_files_of_clients_are_no_copies(site):
    place = place_of(site)
    server = place.connect()
    await server.upload(server.seal(bytes(16 * 1024)))
    await server.aclose()
    assert len(site.blobs) == 1
    assert await place.names() == []


async def test_server_that_does_not_list_is_no_place_for_copies(site, sealed):
    site.can_list = False
    with pytest.raises(OffsiteFailed, match="lists no uploads"):
        await place_of(site).put(sealed, "ignored")


@pytest.mark.parametrize(
    ("fault", "said"), [((413, {}, "X-Reason: too large"), "too large"), ("cut", "did not answer")]
)
async def test_server_that_refuses_or_breaks_off_is_told(site, sealed, fault, said):
    site.faults.append(fault)
    with pytest.raises(OffsiteFailed, match=said) as failed:
        await place_of(site).put(sealed, "ignored")
    assert failed.value.fault is OffsiteFault.FAILED
    assert site.blobs == {}


async def test_place_needs_the_bots_npub(site):
    with pytest.raises(ConfigError, match="--bot npub1"):
        place_of(site, None)

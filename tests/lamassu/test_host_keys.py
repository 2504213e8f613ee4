"""A server's host keys as they are shown and noted, and the bot's own key."""

import base64
import hashlib
from pathlib import Path

import asyncssh
import pytest

from dca_bot.errors import SourceUnavailable
from dca_bot.lamassu.ssh_login import SshServer, host_keys, is_noted, make_key, public_key_of


@pytest.fixture
def keys():
    """The server's host keys, of two kinds."""
    return [asyncssh.generate_private_key(f) for f in ("ssh-ed25519", "ecdsa-sha2-nistp256")]


@pytest.fixture
async def server(keys, tmp_path):
    listener = await asyncssh.create_server(
        asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=keys, config=None
    )
    key, known = tmp_path / "lamassu.key", tmp_path / "known_hosts"
    yield SshServer("127.0.0.1", listener.get_port(), "dca", key, known)
    listener.close()
    await listener.wait_closed()


async def test_host_key_of_each_kind_is_found_and_shown_as_ssh_keygen_shows_it(server, keys):
    found = await host_keys(server, limit_s=5)
    digests = [hashlib.sha256(key.public_data).digest() for key in keys]
    in_base64 = [base64.b64encode(digest).decode().rstrip("=") for digest in digests]
    assert [key.fingerprint for key in found] == [
        f"SHA256:{text} ({kind})"
        for text, kind in zip(in_base64, ("ED25519", "ECDSA"), strict=True)
    ]


@pytest.mark.parametrize(("host", "port"), [("lamassu.example.com", 22), ("::1", 2222)])
async def test_line_for_known_hosts_is_found_again(server, host, port):
    other = SshServer(host, port, "dca", server.private_key_file, server.known_hosts_file)
    (line, *_) = [key.line for key in await host_keys(server, limit_s=5)]
    place = host if port == 22 else f"[{host}]:{port}"
    assert not is_noted(other)
    server.known_hosts_file.write_text(line.replace(f"[127.0.0.1]:{server.port}", place))
    assert is_noted(other)
    assert not is_noted(server)


@pytest.mark.parametrize("content", [b"garbage\n", b"\xff\xfe\x00"])
async def test_unreadable_known_hosts_is_left_alone(server, content):
    server.known_hosts_file.write_bytes(content)
    assert is_noted(server)


async def test_server_that_is_not_there_is_told():
    astray = SshServer("127.0.0.1", 9, "dca", Path("k"), Path("known_hosts"))
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9 can't be reached"):
        await host_keys(astray, limit_s=5)


def test_made_key_is_one_of_openssh_without_a_passphrase(tmp_path):
    private, public = make_key()
    path = tmp_path / "lamassu.key"
    path.write_text(f"{private}\n")
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert public.split()[0::2] == ["ssh-ed25519", "dca-bot"]
    assert public_key_of(path) == public

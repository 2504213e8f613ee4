"""Copies on an SSH server: whole under their names, and only on a server with a known key."""

import asyncio

import asyncssh
import pytest

from dca_bot.errors import OffsiteFailed
from dca_bot.faults import OffsiteFault, SourceFault
from dca_bot.lamassu.ssh_login import SshServer
from dca_bot.offsite.sftp import SftpLimits, SftpPlace

CONTENT = bytes(range(256)) * 9_000
LIMITS = SftpLimits(connect_s=10, look_s=10, transfer_s=20)


class Nas:
    """An SSH server whose files lie in `root`; `files` makes what serves them."""

    def __init__(self, folder):
        self.keys, self.root = folder, folder / "root"
        (self.root / "copies").mkdir(parents=True)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / "backup.key")
        (folder / "backup.key").chmod(0o600)
        key.write_public_key(folder / "authorized_keys")
        self.files = asyncssh.SFTPServer

    async def __aenter__(self):
        self.server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.host_key],
            authorized_client_keys=str(self.keys / "authorized_keys"),
            sftp_factory=lambda channel: self.files(channel, chroot=str(self.root)),
            config=None,
        )
        self.port = self.server.sockets[0].getsockname()[1]
        self.known_as(self.host_key)
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    def known_as(self, key):
        line = f"[127.0.0.1]:{self.port} {key.export_public_key().decode()}"
        (self.keys / "known_hosts").write_text(line, encoding="utf-8")

    def place(self, folder="/copies", limits=LIMITS):
        server = SshServer(
            "127.0.0.1",
            self.port,
            "dca",
            self.keys / "backup.key",
            self.keys / "known_hosts",
            setting="[backup] to:",
        )
        return SftpPlace("ssh://nas", server, folder, limits)


@pytest.fixture
async def nas(tmp_path):
    async with Nas(tmp_path) as nas:
        yield nas


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "sealed"
    path.write_bytes(CONTENT)
    return path


async def test_copy_is_put_listed_fetched_and_removed(nas, sealed):
    for folder in ("/copies", "copies", "copies/"):
        place, found = nas.place(folder), bytearray()
        await place.put(sealed, "one")
        assert (nas.root / "copies" / "one").read_bytes() == CONTENT
        assert "one" in await place.names()
        await place.fetch("one", found.extend)
        assert found == CONTENT
        await place.remove("one")
        await place.remove("one")
        assert list((nas.root / "copies").iterdir()) == []


async def test_copy_whose_answer_was_lost_is_put_again(nas, sealed):
    (nas.root / "copies" / "one").write_bytes(b"of the first try")
    await nas.place().put(sealed, "one")
    assert [(one.name, one.stat().st_size) for one in (nas.root / "copies").iterdir()] == [
        ("one", len(CONTENT))
    ]


async def test_upload_that_breaks_off_leaves_no_whole_name(nas, sealed):
    class Breaking(asyncssh.SFTPServer):
        def write(self, file_obj, offset, data):
            if file_obj.closed or offset > 1_000_000:
                file_obj.close()
                raise asyncssh.SFTPError(asyncssh.FX_FAILURE, "disk quota of the house")
            return super().write(file_obj, offset, data)

    nas.files = Breaking
    with pytest.raises(OffsiteFailed, match="disk quota of the house") as failed:
        await nas.place().put(sealed, "one")
    assert failed.value.fault is OffsiteFault.FAILED
    assert [one.name for one in (nas.root / "copies").iterdir()] == ["one.part"]


async def test_server_with_another_key_gets_nothing(nas, sealed):
    nas.known_as(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(OffsiteFailed, match="shows another key") as failed:
        await nas.place().put(sealed, "one")
    assert failed.value.fault is SourceFault.HOST_KEY_CHANGED
    assert list((nas.root / "copies").iterdir()) == []


async def test_key_that_is_refused_is_explained_by_the_setting(nas, sealed):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(nas.keys / "backup.key")
    with pytest.raises(
        OffsiteFailed, match=r"refuses the key .* or correct \[backup\] to: username"
    ):
        await nas.place().put(sealed, "one")


@pytest.mark.parametrize(
    ("folder", "fault"), [("/nowhere", OffsiteFault.NO_FOLDER), ("/closed", OffsiteFault.NO_RIGHTS)]
)
async def test_folder_that_is_missing_or_closed_is_never_made(nas, sealed, folder, fault):
    class Closed(asyncssh.SFTPServer):
        def open(self, path, pflags, attrs):
            if path.startswith(b"/closed"):
                raise PermissionError(13, "closed")
            return super().open(path, pflags, attrs)

    nas.files = Closed
    with pytest.raises(OffsiteFailed) as failed:
        await nas.place(folder).put(sealed, "one")
    assert failed.value.fault is fault
    assert [one.name for one in nas.root.iterdir()] == ["copies"]


async def test_server_that_hangs_or_is_gone_is_given_up(nas, sealed):
    over = asyncio.Event()

    class Hanging(asyncssh.SFTPServer):
        async def write(self, *_):
            await over.wait()

    nas.files = Hanging
    with pytest.raises(OffsiteFailed) as failed:
        await nas.place(limits=SftpLimits(10, 0.5, 0.5)).put(sealed, "one")
    assert failed.value.fault is OffsiteFault.SLOW
    over.set()
    nas.port = 1
    with pytest.raises(OffsiteFailed) as failed:
        await nas.place().names()
    assert failed.value.fault is SourceFault.UNREACHABLE


async def test_server_without_sftp_is_told(tmp_path, sealed):
    nas = Nas(tmp_path)
    async with nas:
        nas.server.close()
        nas.server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[nas.host_key],
            authorized_client_keys=str(nas.keys / "authorized_keys"),
            config=None,
        )
        nas.port = nas.server.sockets[0].getsockname()[1]
        nas.known_as(nas.host_key)
        with pytest.raises(OffsiteFailed, match="does it offer SFTP"):
            await nas.place().put(sealed, "one")

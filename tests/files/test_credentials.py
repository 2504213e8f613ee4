"""Secrets that systemd hands over: root's, readable by an ACL, and trusted in their folder alone.

The folder is made as systemd makes it (src/core/exec-credential.c): files of root, 0400, and an ACL that
lets the service's user read; without ACLs, files of the service's user.
"""

import os
import struct
from pathlib import Path

import pytest
from other_user import NOBODY, as_bot, needs_root, open_folder

from dca_bot.config import Config
from dca_bot.errors import ConfigError, FileRefused
from dca_bot.files.credentials import credential_or
from dca_bot.files.rights import read_text, refuse_unfit_file
from dca_bot.files.secret_files import read_secret, read_secret_file
from dca_bot.lamassu_source import ssh_server
from dca_bot.nostr.keys import generate
from dca_bot.outside import bot_key, build_alerter, build_heartbeat

ANYBODY = 0xFFFFFFFF
READ, SEARCH = 4, 1


def grant(path: Path, rights: int) -> None:
    """Give NOBODY rights on a path of root by an ACL: user, NOBODY, group, mask and others."""
    owners = path.stat().st_mode >> 6 & 7
    entries = [(1, owners, ANYBODY), (2, rights, NOBODY), (4, 0, ANYBODY), (16, rights, ANYBODY)]
    packed = b"".join(struct.pack("<HHI", *one) for one in [*entries, (32, 0, ANYBODY)])
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)


def hand_over(folder: Path, name: str, text: str) -> Path:
    """Put a credential into the folder."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o400)
    grant(path, READ)
    return path


@pytest.fixture
def credentials(monkeypatch):
    with open_folder(owner=0) as base:
        folder = base / "dca-bot.service"
        folder.mkdir(mode=0o500)
        grant(folder, READ | SEARCH)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        yield folder


@pytest.fixture
def home():
    """The folder of a bot, with a secret of the file itself."""
    with open_folder() as folder:
        with as_bot():
            (folder / "bot.nsec").write_text("the file's", encoding="utf-8")
            (folder / "bot.nsec").chmod(0o600)
        yield folder


def refusal(path: Path) -> str:
    with as_bot(), pytest.raises(FileRefused) as refused:
        refuse_unfit_file(path, private=True)
    return str(refused.value)


@needs_root
def test_credential_is_read_in_place_of_the_file_and_named_as_the_place(credentials, home):
    path = hand_over(credentials, "bot.nsec", "systemd's\n")
    assert path.stat().st_mode & 0o777 == 0o440, "as stat shows the ACL"
    with as_bot():
        name = credential_or(home / "bot.nsec")
        assert name == path
        assert read_secret(name, "KEY", {}, remedy="") == "systemd's"
        assert read_secret(name, "KEY", {"KEY": "variable's"}, remedy="") == "variable's"
        other = home / "lnbits.key"
        assert credential_or(other) == other


@needs_root
def test_service_without_acl_gets_files_of_its_own_user(credentials, home):
    path = credentials / "bot.nsec"
    path.touch(mode=0o400)
    path.write_text("systemd's", encoding="utf-8")
    for one in (path, credentials):
        os.chown(one, NOBODY, NOBODY)
    with as_bot():
        assert read_secret_file(credential_or(home / "bot.nsec"), remedy="") == "systemd's"


@needs_root
def test_bot_starts_with_all_its_secrets_from_systemd(credentials, home):
    key = generate()
    names = {
        "bot.nsec": key.nsec(),
        "lnbits.key": "0" * 32,
        "lamassu.key": "x",
        "beat.url": "https://b.example/1",
        "alert.urls": "json://127.0.0.1:9/",
    }
    paths = {hand_over(credentials, name, text) for name, text in names.items()}
    ssh = {"host": "h", "username": "u", "private_key_file": "lamassu.key", "known_hosts_file": "h"}
    config = Config.model_validate(
        {
            "base": home,
            "nostr": {"relays": ["wss://relay.example.com"], "operators": [generate().npub]},
            "lamassu": {"source": "ssh-csv", "ssh": ssh},
            "lnbits": {"url": "https://lnbits.example.com"},
            "monitoring": {"heartbeat_url_file": "beat.url", "alert_url_file": "alert.urls"},
        }
    )
    with as_bot():
        assert bot_key(config, {}).npub == key.npub
        assert build_heartbeat(config) is not None
        assert build_alerter(config) is not None
        assert ssh_server(config).private_key_file == credentials / "lamassu.key"
        assert ssh_server(config).known_hosts_file == home / "h"
        assert paths <= {path for path, is_private in config.named_files() if is_private}
        for path in paths:
            refuse_unfit_file(path, private=True)


@needs_root
@pytest.mark.parametrize("elsewhere", ["", "/", "//", "."])
def test_file_of_root_is_refused_where_no_folder_of_credentials_is_named(
    credentials, monkeypatch, elsewhere
):
    path = hand_over(credentials, "bot.nsec", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", elsewhere)
    monkeypatch.chdir(credentials)
    assert "belongs to root" in refusal(path)
    assert credential_or(Path("elsewhere/bot.nsec")) == Path("elsewhere/bot.nsec")


@needs_root
def test_folder_that_is_named_over_its_parent_is_none_of_systemds(credentials, monkeypatch):
    path = hand_over(credentials, "bot.nsec", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"{credentials}/../{credentials.name}")
    assert "belongs to root" in refusal(path)


@needs_root
def test_rights_of_credentials_end_at_their_folder(credentials):
    outside = hand_over(credentials.parent, "outside.key", "secret")
    (credentials / "linked.key").symlink_to(outside)
    (credentials / "inner").mkdir(mode=0o555)
    inner = hand_over(credentials / "inner", "inner.key", "secret")
    for path in (credentials / "linked.key", credentials / ".." / "outside.key", inner):
        assert "belongs to root" in refusal(path)
    sibling = credentials.with_name("dca-bot.service-old")
    sibling.mkdir(mode=0o555)
    assert "belongs to root" in refusal(hand_over(sibling, "bot.nsec", "secret"))


@needs_root
@pytest.mark.parametrize("mode", [0o444, 0o460, 0o640])
def test_credential_with_more_rights_than_systemd_gives_is_refused(credentials, home, mode):
    path = hand_over(credentials, "bot.nsec", "secret")
    path.chmod(mode)
    with as_bot(), pytest.raises(ConfigError, match="belongs to root"):
        read_secret_file(credential_or(home / "bot.nsec"), remedy="")


@needs_root
def test_folder_that_others_may_enter_makes_no_credentials(credentials):
    path = hand_over(credentials, "bot.nsec", "secret")
    credentials.chmod(0o555)
    assert "belongs to root" in refusal(path)


@needs_root
def test_credential_of_another_user_is_refused(credentials):
    path = hand_over(credentials, "bot.nsec", "secret")
    os.chown(path, 1, 1)
    assert "belongs to daemon" in refusal(path)


@needs_root
def test_credentials_make_nothing_else_of_root_readable(credentials):
    hand_over(credentials, "bot.nsec", "secret")
    (credentials / "config.toml").write_text("", encoding="utf-8")
    (credentials / "config.toml").chmod(0o446)
    with as_bot(), pytest.raises(FileRefused, match="Everybody can change"):
        read_text(credentials / "config.toml", private=False)

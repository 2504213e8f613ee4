"""The files by which Lamassu is reached: judged before anybody is asked, for `check` and for polls alike."""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from other_user import NAMELESS, NOBODY, as_bot, needs_root, open_folder

from dca_bot.commands import check
from dca_bot.config import load_config
from dca_bot.errors import DcaBotError, SourceUnavailable
from dca_bot.lamassu import tunnel
from dca_bot.lamassu.directory import read_directory
from dca_bot.lamassu_source import build_source
from dca_bot.nostr.keys import generate

EXPORT = Path(__file__).parents[1] / "data" / "lamassu" / "export"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = f"""\
[nostr]
relays = ["ws://127.0.0.1:9"]
operators = ["{generate().npub}"]
[lnbits]
url = "http://127.0.0.1:9"
"""
SSH = """
[lamassu.ssh]
host = "127.0.0.1"
port = 9
username = "dca"
private_key_file = "lamassu.key"
known_hosts_file = "known_hosts"
"""
SOURCES = {
    "ssh-csv": SSH,
    "postgres": SSH,
    "direct": '[lamassu.postgres]\ntunnel = false\nport = 9\ntls = "require"\nca_file = "ca.pem"\n',
}
STEPS = {"ssh-csv": "Lamassu", "postgres": "SSH tunnel", "direct": "PostgreSQL"}
PATHS = [
    ("ssh-csv", "lamassu.key"),
    ("ssh-csv", "known_hosts"),
    ("postgres", "lamassu.key"),
    ("postgres", "known_hosts"),
    ("direct", "ca.pem"),
    ("direct", "lamassu.pgpass"),
]
PRIVATE = {"lamassu.key", "lamassu.pgpass"}


@pytest.fixture
def bot():
    """A folder with files that are as they should be, but hold nothing of use."""
    with open_folder() as folder, as_bot():
        for name in ("lamassu.key", "known_hosts", "lamassu.pgpass", "ca.pem"):
            (folder / name).write_text("nothing\n", encoding="utf-8")
            (folder / name).chmod(0o600 if name in PRIVATE else 0o644)
        yield folder


def both_say(folder, source):
    """Return what `check` and a poll say, which is the same."""
    kind = "postgres" if source == "direct" else source
    text = f'{HEAD}[lamassu]\nsource = "{kind}"\n{SOURCES[source]}'
    (folder / "config.toml").write_text(text, encoding="utf-8")
    config = load_config(folder / "config.toml")

    async def poll():
        reader = build_source(config, {})
        try:
            await reader.fetch(SINCE)
        finally:
            await reader.aclose()

    said = []
    step = STEPS[source]
    for name, work in (("poll", poll), ("check", lambda: run_step(config, step))):
        try:
            asyncio.run(work())
        except DcaBotError as error:
            said.append(str(error))
        else:
            pytest.fail(f"{name} saw nothing")
    assert said[0] == said[1]
    return said[0]


async def run_step(config, name):
    steps = {step.name: step for step in check._steps(config)}
    await steps[name].run(config)


def spoil(path, fault):
    path.unlink()
    match fault:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "dangling":
            path.symlink_to("nowhere")
        case "five gigabytes":
            path.touch(mode=0o600)
            os.truncate(path, 5 * 2**30)


FAULTS = {
    "missing": "There is no {path}",
    "folder": "{path} is a folder, not a file; move it away",
    "pipe": "{path} is a named pipe, not a file; move it away",
    "device": "{path} is a device, not a file; move it away",
    "dangling": "{path} is a link to nowhere, which isn't there; remove the link",
    "five gigabytes": "{path} has more than 1,048,576 bytes; put the right file there",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("source", "name"), PATHS)
def test_file_that_is_none_is_named_and_never_waited_for(bot, source, name, fault):
    spoil(bot / name, fault)
    assert both_say(bot, source).startswith(FAULTS[fault].format(path=bot / name))


@pytest.mark.parametrize(
    ("source", "name"), [("ssh-csv", "lamassu.key"), ("direct", "lamassu.pgpass")]
)
def test_key_that_others_can_read_reaches_nobody(bot, source, name):
    (bot / name).chmod(0o644)
    said = both_say(bot, source)
    assert said == f"Other users can read {bot / name}. Run: chmod 600 {bot / name}"


@pytest.mark.parametrize(("source", "name"), [("ssh-csv", "known_hosts"), ("direct", "ca.pem")])
def test_file_that_says_whom_to_trust_is_not_everybodys(bot, source, name):
    (bot / name).chmod(0o646)
    said = both_say(bot, source)
    assert said == f"Everybody can change {bot / name}. Run: chmod o-w {bot / name}"


@needs_root
@pytest.mark.parametrize(
    ("source", "name"), [("ssh-csv", "lamassu.key"), ("postgres", "known_hosts")]
)
@pytest.mark.parametrize("owner", [0, NAMELESS])
def test_closed_file_of_another_user_names_both_and_the_command(source, name, owner):
    with open_folder() as folder:
        for one in ("lamassu.key", "known_hosts", "lamassu.pgpass"):
            (folder / one).touch(mode=0o600)
            (folder / one).write_text("nothing", encoding="utf-8")
            os.chown(folder / one, NOBODY, NOBODY)
        os.chown(folder / name, owner, owner)
        (folder / "config.toml").touch(mode=0o644)
        os.chown(folder / "config.toml", NOBODY, NOBODY)
        with as_bot():
            said = both_say(folder, source)
        who, path = "root" if owner == 0 else owner, folder / name
        assert said == (
            f"{path} belongs to {who}, but nobody runs dca-bot. As root, run: chown nobody: {path}"
            if name in PRIVATE
            else f"nobody can't read {path}, which belongs to {who}. As root, run: chmod a+r {path}"
        )


@pytest.mark.parametrize("table", ["cash_out_txs", "cash_out_actions", "devices", "cash_in_txs"])
@pytest.mark.parametrize("fault", ["pipe", "device"])
def test_export_that_is_no_file_is_never_waited_for(tmp_path, table, fault):
    for name in ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs"):
        (tmp_path / f"{name}.csv").touch()
    path, what = tmp_path / f"{table}.csv", {"pipe": "a named pipe", "device": "a device"}[fault]
    spoil(path, fault)
    if table == "cash_in_txs":
        for name in ("cash_out_txs", "cash_out_actions", "devices"):
            (tmp_path / f"{name}.csv").write_bytes((EXPORT / f"{name}.csv").read_bytes())
        (told,) = read_directory(tmp_path, SINCE).unreadable
        assert f"{path} is {what}, not a file; move it away" in told
    else:
        with pytest.raises(SourceUnavailable, match=f"{table}.csv is {what}, not a file; move it"):
            read_directory(tmp_path, SINCE)


def test_tunnel_without_a_folder_for_temporary_files_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SourceUnavailable, match=r"near end can't be made \(No such file.*TMPDIR"):
        tunnel._near_end()

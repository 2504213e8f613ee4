"""Each path of the bot and what can be wrong with it: `check` and `run` say the same, with what to do."""

import asyncio
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from other_user import NAMELESS, NOBODY, as_bot, needs_root, open_folder

from dca_bot.commands import check, init
from dca_bot.commands.init import ask_and_write
from dca_bot.config import load_config
from dca_bot.errors import DcaBotError, FileRefused, LedgerError
from dca_bot.files import rights
from dca_bot.files.secret_files import write_secret
from dca_bot.lamassu_source import build_source
from dca_bot.ledger.store.backups import PART, copy_ledger, copy_name, prune, remove_unfinished
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE, LOCK_FILE, existing_ledger
from dca_bot.ledger.store.private_files import make_private_folder
from dca_bot.nostr.keys import generate
from dca_bot.outside import bot_key, build_wallet

ROOT, DAEMON = 0, 1
CONFIG = f"""\
[nostr]
relays = ["ws://127.0.0.1:9"]
operators = ["{generate().npub}"]
[lamassu]
source = "directory"
[lnbits]
url = "http://127.0.0.1:9"
"""
WAL, SHM = f"{LEDGER_FILE}-wal", f"{LEDGER_FILE}-shm"
SECRETS = ("bot.nsec", "lnbits.key")
LEDGER_FILES = tuple(f"data/{name}" for name in (LEDGER_FILE, WAL, SHM, LOCK_FILE))
FOLDERS = ("data", "data/backups")
STEPS = {"bot.nsec": "Nostr keys", "lnbits.key": "LNbits", "data/backups": "Backups"}


@pytest.fixture(scope="module")
def started():
    """A folder with all that a bot has after its first start."""
    with open_folder() as folder:
        with as_bot():
            (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
            write_secret(folder / "bot.nsec", generate().nsec())
            write_secret(folder / "lnbits.key", "0" * 32)
            assert asyncio.run(start(folder)) == ""
        yield folder


@pytest.fixture
def bot(started):
    """Such a folder to be spoilt, of a user who isn't root."""
    with open_folder() as folder:
        with as_bot():
            shutil.copytree(started, folder, dirs_exist_ok=True)
        yield folder


async def start(folder):
    """Do what `run` does until the jobs begin, and end; return what it says."""
    try:
        config = load_config(folder / "config.toml")
        async with build_wallet(config, {}):
            build_source(config, {})
            bot_key(config, {})
            database = await open_database(config.path(config.bot.data_dir))
            await database.aclose()
        make_private_folder(config.backup_dir, setting="backup.path")
    except DcaBotError as error:
        return str(error)
    return ""


async def look(folder, name):
    """Return what `check` says of what it reads, in the step where it does; "" for a good one."""
    try:
        config = load_config(folder / "config.toml")
        (step,) = [s for s in check._steps(config) if s.name == STEPS.get(name, "Data folder")]
        await step.run(config)
    except DcaBotError as error:
        return "" if "127.0.0.1:9" in str(error) else str(error)
    return ""


def both_say(folder, name):
    """Return the sentence in which `run` and `check` agree."""
    before = files_of(folder)
    with as_bot():
        seen = asyncio.run(look(folder, name))
    assert files_of(folder) == before, "check changes nothing"
    with as_bot():
        said = asyncio.run(start(folder))
    assert seen == said
    return said


def command_in(said):
    """Return the command at the end of a sentence, which is to be pasted."""
    return re.search(r"\b(chmod|chown|install) .+$", said)[0].split()


def files_of(folder):
    return {path: path.lstat().st_mode for path in folder.rglob("*")}


def emptied(path):
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.is_dir():
        for child in path.iterdir():
            emptied(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def placed(path):
    """Have a file there, as after a start; -wal and -shm are gone then."""
    if not path.exists():
        path.touch(mode=0o600)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)


# Wrong kinds: each is put in the place of what should be there.


def put_folder(path):
    path.mkdir(mode=0o700)


def put_file(path):
    path.write_text("something", encoding="utf-8")
    path.chmod(0o600)


def put_pipe(path):
    os.mkfifo(path, 0o600)


def put_socket(path):
    with socket.socket(socket.AF_UNIX) as near:
        near.bind(str(path))


def put_device(path):
    path.symlink_to("/dev/zero")


def put_dangling(path):
    path.symlink_to("nowhere")


def put_loop(path):
    path.symlink_to(path.name)


KINDS = {
    put_folder: "is a folder, not a file; move it away",
    put_pipe: "is a named pipe, not a file; move it away",
    put_socket: "is a socket, not a file; move it away",
    put_device: "is a device, not a file; move it away",
    put_dangling: "is a link to nowhere, which isn't there; remove the link",
    put_loop: "is a link that leads back to itself; remove it",
}


@pytest.mark.parametrize("put", KINDS)
@pytest.mark.parametrize("name", ["config.toml", *SECRETS])
def test_what_is_no_file_is_named_and_never_waited_for(bot, name, put):
    emptied(bot / name)
    put(bot / name)
    said = both_say(bot, name)
    assert said.startswith(f"{bot / name} ")
    assert KINDS[put] in said


@pytest.mark.parametrize("put", KINDS)
@pytest.mark.parametrize("name", LEDGER_FILES)
def test_ledger_that_is_no_plain_file_is_named_and_not_followed(bot, name, put):
    emptied(bot / name)
    put(bot / name)
    said = both_say(bot, name)
    assert said.startswith(f"{bot / name} ")
    assert KINDS[put] in said or "is a link; put the file itself there" in said


@pytest.mark.parametrize(
    "put", [put_file, put_pipe, put_socket, put_device, put_dangling, put_loop]
)
@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_no_folder_is_named(bot, name, put):
    emptied(bot / name)
    put(bot / name)
    if os.geteuid() == 0:
        os.chown(bot / name, NOBODY, NOBODY, follow_symlinks=False)
    said = both_say(bot, name)
    assert said.startswith(f"{bot / name} is ")
    setting = "bot.data_dir" if name == "data" else "backup.path"
    assert f"choose another {setting}" in said or "; remove " in said


# Modes

MODES = {
    "config.toml": (0o666, "Everybody can change {path}. Run: chmod o-w {path}"),
    **dict.fromkeys(SECRETS, (0o644, "Other users can read {path}. Run: chmod 600 {path}")),
    **dict.fromkeys(LEDGER_FILES, (0o640, "Other users can read {path}. Run: chmod 600 {path}")),
    **dict.fromkeys(FOLDERS, (0o755, "Other users can read {path}. Run: chmod 700 {path}")),
}


@pytest.mark.parametrize("name", MODES)
def test_what_is_open_to_others_is_refused_with_the_command_that_helps(bot, name):
    mode, sentence = MODES[name]
    placed(bot / name)
    (bot / name).chmod(mode)
    said = both_say(bot, name)
    assert said == sentence.format(path=bot / name)
    words = command_in(said)
    with as_bot():
        subprocess.run(words, check=True)
    assert both_say(bot, name) == ""


@pytest.mark.parametrize("name", MODES)
def test_what_its_own_user_may_not_read_is_refused_with_the_command_that_helps(bot, name):
    placed(bot / name)
    (bot / name).chmod(0)
    said = both_say(bot, name)
    assert str(bot / name) in said
    words = command_in(said)
    assert words[0] == "chmod"
    with as_bot():
        subprocess.run(words, check=True)
    assert both_say(bot, name) == ""


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_secret_that_only_its_owner_can_read_is_good(bot, mode):
    (bot / "bot.nsec").chmod(mode)
    assert both_say(bot, "bot.nsec") == ""


@pytest.mark.parametrize("mode", [0o400, 0o644, 0o664, 0o755])
def test_configuration_that_others_only_read_is_good(bot, mode):
    (bot / "config.toml").chmod(mode)
    assert both_say(bot, "config.toml") == ""


def test_configuration_in_a_folder_where_everybody_can_replace_it_is_refused(bot):
    bot.chmod(0o777)
    said = both_say(bot, "config.toml")
    assert said == f"Everybody can replace {bot / 'config.toml'}. Run: chmod o-w {bot}"
    bot.chmod(0o1777)
    assert both_say(bot, "config.toml") == "", "as in /tmp, only owners replace their files"


# Owners


@needs_root
@pytest.mark.parametrize("name", [*SECRETS, *LEDGER_FILES, *FOLDERS])
@pytest.mark.parametrize("owner", [ROOT, NAMELESS])
def test_what_belongs_to_another_user_is_refused_with_the_command_that_helps(bot, name, owner):
    placed(bot / name)
    os.chown(bot / name, owner, owner)
    said = both_say(bot, name)
    who = "root" if owner == ROOT else str(NAMELESS)
    assert said.startswith(f"{bot / name} belongs to {who}, but nobody runs dca-bot.")
    words = command_in(said)
    assert words[0] == "chown"
    subprocess.run(words, check=True)
    assert both_say(bot, name) == ""


@needs_root
def test_who_isnt_the_owner_is_told_to_be_and_not_to_take_what_belongs_to_another(bot):
    for name in ("bot.nsec", "data", "data/backups"):
        os.chown(bot / name, DAEMON, DAEMON)
        said = both_say(bot, name)
        assert said.endswith("but nobody runs dca-bot. Run the command as daemon.")
        os.chown(bot / name, NOBODY, NOBODY)


@needs_root
@pytest.mark.parametrize("folder", ["/srv", "/root", "/etc", "/var/lib"])
def test_no_folder_of_the_system_is_ever_to_be_given_away_or_opened(folder):
    judges = [
        lambda: rights.refuse_unfit_folder(Path(folder), setting="bot.data_dir"),
        lambda: rights.refuse_unfit_folder(Path(folder, "x"), setting="bot.data_dir"),
        lambda: rights.refuse_unfit_new_file(Path(folder, "bot.nsec")),
    ]
    for judge in judges:
        with pytest.raises(FileRefused, match="belongs to root") as refused, as_bot():
            judge()
        assert "chown" not in str(refused.value)
        assert "chmod" not in str(refused.value)


@needs_root
def test_all_that_roots_first_start_has_left_is_given_back_by_one_command(bot):
    for path in [bot / "data", *(bot / "data").rglob("*")]:
        os.chown(path, ROOT, ROOT)
    said = both_say(bot, "data")
    subprocess.run(command_in(said), check=True)
    assert both_say(bot, "data") == both_say(bot, "data/backups") == ""


@needs_root
def test_configuration_of_another_user_is_good_unless_it_is_closed(bot):
    path = bot / "config.toml"
    os.chown(path, ROOT, ROOT)
    assert both_say(bot, "config.toml") == ""
    path.chmod(0o600)
    said = both_say(bot, "config.toml")
    assert (
        said == f"nobody can't read {path}, which belongs to root. As root, run: chmod a+r {path}"
    )
    subprocess.run(command_in(said), check=True)
    assert both_say(bot, "config.toml") == ""


@needs_root
@pytest.mark.parametrize("name", ["bot.nsec", "data", "config.toml"])
def test_folder_that_the_bots_user_may_not_enter_is_named(bot, name):
    bot.chmod(0o700)
    os.chown(bot, ROOT, ROOT)
    said = both_say(bot, name)
    assert said.endswith(
        f" is out of nobody's reach, as {bot} belongs to root; choose another place."
    )
    os.chown(bot, NAMELESS, NAMELESS)
    said = both_say(bot, name)
    assert f"out of nobody's reach, as {bot} belongs to {NAMELESS}" in said
    subprocess.run(command_in(said), check=True)
    assert both_say(bot, name) == ""


@needs_root
def test_who_may_not_enter_a_users_folder_is_told_to_be_that_user_and_not_to_open_it(bot):
    bot.chmod(0o700)
    os.chown(bot, DAEMON, DAEMON)
    assert both_say(bot, "config.toml") == (
        f"{bot / 'config.toml'} is out of nobody's reach, as {bot} belongs to daemon. Run the command"
        " as daemon, or choose another place."
    )


@needs_root
def test_private_folder_that_root_made_in_the_bots_own_is_given_back(bot):
    (bot / "my keys").mkdir(mode=0o700)
    (bot / "bot.nsec").rename(bot / "my keys" / "bot.nsec")
    text = CONFIG.replace("[lamassu]", 'private_key_file = "my keys/bot.nsec"\n[lamassu]')
    (bot / "config.toml").write_text(text, encoding="utf-8")
    said = both_say(bot, "bot.nsec")
    assert said.endswith(f"belongs to root. As root, run: chown -R nobody: '{bot / 'my keys'}'")
    subprocess.run(shlex.split(said.partition("run: ")[2]), check=True)
    assert both_say(bot, "bot.nsec") == ""


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_folder_that_a_link_of_the_bots_leads_to_is_never_given_away(bot, mode):
    """As a link to /root; nor is one that root shares with a group."""
    with open_folder(owner=ROOT) as elsewhere:
        shared = bot / "shared"
        shared.mkdir()
        shared.chmod(0o750)
        elsewhere.chmod(mode)
        (bot / "keys").symlink_to(elsewhere)
        for name in ("keys", "shared"):
            with as_bot(), pytest.raises(FileRefused) as refused:
                rights.open_to_read(bot / name / "bot.nsec")
            assert str(refused.value).endswith(" belongs to root; choose another place.")


# What isn't there yet


@needs_root
@pytest.mark.parametrize("owner", [NOBODY, NAMELESS])
def test_root_makes_nothing_in_a_folder_of_another_user(bot, owner):
    for name in ("data/backups", "data"):
        emptied(bot / name)
    os.chown(bot, owner, owner)
    for name in SECRETS:
        os.chown(bot / name, ROOT, ROOT)
    seen, said = asyncio.run(look(bot, "data")), asyncio.run(start(bot))
    who = "runuser -u nobody --" if owner == NOBODY else "setpriv --reuid 54321 --clear-groups"
    assert seen == said
    assert said.startswith(f"{bot} belongs to ")
    assert said.endswith(f", but root runs dca-bot. Put {who} before the command.")
    assert not (bot / "data").exists()


COMMANDS = {
    "run": lambda data: asyncio.run(open_database(data)),
    "check": check.refuse_unusable,
    "status": existing_ledger,
    "backup": lambda data: copy_ledger(data, data.with_name("copy")),
}


@needs_root
@pytest.mark.parametrize("command", COMMANDS)
def test_root_reads_and_writes_nothing_of_another_users_ledger(bot, command):
    data, before = bot / "data", files_of(bot)
    with pytest.raises(LedgerError, match="Put runuser -u nobody -- before the command"):
        COMMANDS[command](data)
    assert files_of(bot) == before


@needs_root
def test_data_folder_that_cannot_be_made_names_the_folder_above(bot):
    for name in ("data/backups", "data"):
        emptied(bot / name)
    os.chown(bot, ROOT, ROOT)
    said = both_say(bot, "data")
    assert said.startswith(
        f"nobody can't make {bot / 'data'}, as {bot} belongs to root: run, as root: install"
    )
    subprocess.run(command_in(said), check=True)
    assert both_say(bot, "data") == ""


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_that_is_missing_is_made_by_run_alone(bot, name):
    for one in ("data/backups", "data"):
        emptied(bot / one)
    assert both_say(bot, name) == ""
    assert (bot / "data/backups").stat().st_mode & 0o777 == 0o700


COMMAND_LINE = """
import os, sys, concurrent.futures.thread, venv
from dca_bot import app, cli
from dca_bot.commands import backup, check, init, status, upgrade_check, upgrade_wheel
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({user}); os.setuid({user})
for words in (["check"], ["run"], ["status"], ["audit"], ["backup", "copy"], ["export", "out"],
              ["upgrade-check"]):
    sys.argv = ["dca-bot", *words]
    try:
        cli.main()
    except SystemExit as end:
        print(f"{{words[0]}} ended with {{end.code}}", file=sys.stderr)
"""


def each_command(folder, user):
    """Return what each command line says in a process of its own that has become another user."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_LINE.format(user=user)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(check.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" ended with 1\n") == 7, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@needs_root
def test_no_command_ends_in_a_traceback_on_what_roots_first_start_has_left(bot):
    for path in [bot / "bot.nsec", bot / "data", *(bot / "data").rglob("*")]:
        os.chown(path, ROOT, ROOT)
    checked, said = each_command(bot, NOBODY)
    key = "dca-bot: bot.nsec belongs to root, but nobody runs dca-bot. As root, run: chown"
    assert said.count(key) == len(["run", "upgrade-check"])
    sentence = (
        "data belongs to root, but nobody runs dca-bot. If it is the bot's, run, as root: chown"
    )
    assert said.count(f"dca-bot: {sentence}") == len(["status", "audit", "backup", "export"])
    assert f"✗ Data folder: {sentence}" in checked


@needs_root
def test_root_is_told_to_run_each_command_as_the_bots_user_and_leaves_nothing(bot):
    before = files_of(bot)
    checked, said = each_command(bot, ROOT)
    assert (
        said.count("belongs to nobody, but root runs dca-bot. Put runuser -u nobody -- before") == 6
    )
    assert "✗ Data folder: data belongs to nobody, but root runs dca-bot." in checked
    assert files_of(bot) == before


@needs_root
def test_init_by_root_in_the_folder_of_the_bots_user_asks_nothing_and_writes_nothing():
    with open_folder() as folder:
        with pytest.raises(DcaBotError, match=r"Put runuser -u nobody -- before the command\.$"):
            ask_and_write(folder / "config.toml")
        with pytest.raises(DcaBotError, match=r"Put runuser -u nobody -- before the command\.$"):
            write_secret(folder / "me.nsec", "nsec1")
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("config.toml", "is there already"), ("bot.nsec", "is a link to nowhere, which isn't there")],
)
def test_init_sees_a_link_that_leads_nowhere_before_it_asks(tmp_path, name, said):
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(DcaBotError, match=f"{name} {said}"):
        ask_and_write(tmp_path / "config.toml")


def test_init_that_is_broken_off_leaves_none_of_its_files(tmp_path):
    (tmp_path / "config.toml").touch()
    files = {tmp_path / "bot.nsec": "a key", tmp_path / "config.toml": "a configuration"}
    with pytest.raises(DcaBotError, match=r"config\.toml has just been made by another"):
        init._write_all(files)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert (tmp_path / "config.toml").read_bytes() == b""


@needs_root
def test_unfinished_copy_of_another_user_stays_and_stops_no_copies(bot):
    folder = bot / "data" / "backups"
    name = copy_name(datetime(2026, 1, 1, tzinfo=UTC))
    for left in (folder / f"{name}{PART}", folder / name):
        left.touch(mode=0o600)
        os.chown(left, ROOT, ROOT)
    with as_bot():
        remove_unfinished(folder)
        prune(folder, keep=0, now=datetime(2026, 2, 1, tzinfo=UTC))
    assert [path.name for path in folder.iterdir()] == [f"{name}{PART}"]


# What stands in it


def test_secret_that_is_empty_or_too_much_or_no_text_is_named(bot):
    path = bot / "bot.nsec"
    contents = {
        b"": "is empty",
        b" \r\n": "is empty",
        b"\xff\xfen\0s\0": "no text in UTF-8); save it as UTF-8",
        b"x" * 2_000_000: "more than 1,048,576 bytes",
    }
    for content, sentence in contents.items():
        path.write_bytes(content)
        said = both_say(bot, "bot.nsec")
        assert str(path) in said
        assert sentence in said


@pytest.mark.parametrize("name", ["config.toml", "bot.nsec"])
def test_file_of_five_gigabytes_is_not_read_whole(bot, name):
    with (bot / name).open("wb") as file:
        file.truncate(5 * 2**30)
    assert "bytes; put the right file there" in both_say(bot, name)


@pytest.mark.parametrize("name", ["config.toml", "bot.nsec"])
def test_byte_order_mark_of_windows_editors_is_passed_over(bot, name):
    text = (bot / name).read_text(encoding="utf-8")
    (bot / name).write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert both_say(bot, name) == ""


def test_link_to_a_good_secret_is_followed(bot):
    (bot / "bot.nsec").rename(bot / "elsewhere")
    (bot / "bot.nsec").symlink_to("elsewhere")
    (bot / "second").hardlink_to(bot / "lnbits.key")
    assert both_say(bot, "bot.nsec") == both_say(bot, "lnbits.key") == ""


@pytest.mark.parametrize("name", LEDGER_FILES[:1])
def test_ledger_with_a_second_name_is_refused(bot, name):
    (bot / "snapshot").hardlink_to(bot / name)
    said = both_say(bot, name)
    assert said.startswith(f"{bot / name} has a second name")
    assert f"find / -samefile {bot / name}" in said


def test_ledger_that_was_emptied_is_not_begun_anew(bot):
    path = bot / "data" / LEDGER_FILE
    path.write_bytes(b"")
    assert both_say(bot, "data") == "", "a first start that was killed"
    (bot / "data" / LOCK_FILE).write_text("0123456789abcdef\n", encoding="ascii")
    path.write_bytes(b"")
    said = both_say(bot, "data")
    assert said == f"{path} is empty{lost_at(bot)}"


def lost_at(bot):
    return (
        ", but a bot has run here: put the last copy in its place. (To begin anew, choose another"
        f" bot.data_dir, or remove {bot / 'data' / LOCK_FILE} too.)"
    )


@pytest.mark.parametrize("gone", [[LEDGER_FILE], [LEDGER_FILE, WAL, SHM]])
def test_ledger_that_was_removed_is_not_begun_anew_until_its_lock_file_goes_too(bot, gone):
    data = bot / "data"
    lock, ledger = data / LOCK_FILE, data / LEDGER_FILE
    lock.write_text("0123456789abcdef\n", encoding="ascii")
    kept = ledger.read_bytes()
    for name in gone:
        (data / name).unlink(missing_ok=True)
    assert both_say(bot, "data") == f"There is no {ledger}{lost_at(bot)}"
    with as_bot(), pytest.raises(LedgerError, match="but a bot has run here"):
        existing_ledger(data)
    assert not ledger.exists()
    with as_bot():
        ledger.touch(mode=0o600)
        ledger.write_bytes(kept)
    assert both_say(bot, "data") == "", "a copy was put back"
    ledger.unlink()
    lock.unlink()
    assert both_say(bot, "data") == ""
    assert ledger.stat().st_size > 0, "begun anew, as was meant"


def test_first_start_that_was_killed_before_it_made_the_ledger_goes_on(bot):
    for name in (LEDGER_FILE, WAL, SHM):
        (bot / "data" / name).unlink(missing_ok=True)
    assert (bot / "data" / LOCK_FILE).read_bytes() == b""
    assert both_say(bot, "data") == ""
    assert (bot / "data" / LEDGER_FILE).stat().st_size > 0


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('"bot.nsec/key"', "bot.nsec is a file, so there can't be a "),
        (f'"{"x" * 300}"', "can't be used (File name too long); correct the path"),
    ],
)
def test_path_that_leads_nowhere_is_refused(bot, written, sentence):
    text = CONFIG.replace("[lamassu]", f"private_key_file = {written}\n[lamassu]")
    (bot / "config.toml").write_text(text, encoding="utf-8")
    assert sentence in both_say(bot, "bot.nsec")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (r'"a\u0000b"', "has a character in it that no path can have"),
        ('"~/bot.nsec"', "'~/bot.nsec' is taken as it is written; write the whole path"),
        ('"$HOME/bot.nsec"', "is taken as it is written"),
    ],
)
@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("nostr", "private_key_file"),
        ("lnbits", "source_admin_key_file"),
        ("bot", "data_dir"),
        ("backup", "path"),
        ("lamassu.directory", "path"),
        ("lamassu.postgres", "password_file"),
        ("lamassu.postgres", "ca_file"),
    ],
)
def test_path_that_only_a_shell_would_understand_is_refused(bot, section, key, written, sentence):
    line = f"{key} = {written}"
    text = CONFIG if f"[{section}]" in CONFIG else f"{CONFIG}[{section}]\n"
    path = bot / "config.toml"
    path.write_text(text.replace(f"[{section}]", f"[{section}]\n{line}"), encoding="utf-8")
    said = both_say(bot, "config.toml")
    assert f"{section}.{key}: " in said
    assert sentence in said


def test_command_for_a_folder_with_a_blank_can_be_pasted(bot):
    folder = bot / "my data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    with as_bot(), pytest.raises(LedgerError, match=r"Run: chmod 700 '/.*my data'$"):
        make_private_folder(folder, setting="bot.data_dir")


# Disks


def test_full_disk_is_refused_before_anything_is_written(bot, monkeypatch):
    monkeypatch.setattr(rights, "FREE_BYTES_MIN", 2**62)
    said = both_say(bot, "data")
    assert said == f"The disk of {bot / 'data'} is full. Free some space: df {bot / 'data'}"


READ_ONLY = """
import os, subprocess, sys
from pathlib import Path
sys.path[:0] = [str(one) for one in (Path({tests!r}), *Path({tests!r}).parents[:2])]
from test_file_rights import both_say
folder = Path({folder!r})
subprocess.run(["mount", "--bind", "-o", "ro", str(folder), str(folder)], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
print(both_say(folder, "data"))
"""


@needs_root
def test_read_only_file_system_is_named_and_where_systemd_has_it_from(bot):
    code = READ_ONLY.format(tests=str(Path(__file__).parent), folder=str(bot))
    can = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if can.returncode:
        pytest.skip("no mounts are allowed here")
    words = ["unshare", "--mount", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert f"{bot / 'data'} can't be written: what it lies on is read-only" in done.stdout
    assert "ReadWritePaths" in done.stdout


@needs_root
def test_file_system_that_tells_no_size_is_not_full(tmp_path):
    code = f"""
import subprocess
from pathlib import Path
from dca_bot.files.rights import refuse_unfit_folder
folder = Path({str(tmp_path)!r}).joinpath("data")
folder.mkdir()
subprocess.run(["mount", "-t", "ramfs", "-o", "mode=700", "ramfs", folder], check=True)
refuse_unfit_folder(folder, setting="bot.data_dir")
"""
    words = ["unshare", "--mount", sys.executable, "-c", code]
    can = subprocess.run([*words[:2], "true"], capture_output=True, check=False)
    if can.returncode:
        pytest.skip("no mounts are allowed here")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("spoil", [{"mode": 0o644}, {"owner": NAMELESS}], ids=["mode", "owner"])
@needs_root
def test_secret_that_is_replaced_between_look_and_reading_is_not_taken(
    tmp_path, monkeypatch, spoil
):
    path = tmp_path / "key"
    path.write_text("mine")
    path.chmod(0o600)
    judge = rights.refuse_unfit_file

    def judge_then_swap(place, *, private):
        judge(place, private=private)
        other = tmp_path / "other"
        other.write_text("another's")
        other.chmod(spoil.get("mode", 0o600))
        os.chown(other, spoil.get("owner", os.geteuid()), -1)
        other.rename(place)

    monkeypatch.setattr(rights, "refuse_unfit_file", judge_then_swap)
    with pytest.raises(FileRefused):
        rights.read_text(path, private=True)


def test_regular_files_alone_are_ever_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DcaBotError, match="is a named pipe"):
        rights.open_to_read(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"content")
    with rights.open_to_read(tmp_path / "file") as file:
        assert file.read() == b"content"
        assert stat.S_ISREG(os.fstat(file.fileno()).st_mode)

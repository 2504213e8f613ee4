"""`upgrade-check`: what the next start would do to the ledger is tried on a copy, and nothing changes."""

import asyncio
import hashlib
import json
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from ledger.old_ledgers import put_old_ledger
from scaffold import without_triggers

import dca_bot
from dca_bot import __version__
from dca_bot.commands.trial_folder import trial_folder
from dca_bot.commands.upgrade_check import check_upgrade
from dca_bot.commands.upgrade_wheel import check_wheel, read_wheel
from dca_bot.errors import ConfigError, DcaBotError, LedgerError
from dca_bot.ledger.store.backups import keep_before
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE, LOCK_FILE
from dca_bot.ledger.store.schema import VERSION, fingerprint, run_script

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
EXTRA = "CREATE TABLE extra (n INTEGER) STRICT;\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A bot's folder; trials are made beside it, so that it is seen what they leave."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(EXAMPLE, home / "config.toml")
    trials = tmp_path / "trials"
    trials.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(trials))
    monkeypatch.setenv("TMPDIR", str(trials))
    yield home
    assert list(trials.iterdir()) == []


def files_of(folder):
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


def checked(folder, capsys):
    """Return what the check of a folder says; nothing in it has changed."""
    before = files_of(folder)
    try:
        check_upgrade(folder / "config.toml")
    finally:
        assert files_of(folder) == before
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("v1-c6d83de", f"version 1: the start brings it to version {VERSION}"),
        ("v2-64cd33b", f"version 2: the start brings it to version {VERSION}"),
        ("v2-3dcd5fb", "version 2, with tables of an unfinished build: the start repairs them"),
        ("v3-a96ba80", f"version 3: the start brings it to version {VERSION}"),
    ],
)
def test_check_says_what_the_start_would_change_and_changes_nothing(folder, capsys, name, change):
    put_old_ledger(name, folder / "data")
    said = checked(folder, capsys)
    assert f"opened last by a dca-bot before 0.2.0; {change}" in " ".join(said.split("\n"))
    assert ("0003_field.sql: fixed fees" in said) is not name.startswith("v3")
    assert "0004_codes.sql: reasons as codes" in said
    assert f"before-version-{VERSION}.sqlite3" in said
    assert "clients, balances of " in said
    assert said.endswith(f"✓ dca-bot {__version__} can be started\n")


def put_ledger_of_this_version(data_dir):
    """Put an earlier ledger into a data folder, and have this program open and migrate the ledger."""

    async def open_and_close():
        await (await open_database(data_dir)).aclose()

    path = put_old_ledger("v3-a96ba80", data_dir)
    asyncio.run(open_and_close())
    return path


def test_ledger_of_this_version_stays_as_it_is(folder, capsys):
    put_ledger_of_this_version(folder / "data")
    said = checked(folder, capsys)
    assert f"it has version {VERSION} and stays as it is" in " ".join(said.split("\n"))
    assert "_field.sql" not in said
    assert "before-version" not in said


def test_way_back_names_the_copy_that_the_start_will_make_and_no_older_one(folder, capsys):
    data_dir = folder / "data"
    path = put_old_ledger("v2-64cd33b", data_dir)
    keep_before(data_dir, VERSION)
    assert f"before-version-{VERSION}.sqlite3" in checked(folder, capsys), (
        "it is the very same copy"
    )
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE fact SET value = 'later' WHERE name = 'last_poll_at'")
        ledger.commit()
    assert f"before-version-{VERSION}-2.sqlite3" in checked(folder, capsys)
    keep_before(data_dir, VERSION)
    assert (
        min(one.name for one in data_dir.glob("before*")) == f"before-version-{VERSION}-2.sqlite3"
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_ledger_that_was_lost_is_not_called_a_first_start(folder, capsys, is_there):
    data_dir = folder / "data"
    path = put_old_ledger("v2-64cd33b", data_dir)
    path.unlink()
    if is_there:
        path.touch(mode=0o600)
    (data_dir / LOCK_FILE).touch(mode=0o600)
    assert "There is no ledger in" in checked(folder, capsys), "a first start that was killed"
    (data_dir / LOCK_FILE).write_text("0123456789abcdef\n", encoding="ascii")
    with pytest.raises(LedgerError, match="but a bot has run here: put the last copy in its place"):
        checked(folder, capsys)


def test_payouts_that_will_wait_are_told_beforehand(folder, capsys):
    put_old_ledger("v2-64cd33b", folder / "data")
    assert "Payouts by state: 2 ALERT, 2 CANCELLED, 6 DONE, 2 HELD" in checked(folder, capsys)


async def test_check_leaves_a_running_bot_alone(folder, capsys):
    database = await open_database(folder / "data")
    await asyncio.to_thread(check_upgrade_in_thread, folder)
    assert (
        f"opened last by dca-bot {__version__}; it has version {VERSION}" in capsys.readouterr().out
    )
    await database.transact(lambda tx: tx.execute("INSERT INTO fact VALUES ('after', '1')"))
    await database.aclose()


def check_upgrade_in_thread(folder):
    done = subprocess.run(
        [sys.executable, "-m", "dca_bot", "upgrade-check", "--config", folder / "config.toml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sys.stdout.write(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_before_the_first_start_says_that_there_is_no_ledger(folder, capsys):
    assert f"no ledger in {folder / 'data'} yet: the first start makes one" in checked(
        folder, capsys
    )


def test_configuration_that_the_new_program_refuses_ends_the_check(folder, capsys):
    (folder / "config.toml").write_text("[bot]\nnew_key = 1\n")
    with pytest.raises(ConfigError, match="new_key"):
        checked(folder, capsys)


@pytest.mark.parametrize("name", ["bot.nsec", "lnbits.key", "lamassu.key"])
def test_key_that_the_new_program_refuses_ends_the_check(folder, capsys, name):
    (folder / name).write_text("a key\n")
    (folder / name).chmod(0o640)
    with pytest.raises(DcaBotError, match=f"Other users can read .*chmod 600 .*{name}"):
        checked(folder, capsys)
    (folder / name).chmod(0o600)
    assert "no ledger" in checked(folder, capsys)


def test_ledger_that_cannot_be_opened_is_named_by_its_own_path(folder, capsys):
    path = put_ledger_of_this_version(folder / "data")
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("DROP INDEX payout_done")
    with pytest.raises(LedgerError, match="has altered index payout_done") as refused:
        checked(folder, capsys)
    assert str(refused.value).startswith(str(path))


def test_findings_of_the_audit_end_the_check(folder, capsys):
    path = put_ledger_of_this_version(folder / "data")
    with closing(sqlite3.connect(path)) as ledger, without_triggers(ledger):
        ledger.execute("UPDATE account SET balance = balance + 1 WHERE kind = 'balance'")
        ledger.commit()
    with pytest.raises(DcaBotError, match=r"finding\(s\). Don't install"):
        checked(folder, capsys)
    assert "✗ Account" in capsys.readouterr().out


def test_ledger_that_has_no_room_for_its_copies_ends_the_check(folder):
    put_ledger_of_this_version(folder / "data")
    os.truncate(folder / "data" / LEDGER_FILE, 2**42)
    with pytest.raises(DcaBotError, match=r"MB left, and .* MB are needed. Free some space"):
        check_upgrade(folder / "config.toml")


TRIAL = """
import select, sys
from dca_bot.commands.trial_folder import trial_folder
with trial_folder() as folder:
    (folder / "secret").touch()
    print(folder, oct(folder.stat().st_mode), flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        pass  # a signal just before a call that blocks would wait for its end
"""


@pytest.mark.parametrize(
    "ending", ["line", signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL]
)
@pytest.mark.usefixtures("folder")
def test_trial_leaves_nothing_behind_however_it_ends(ending):
    with subprocess.Popen(
        [sys.executable, "-c", TRIAL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as trial:
        place, mode = trial.stdout.readline().split()
        assert mode == "0o40700"
        with trial_folder():
            assert Path(place, "secret").exists()  # a trial under way is not another's to remove
        if ending == "line":
            trial.communicate("\n")
        else:
            trial.send_signal(ending)
        trial.wait(10)
    with trial_folder():
        assert not Path(place).exists()


# Wheels


def make_wheel(folder, files, *, name="dca-bot", version="9.3.0", more=""):
    """Write a wheel of these files, as pip takes it."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    about = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for place, content in {**files, **about}.items():
            wheel.writestr(place, content)
        listed = "".join(f"{place},,\n" for place in [*files, *about, f"{info}/RECORD"])
        wheel.writestr(f"{info}/RECORD", listed)
    return path


def program():
    """The files of this program."""
    top = Path(dca_bot.__file__).parent
    return {
        str(path.relative_to(top.parent)): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def next_program(script=EXTRA):
    """The files of a version to come, which brings the ledger to one version more."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as tx:
        for number in range(1, VERSION + 1):
            run_script(tx, number)
        tx.executescript(EXTRA)
        after = fingerprint(tx)
    name, files = f"000{VERSION + 1}_next.sql", program()
    row = (name, hashlib.sha256(script.encode()).hexdigest(), after, "a table that nobody needs")
    schema = files["dca_bot/ledger/store/schema.py"].decode()
    listed = schema.replace("\nVERSION = ", f"\nMIGRATIONS += (Migration(*{row!r}),)\nVERSION = ")
    files["dca_bot/ledger/store/schema.py"] = listed.encode()
    files["dca_bot/__init__.py"] = b'__version__ = "9.3.0"\n'
    files[f"dca_bot/ledger/store/migrations/{name}"] = script.encode()
    return files


def test_new_version_is_tried_from_its_wheel_before_it_is_installed(folder, tmp_path, capfd):
    """It is tried by what it knows itself: what it changes, and how one gets back."""
    put_ledger_of_this_version(folder / "data")
    before = files_of(folder)
    check_wheel(folder / "config.toml", make_wheel(tmp_path, next_program()))
    said = capfd.readouterr().out
    assert f"✓ dca-bot 9.3.0 can be installed here; the one that runs is {__version__}" in said
    assert f"version {VERSION}: the start brings it to version {VERSION + 1}" in said
    assert f"000{VERSION + 1}_next.sql: a table that nobody needs" in said
    assert f"before-version-{VERSION + 1}.sqlite3" in said
    assert said.endswith("✓ dca-bot 9.3.0 can be started\n")
    assert files_of(folder) == before


def test_new_version_whose_migration_fails_ends_the_check_in_one_sentence(folder, tmp_path):
    put_ledger_of_this_version(folder / "data")
    fails = f"{EXTRA}INSERT INTO fact VALUES ('currency', 'USD');\n"
    with pytest.raises(
        DcaBotError, match=f"could not be brought to version {VERSION + 1}, and is as it was"
    ):
        check_wheel(folder / "config.toml", make_wheel(tmp_path, next_program(fails)))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("Requires-Python: >=4\n", "requires a different Python"),
        ("Requires-Dist: surely-not-there-dca-bot\n", "surely-not-there-dca-bot"),
    ],
)
def test_wheel_that_cannot_be_installed_here_says_why(folder, tmp_path, monkeypatch, more, said):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = make_wheel(tmp_path, {"dca_bot/__init__.py": ""}, more=more)
    with pytest.raises(DcaBotError, match=said):
        check_wheel(folder / "config.toml", wheel)


def bad_wheels(folder):
    (folder / "broken.whl").write_bytes(b"PK\3\4 cut off")
    (folder / "empty.whl").touch()
    with zipfile.ZipFile(folder / "photos.zip", "w") as photos:
        photos.writestr("a.jpg", "x")
    (folder / "folder.whl").mkdir()
    return {
        "broken": (folder / "broken.whl", "is no wheel that can be read"),
        "empty": (folder / "empty.whl", "is no wheel that can be read"),
        "a zip": (folder / "photos.zip", "is no wheel that can be read"),
        "a folder": (folder / "folder.whl", "is a folder, not a file"),
        "missing": (folder / "none.whl", "There is no "),
        "another project's": (make_wheel(folder, {}, name="flask"), "is a wheel of flask"),
        "older": (
            make_wheel(folder, {"dca_bot/ledger/migrations/0001_a.sql": ""}, version="0.1.0"),
            "is dca-bot 0.1.0, which can't try itself. It opens ledgers up to version 1",
        ),
    }


@pytest.mark.parametrize(
    "case", ["broken", "empty", "a zip", "a folder", "missing", "another project's", "older"]
)
def test_file_that_is_no_wheel_of_a_later_version_is_refused_in_one_sentence(
    folder, tmp_path, case
):
    path, said = bad_wheels(tmp_path)[case]
    with pytest.raises(DcaBotError) as refused:
        check_wheel(folder / "config.toml", path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_ledger_that_is_none_is_named_by_its_own_path(folder, capsys):
    path = put_ledger_of_this_version(folder / "data")
    path.write_bytes(b"not a ledger at all" * 1000)
    with pytest.raises(LedgerError, match="not a database") as refused:
        checked(folder, capsys)
    assert str(refused.value).startswith(f"The copy of {path} could not be made")


def test_wheel_tells_its_version_and_its_ledgers(tmp_path):
    found = read_wheel(make_wheel(tmp_path, program(), version="1.2.3rc1"))
    assert (found.version, found.ledger_version) == ("1.2.3rc1", VERSION)


# The version


def test_version_counts_and_is_told_in_one_place():
    done = subprocess.run(
        [sys.executable, "-m", "dca_bot", "version", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "version": __version__,
        "ledger_version": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
        "extras": ["alerts", "charts", "demo"],
    }
    changelog = (EXAMPLE.parent / "CHANGELOG.md").read_text()
    assert f"## [{__version__}]" in changelog
    assert __version__ not in (EXAMPLE.parent / "pyproject.toml").read_text()

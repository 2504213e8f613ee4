"""Copies of the ledger: whole or not there, made while the bot writes, good to be put back."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dca_bot.errors import LedgerError
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import (
    PART,
    copies,
    copy_ledger,
    copy_name,
    prune,
    remove_unfinished,
)
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
# Another process: writes the same number into two facts, and says each when it is committed.
WRITER = """
import asyncio, pathlib, sys
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import open_database

async def main():
    database = await open_database(pathlib.Path(sys.argv[1]))
    for n in range(10**6):
        def work(tx):
            bot_state.put(tx, "first", str(n))
            bot_state.put(tx, f"ballast {n % 100}", "x" * 4000)
            bot_state.put(tx, "second", str(n))
        await database.transact(work)
        print(n, flush=True)

asyncio.run(main())
"""


# Another process: stops in the middle of a copy, and waits to be killed.
COPIER = """
import pathlib, sys, time
from dca_bot.ledger.store.backups import copy_ledger

class Stop:
    def is_set(self):
        print("copying", flush=True)
        time.sleep(600)

copy_ledger(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), stop=Stop())
"""


@pytest.fixture
def writer(tmp_path):
    """A process that writes into `data` without a pause; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True
    )
    for _ in range(150):
        process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def data(tmp_path):
    """The folder of a ledger with something in it."""
    folder = tmp_path / "data"
    put(folder, "first", "1")
    return folder


def put(folder, name, value):
    async def work():
        database = await open_database(folder)
        await database.transact(lambda tx: bot_state.put(tx, name, value))
        await database.aclose()

    asyncio.run(work())


def read_facts(folder):
    """Open a ledger as the bot does, and return its facts and what an audit finds."""

    async def work():
        database = await open_database(folder)
        rows = await database.read(lambda tx: tx.execute("SELECT name, value FROM fact").fetchall())
        findings = (await database.read(audit_ledger)).findings
        await database.aclose()
        return dict(map(tuple, rows)), findings

    return asyncio.run(work())


def restore(copy, folder):
    """Do what docs/operating.md says: a new file in the ledger's place."""
    folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(copy, folder / LEDGER_FILE)
    (folder / LEDGER_FILE).chmod(0o600)


def test_copies_made_while_the_bot_writes_are_whole_and_open_again(writer, tmp_path):
    seen = []
    for n in range(5):
        before = int(writer.stdout.readline())
        copy_ledger(tmp_path / "data", tmp_path / f"{n}.sqlite3")
        restore(tmp_path / f"{n}.sqlite3", tmp_path / f"restored {n}")
        found, findings = read_facts(tmp_path / f"restored {n}")
        assert found["first"] == found["second"]
        assert int(found["first"]) >= before
        assert findings == ()
        seen.append(int(found["first"]))
    assert seen == sorted(seen)
    assert writer.poll() is None


def test_copy_that_takes_long_holds_no_writer_up_and_keeps_to_its_state(data, tmp_path):
    put(data, "ballast", "x" * 20_000_000)
    ledger = sqlite3.connect(data / LEDGER_FILE, isolation_level=None, timeout=0)
    steps = 0

    class WritesAtEachStep(threading.Event):
        def is_set(self):
            nonlocal steps
            steps += 1
            ledger.execute("UPDATE fact SET value = ? WHERE name = 'first'", (f"step {steps}",))
            return False

    with contextlib.closing(ledger):
        copy_ledger(data, tmp_path / "copy.sqlite3", stop=WritesAtEachStep())
    assert steps > 15
    restore(tmp_path / "copy.sqlite3", tmp_path / "restored")
    assert read_facts(tmp_path / "restored")[0]["first"] == "1"


def test_copy_is_one_plain_file_for_its_owner_alone(data, tmp_path):
    target = tmp_path / "elsewhere" / "copy.sqlite3"
    target.parent.mkdir()
    copy_ledger(data, target)
    assert [path.name for path in target.parent.iterdir()] == ["copy.sqlite3"]
    assert target.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [path.name for path in target.parent.iterdir()] == ["copy.sqlite3"]


def test_copy_of_a_killed_bots_ledger_has_what_its_wal_had(writer, tmp_path):
    last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert (tmp_path / "data" / f"{LEDGER_FILE}-wal").stat().st_size > 0
    copy_ledger(tmp_path / "data", tmp_path / "copy.sqlite3")
    restore(tmp_path / "copy.sqlite3", tmp_path / "restored")
    assert int(read_facts(tmp_path / "restored")[0]["first"]) >= last


def test_ledger_of_an_older_version_can_be_copied_before_it_is_migrated(data, tmp_path):
    with contextlib.closing(sqlite3.connect(data / LEDGER_FILE)) as ledger:
        ledger.execute("PRAGMA user_version = 1")
    copy_ledger(data, tmp_path / "copy.sqlite3")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)


def test_nothing_is_overwritten(data, tmp_path):
    for name in ("there", f"broken off{PART}"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(LedgerError, match="is there already, and is not overwritten"):
            copy_ledger(data, tmp_path / name)
    with pytest.raises(LedgerError, match=r"broken off\.part is there, and is no copy that was"):
        copy_ledger(data, tmp_path / "broken off")
    assert (tmp_path / "there").read_text() == "mine"
    assert (tmp_path / f"broken off{PART}").read_text() == "mine"
    assert not (tmp_path / "broken off").exists()


@pytest.fixture
def copying(data, tmp_path):
    """A process in the middle of a copy to `copy.sqlite3`; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", COPIER, str(data), str(tmp_path / "copy.sqlite3")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "copying\n"
    yield process
    process.kill()
    process.communicate()


def test_copy_that_was_killed_is_replaced_by_the_next(copying, data, tmp_path):
    copying.kill()
    copying.wait()
    assert (tmp_path / f"copy.sqlite3{PART}").exists()
    (tmp_path / f"copy.sqlite3{PART}-journal").write_bytes(b"a journal that would be played back")
    copy_ledger(data, tmp_path / "copy.sqlite3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.sqlite3", "data"]
    restore(tmp_path / "copy.sqlite3", tmp_path / "restored")
    assert read_facts(tmp_path / "restored")[0]["first"] == "1"


@pytest.mark.parametrize("left", [b"", bytes(4096), b"SQLite format 3\0" + bytes(4096)])
def test_whatever_a_killed_copy_can_have_left_is_replaced(data, tmp_path, left):
    part = tmp_path / f"copy.sqlite3{PART}"
    part.write_bytes(left)
    part.chmod(0o600)
    copy_ledger(data, tmp_path / "copy.sqlite3")
    restore(tmp_path / "copy.sqlite3", tmp_path / "restored")
    assert read_facts(tmp_path / "restored")[1] == ()


def test_copy_that_is_being_written_is_left_alone(copying, data, tmp_path):
    part = tmp_path / f"copy.sqlite3{PART}"
    with pytest.raises(LedgerError, match="just being written: another copy of that name"):
        copy_ledger(data, tmp_path / "copy.sqlite3")
    remove_unfinished(tmp_path)
    assert part.exists()
    assert copying.poll() is None


def test_copy_under_way_in_the_folder_of_copies_is_no_leftover(data, tmp_path):
    target = tmp_path / copy_name(NOW)
    part = target.with_name(target.name + PART)
    process = subprocess.Popen(
        [sys.executable, "-c", COPIER, str(data), str(target)], stdout=subprocess.PIPE, text=True
    )
    try:
        process.stdout.readline()
        remove_unfinished(tmp_path)
        assert part.exists()
    finally:
        process.kill()
        process.communicate()
    remove_unfinished(tmp_path)
    assert not part.exists()


@pytest.mark.parametrize("kind", ["link", "folder", "of others", "pipe"])
def test_what_is_no_leftover_of_a_copy_is_refused_and_stays(data, tmp_path, kind):
    part = tmp_path / f"copy.sqlite3{PART}"
    (tmp_path / "mine").touch(mode=0o600)
    match kind:
        case "link":
            part.symlink_to(tmp_path / "mine")
        case "folder":
            part.mkdir()
        case "of others":
            part.touch(mode=0o644)
        case "pipe":
            os.mkfifo(part, 0o600)
    with pytest.raises(LedgerError, match="no copy that was broken off"):
        copy_ledger(data, tmp_path / "copy.sqlite3")
    assert part.is_symlink() or part.exists()
    assert (tmp_path / "mine").exists()


def test_damaged_ledger_makes_no_copy(data, tmp_path):
    with contextlib.closing(sqlite3.connect(data / LEDGER_FILE)) as ledger:
        ledger.execute("PRAGMA writable_schema = ON")
        ledger.execute("UPDATE sqlite_master SET rootpage = 3 WHERE name = 'fact'")
        ledger.commit()
    with pytest.raises(LedgerError, match=r"not sound|could not be made"):
        copy_ledger(data, tmp_path / "copy.sqlite3")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


TORN_REFERENCE = ("INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (9, 1, 0)",)
ROW_LEFT_IN_INDEX = (
    "INSERT INTO hold (kind, ref, reason, opened_at) VALUES ('payout', 'a', 'ceiling_payout', 1)",
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_schema SET sql = sql || ' WHERE ref = 0' WHERE name = 'hold_ref'",
)


@pytest.mark.parametrize("damage", [TORN_REFERENCE, ROW_LEFT_IN_INDEX])
def test_what_a_quick_check_misses_makes_no_copy_that_is_proven(data, tmp_path, damage):
    with contextlib.closing(sqlite3.connect(data / LEDGER_FILE)) as ledger:
        for change in damage:
            ledger.execute(change)
        ledger.commit()
    with pytest.raises(LedgerError, match="not sound"):
        copy_ledger(data, tmp_path / "copy.sqlite3", proves=True)
    copy_ledger(data, tmp_path / "copy.sqlite3")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere/copy.sqlite3", "There is no folder .*nowhere; make it first"),
        ("file/copy.sqlite3", "file is a file, not a folder; move it away"),
    ],
)
def test_copy_that_cannot_be_written_says_so_and_leaves_nothing(data, tmp_path, target, said):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=said):
        copy_ledger(data, tmp_path / target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file"]


def test_disk_without_room_makes_no_copy_and_leaves_nothing(data, tmp_path):
    put(data, "ballast", "x" * 500_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(LedgerError, match="could not be made"):
            copy_ledger(data, tmp_path / "copy.sqlite3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_copy_is_broken_off_when_the_bot_stops(data, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(LedgerError, match="broken off"):
        copy_ledger(data, tmp_path / "copy.sqlite3", stop=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_missing_ledger_is_not_made(tmp_path):
    with pytest.raises(LedgerError, match="no ledger"):
        copy_ledger(tmp_path / "data", tmp_path / "copy.sqlite3")
    assert list(tmp_path.iterdir()) == []


# Putting a copy back


def test_copy_put_back_beside_another_ledgers_wal_is_refused_until_that_is_moved(writer, tmp_path):
    folder = tmp_path / "data"
    copy_ledger(folder, tmp_path / "copy.sqlite3")
    for _ in range(100):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    restore(tmp_path / "copy.sqlite3", folder)
    with pytest.raises(LedgerError, match=r"Move .*-wal and .*-shm away"):
        read_facts(folder)
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in ("wal", "shm"):
        (folder / f"{LEDGER_FILE}-{name}").rename(aside / name)
    found, findings = read_facts(folder)
    assert found["first"] == found["second"]
    assert findings == ()


def test_killed_bots_own_wal_is_no_obstacle(writer, tmp_path):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    found, _ = read_facts(tmp_path / "data")
    assert found["first"] == found["second"]


# Names and retention


def test_names_sort_by_time_and_are_read_again(tmp_path):
    times = [NOW, NOW + timedelta(seconds=1), NOW - timedelta(days=400)]
    for at in times:
        (tmp_path / copy_name(at)).touch()
    assert copy_name(NOW.astimezone(timezone(timedelta(hours=-6)))) == (
        "ledger-2026-11-24T080000Z.sqlite3"
    )
    assert [copy.made_at for copy in copies(tmp_path)] == sorted(times, reverse=True)
    names = [copy.path.name for copy in copies(tmp_path)]
    assert names == sorted(names, reverse=True)


def test_newest_copies_stay_and_nothing_of_others_is_removed(tmp_path):
    ours = [copy_name(NOW + timedelta(hours=n)) for n in range(6)]
    others = [
        "ledger.sqlite3",
        "notes.txt",
        "ledger-2020-01-01T000000Z.sqlite3.bak",
        "my-ledger-2020-01-01T000000Z.sqlite3",
        "ledger-2020-13-41T000000Z.sqlite3",
        "ledger-2020-01-01.sqlite3",
        "other.part",
    ]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    (tmp_path / copy_name(NOW - timedelta(days=1))).mkdir()
    (tmp_path / copy_name(NOW - timedelta(days=2))).symlink_to(tmp_path / "notes.txt")
    kept = {path.name for path in tmp_path.iterdir()} - set(ours[:4])
    for ending in ("", "-wal", "-shm", "-journal"):
        (tmp_path / f"{ours[0]}{PART}{ending}").touch()
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept | set(ours)
    prune(tmp_path, keep=2, now=NOW + timedelta(days=30))
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_copies_of_the_future_stand_behind_all_others(tmp_path):
    early, just_made, late, later = paths = [
        tmp_path / copy_name(NOW + timedelta(days=days)) for days in (-1, 0, 900, 901)
    ]
    for keep, left in ((4, paths), (3, [early, just_made, later]), (1, [just_made])):
        for path in paths:
            path.touch()
        prune(tmp_path, keep=keep, now=NOW)
        assert sorted(tmp_path.iterdir()) == left
    assert late not in left

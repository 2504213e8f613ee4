"""Names that people take for one: found by an index, kept as they are from before, and never added."""

import sqlite3
from contextlib import closing

import pytest
from query_plans import plan_of, traced

from dca_bot.core.names import skeleton
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.programme import client_names, clients
from dca_bot.ledger.store.backups import copy_ledger
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.ledger.store.schema import run_script

from .story import START as NOW
from .story import hex_of

CYRILLIC = "mari\u0430"
OLD_NAMES = ["maria", "maría", CYRILLIC, "\uff4daria", "ñandú", "ÑANDÚ", "daily", "Ana"]


def make_old_ledger(folder, version):
    """Make a ledger as the program of an earlier version did, with names that it let in."""
    folder.mkdir(mode=0o700)
    (folder / LEDGER_FILE).touch(mode=0o600)
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as old:
        for number in range(1, version + 1):
            run_script(old, number)
        for name in OLD_NAMES:
            old.execute(
                "INSERT INTO client (name, pubkey, language, created_at) VALUES (?, ?, 'en', 0)",
                (name, hex_of(name)),
            )


@pytest.mark.parametrize("version", [1, 2])
async def test_every_name_of_an_older_ledger_is_kept_and_has_its_skeleton(tmp_path, version):
    folder = tmp_path / "data"
    make_old_ledger(folder, version)
    database = await open_database(folder)
    rows = await database.read(
        lambda tx: tx.execute("SELECT name, skeleton FROM client ORDER BY id").fetchall()
    )
    assert [tuple(row) for row in rows] == [(name, skeleton(name)) for name in OLD_NAMES]
    found = await database.read(lambda tx: [one.name for one in client_names.alike(tx, "MARÍA")])
    assert sorted(found) == sorted(OLD_NAMES[:4])
    assert await database.read(client_names.lookalikes) == [
        ["maria", CYRILLIC, "maría", "\uff4daria"],
        ["ÑANDÚ", "ñandú"],
    ]
    assert await database.read(lambda tx: client_names.named_like(tx, ["daily", "pause"])) == [
        "daily"
    ]
    assert (await database.read(audit_ledger)).findings == ()
    await database.aclose()


async def test_old_names_that_look_alike_go_on_living_and_are_joined_by_nobody(tmp_path):
    folder = tmp_path / "data"
    make_old_ledger(folder, 2)
    database = await open_database(folder)

    def live(tx):
        for name in ("maria", CYRILLIC):
            for state in ("paused", "stopped", "active"):
                clients.set_state(tx, client_names.payee(tx, name), state)
        clients.set_state(tx, client_names.payee(tx, "maría"), "closed")
        return [client_names.payee(tx, name).name for name in ("MARIA", CYRILLIC, "ana", "Daily")]

    assert await database.transact(live) == ["maria", CYRILLIC, "Ana", "daily"]
    with pytest.raises(sqlite3.IntegrityError, match="looks like this one"):
        await database.transact(lambda tx: add(tx, "maríà"))
    await database.aclose()


async def test_copy_of_an_older_ledger_is_opened_with_its_skeletons(tmp_path):
    folder, copy = tmp_path / "data", tmp_path / "copied"
    make_old_ledger(folder, 2)
    copy.mkdir(mode=0o700)
    copy_ledger(folder, copy / LEDGER_FILE)
    database = await open_database(copy)
    rows = await database.read(
        lambda tx: tx.execute("SELECT skeleton FROM client ORDER BY id").fetchall()
    )
    assert [row["skeleton"] for row in rows] == [skeleton(name) for name in OLD_NAMES]
    await database.aclose()


def add(tx, name):
    return clients.add(tx, name=name, pubkey=hex_of(f"new {name}"), language="en", now=NOW)


@pytest.mark.parametrize("name", ["ANA", "aná", "\u0430na", "\uff41na", "a\u200bna"])
def test_name_that_is_taken_for_an_open_clients_is_refused_by_the_schema(story, name):
    first = story.client("ana")
    with pytest.raises(sqlite3.IntegrityError, match=r"looks like this one|client.(name|paid_as)"):
        story.client(name, pubkey=hex_of("other"))
    story.state(first, "closed")
    assert story.client(name, pubkey=hex_of("other")) != first
    with pytest.raises(sqlite3.IntegrityError, match=r"looks like this one|client.(name|paid_as)"):
        story.sql("UPDATE client SET state = 'active' WHERE id = ?", first)


def test_row_of_another_hand_has_a_skeleton_too(story):
    story.client("ana")
    insert = "INSERT INTO client (name, pubkey, language, created_at) VALUES (?, ?, 'en', 0)"
    story.sql(insert, "Ben", hex_of("ben"))
    assert story.read(client_names.payee, "BEN").name == "Ben"


@pytest.mark.parametrize("find", [client_names.alike, client_names.closed, client_names.payee])
def test_name_is_found_by_the_index(story, find):
    story.client("ana")
    with traced(story.database) as plans:
        story.read(find, "ANA")
    lines = [line for plan in plans.values() for line in plan]
    assert any("INDEX client_skeleton (skeleton=?" in line for line in lines)
    assert not any("SCAN" in line or "(kind=?)" in line for line in lines)


def test_names_like_commands_are_found_by_the_index(story):
    with traced(story.database) as plans:
        assert story.read(client_names.named_like, ["pause", "daily"]) == []
    ((line, *_),) = plans.values()
    assert "INDEX client_skeleton (skeleton=?" in line


def test_check_of_a_new_name_uses_the_index(story):
    sql = "SELECT 1 FROM client WHERE skeleton = ? AND state <> 'closed' AND id <> ?"
    (line,) = story.read(plan_of, sql, ("ana", 1))
    assert "client_skeleton (skeleton=?" in line

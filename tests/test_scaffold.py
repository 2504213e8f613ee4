import asyncio
import sqlite3
from contextlib import closing

import pytest
from here import at_once
from hypothesis import settings
from scaffold import open_ledger

from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE


async def test_copy_of_a_new_ledger_is_what_the_migrations_make(tmp_path):
    found = []
    for way in (open_database, open_ledger):
        folder = tmp_path / way.__name__
        await (await way(folder)).aclose()
        with closing(sqlite3.connect(folder / LEDGER_FILE)) as ledger:
            found.append(list(ledger.iterdump()))
        rights = {path.name: path.stat().st_mode for path in folder.iterdir()}
        found.append((folder.stat().st_mode, rights))
    assert found[:2] == found[2:]
    assert any(line.startswith("CREATE TABLE") for line in found[0])


def test_example_has_no_deadline_on_a_busy_machine():
    assert settings().deadline is None


async def no_wait(value):
    return value


def test_at_once_returns_the_result_of_what_waits_for_nothing():
    assert at_once(no_wait("done")) == "done"


def test_at_once_refuses_what_waits():
    with pytest.raises(AssertionError, match="waits"):
        at_once(asyncio.sleep(0))

"""Which bot processes have run on a data folder."""

import pytest

from dca_bot.errors import LedgerError
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.instances import KEPT, instances, note_instance
from dca_bot.ledger.store.ledger_files import LOCK_FILE


async def test_each_start_knows_those_before_it(tmp_path):
    for number in range(3):
        database = await open_database(tmp_path / "data")
        before = {f"{n:016x}" for n in range(number)}
        assert note_instance(tmp_path / "data", f"{number:016x}") == before
        await database.aclose()
    assert instances(tmp_path / "data") == [f"{n:016x}" for n in range(3)]


def test_only_the_last_are_kept(tmp_path):
    for number in range(KEPT + 5):
        note_instance(tmp_path, f"{number:016x}")
    assert note_instance(tmp_path, "f" * 16) == {f"{n:016x}" for n in range(5, KEPT + 5)}


def test_file_that_says_nothing_tells_of_none(tmp_path):
    assert instances(tmp_path / "missing") == []
    assert note_instance(tmp_path / "missing", "f" * 16) == frozenset()
    (tmp_path / LOCK_FILE).write_bytes(b"\xff\xfe broken")
    assert note_instance(tmp_path, "0" * 16) == frozenset()
    assert instances(tmp_path) == ["0" * 16]


async def test_noting_keeps_the_lock(tmp_path):
    database = await open_database(tmp_path / "data")
    note_instance(tmp_path / "data", "0" * 16)
    with pytest.raises(LedgerError, match="Another bot is running"):
        await open_database(tmp_path / "data")
    await database.aclose()

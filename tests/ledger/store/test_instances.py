"""Which bot processes have run on a data folder."""

import resource
from contextlib import contextmanager

import pytest

from dca_bot.errors import LedgerError
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.instances import KEPT, instances, note_instance
from dca_bot.ledger.store.ledger_files import LOCK_FILE


@pytest.fixture
def full_disk():
    """Let this process write nothing to files: `with full_disk():`."""

    @contextmanager
    def fill():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return fill


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


def test_long_file_loses_none_of_the_last(tmp_path):
    path, ids = tmp_path / LOCK_FILE, [f"{number:016x}" for number in range(4_000)]
    path.write_text("".join(f"\n{one}\n" for one in ids), encoding="ascii")
    assert note_instance(tmp_path, "f" * 16) == frozenset(ids[-KEPT:])
    assert instances(tmp_path) == [*ids[1 - KEPT :], "f" * 16]


def test_full_disk_loses_no_earlier_process(tmp_path, full_disk):
    note_instance(tmp_path, "0" * 16)
    with full_disk():
        assert note_instance(tmp_path, "1" * 16) == {"0" * 16}
    assert instances(tmp_path) == ["0" * 16]


@pytest.mark.parametrize("left", range(18))
def test_line_that_a_power_cut_has_torn_hides_no_other(tmp_path, left):
    for number in range(2):
        note_instance(tmp_path, f"{number:016x}")
    path = tmp_path / LOCK_FILE
    path.write_bytes(path.read_bytes()[: -18 + left])
    before = note_instance(tmp_path, "f" * 16)
    assert f"{0:016x}" in before
    assert set(instances(tmp_path)) == {*before, "f" * 16}


async def test_noting_keeps_the_lock(tmp_path):
    database = await open_database(tmp_path / "data")
    note_instance(tmp_path / "data", "0" * 16)
    with pytest.raises(LedgerError, match="Another bot is running"):
        await open_database(tmp_path / "data")
    await database.aclose()

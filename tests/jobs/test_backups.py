"""Copies by themselves: on time, the newest kept, trouble told once, and nobody held up."""

import asyncio
import contextlib
import resource
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR, HandClock, programme
from test_half_translated import ONLY_ENGLISH, words

from dca_bot.jobs.backups import Backups
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copies, copy_name
from dca_bot.ledger.store.database import open_database
from dca_bot.ledger.store.ledger_files import LEDGER_FILE
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = timedelta(hours=24)


class Vault:
    """A ledger in `data`, and the keeper of its copies in `data/backups`."""

    def __init__(self, database, data, *, every=DAY, keep=3):
        self.database = database
        self.data = data
        self.folder = data / "backups"
        self.clock = HandClock(NOW)
        self.start(every=every, keep=keep)

    def start(self, *, every=DAY, keep=3, language="en"):
        """Start the keeper anew, as after a restart."""
        rules = programme(language=language)
        self.keep = Backups(
            database=self.database,
            notices=Notices(rules, load_texts(rules)),
            clock=self.clock,
            signals=Signals(),
            data_dir=self.data,
            folder=self.folder,
            every=every,
            keep=keep,
        )

    async def look(self, *, hours=0):
        self.clock.ahead += timedelta(hours=hours)
        await self.keep.look_once()
        return await self.letters()

    def made(self):
        return [copy.made_at for copy in reversed(copies(self.folder))]

    async def letters(self):
        query = "SELECT text FROM outbox WHERE recipient = ? ORDER BY id"
        return await self.database.read(
            lambda tx: [row["text"] for row in tx.execute(query, (OPERATOR,))]
        )

    async def fact(self, name):
        return await self.database.read(lambda tx: bot_state.get(tx, name))


@pytest.fixture
async def vault(tmp_path):
    database = await open_database(tmp_path / "data")
    yield Vault(database, tmp_path / "data")
    await database.aclose()


@contextlib.contextmanager
def no_room(size):
    """Let no file grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_copies_are_made_on_time_and_the_newest_stay(vault):
    for _ in range(6 * 24):
        assert await vault.look(hours=1) == []
    first = NOW + timedelta(hours=1)
    assert vault.made() == [first + n * DAY for n in (3, 4, 5)]
    assert await vault.fact(bot_state.BACKUP_AT) == (first + 5 * DAY).isoformat()
    assert vault.folder.stat().st_mode & 0o777 == 0o700


async def test_restart_keeps_to_the_rhythm(vault):
    await vault.look()
    vault.start()
    await vault.look(hours=23)
    assert vault.made() == [NOW]
    await vault.look(hours=1)
    assert vault.made() == [NOW, NOW + DAY]


async def test_each_seventh_day_a_copy_is_proven(vault):
    torn = "INSERT INTO deposit (client_id, amount_minor, created_at) VALUES (9, 1, 0)"
    assert await vault.look() == []
    with contextlib.closing(sqlite3.connect(vault.data / LEDGER_FILE)) as ledger:
        ledger.execute(torn)
        ledger.commit()
    for _ in range(6):
        assert await vault.look(hours=24) == []
    (letter,) = await vault.look(hours=24)
    assert "not sound" in letter
    assert vault.made() == [NOW + n * DAY for n in (4, 5, 6)]


async def test_copies_that_somebody_removed_are_made_anew(vault):
    await vault.look()
    for copy in copies(vault.folder):
        copy.path.unlink()
    await vault.look(hours=1)
    assert vault.made() == [NOW + timedelta(hours=1)]


async def test_copy_from_a_clock_that_was_ahead_does_not_stop_the_rhythm(vault):
    await vault.look()
    ahead = NOW + timedelta(days=900)
    (vault.folder / copy_name(ahead)).touch(mode=0o600)
    for _ in range(4):
        await vault.look(hours=24)
    assert vault.made() == [NOW + 2 * DAY, NOW + 3 * DAY, NOW + 4 * DAY]


@pytest.mark.parametrize("keep", [1, 3])
async def test_copies_from_a_clock_that_was_ahead_push_out_no_good_one(vault, keep):
    vault.start(keep=keep)
    vault.folder.mkdir(mode=0o700)
    for days in range(3):
        (vault.folder / copy_name(NOW + timedelta(days=400 + days))).touch(mode=0o600)
    await vault.look()
    for _ in range(6):
        await vault.look(hours=1 / 6)
        assert [at for at in vault.made() if at <= NOW + DAY] == [NOW], "one a day, and it stays"


@pytest.mark.parametrize("keep", [1, 3])
async def test_copy_that_fails_costs_none_of_those_that_are_there(vault, keep):
    vault.start(keep=3)
    for _ in range(3):
        await vault.look(hours=24)
    made = vault.made()
    vault.start(keep=keep)
    with no_room(4096):
        await vault.look(hours=24)
    assert vault.made() == made


async def test_what_a_killed_bot_left_unfinished_is_removed(vault):
    await vault.look()
    left = vault.folder / f"{copy_name(NOW + DAY)}.part"
    left.touch()
    assert await vault.look(hours=24) == []
    assert not left.exists()
    assert vault.made() == [NOW, NOW + DAY]


async def test_trouble_is_told_once_and_its_end_once(vault):
    await vault.look()
    vault.folder.chmod(0o755)
    (told,) = await vault.look(hours=24)
    assert f"Run: chmod 700 {vault.folder}" in told
    assert await vault.look(hours=5) == [told]
    vault.start()
    assert await vault.look(hours=5) == [told], "also across a restart"
    vault.folder.chmod(0o700)
    told_again, all_clear = await vault.look(hours=1)
    assert told_again == told
    assert "can be made again (they failed since 25 Nov 02:00)" in all_clear
    assert len(await vault.look(hours=48)) == 2


async def test_folder_that_cannot_be_made_is_told(vault):
    vault.folder.touch()
    (told,) = await vault.look()
    assert "choose another backup.path" in told
    vault.folder.unlink()
    assert len(await vault.look(hours=1)) == 2
    assert vault.made() == [NOW + timedelta(hours=1)]


SPOILS = {
    "a file in place of the folder": (lambda path: path.touch(), "ahí hay otra cosa"),
    "a folder that others can read": (
        lambda path: (path.mkdir(), path.chmod(0o755)),
        "Otros usuarios pueden leer",
    ),
    "a foreign file under the copy's name": (
        lambda path: (path.mkdir(0o700), (path / f"{copy_name(NOW)}.part").mkdir()),
        "que el bot no sobrescribe",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILS.values(), ids=SPOILS)
async def test_spanish_operator_is_told_in_spanish_why_no_copy_can_be_made(vault, spoil, said):
    vault.start(language="es")
    spoil(vault.folder)
    (told,) = await vault.look()
    assert said in told
    assert words(told.replace(str(vault.data), "")) & {*ONLY_ENGLISH.split()} == set()


async def test_full_disk_is_told_once_and_leaves_no_copy(tmp_path):
    big = await open_database(tmp_path / "data")
    await big.transact(lambda tx: bot_state.put(tx, "ballast", "x" * 2_000_000))
    await big.aclose()
    vault = Vault(await open_database(tmp_path / "data"), tmp_path / "data")
    with no_room(1_000_000):
        (told,) = await vault.look()
        assert "could not be made" in told
        assert await vault.look(hours=1) == [told]
    assert list(vault.folder.iterdir()) == []
    assert len(await vault.look(hours=1)) == 2
    assert len(vault.made()) == 1
    await vault.database.aclose()


async def test_ledger_that_cannot_be_written_does_not_stop_the_keeper(vault):
    vault.folder.touch()
    other = sqlite3.connect(vault.data / "ledger.sqlite3", isolation_level=None)
    await vault.database.read(lambda tx: tx.execute("PRAGMA busy_timeout = 1"))
    other.execute("BEGIN IMMEDIATE")
    await vault.keep.look_once()
    other.execute("ROLLBACK")
    other.close()
    assert await vault.letters() == []
    assert len(await vault.look(hours=1)) == 1


async def test_keeper_that_is_turned_off_makes_nothing_and_forgets_its_trouble(vault):
    vault.folder.touch()
    await vault.look()
    vault.start(every=timedelta())
    await vault.keep.run()
    assert await vault.fact(bot_state.BACKUP_FAILING) is None


async def test_bot_commits_while_a_copy_is_made_and_a_stop_breaks_it_off(vault):
    await vault.database.transact(lambda tx: bot_state.put(tx, "ballast", "x" * 100_000_000))
    threads = threading.active_count()
    making = asyncio.create_task(vault.keep.look_once())
    part = vault.folder / f"{copy_name(NOW)}.part"
    while not part.exists() or part.stat().st_size < 1_000_000:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await vault.database.transact(lambda tx: bot_state.put(tx, "meanwhile", "1"))
    assert not making.done()
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    while part.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert vault.made() == []
    assert threading.active_count() <= threads + 1

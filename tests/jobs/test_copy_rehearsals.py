"""Once a month the newest copy is tried beside the ledger, and people are asked to try one with the key."""

from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR, HandClock, programme
from scaffold import open_ledger

from dca_bot.jobs.copy_rehearsals import CopyRehearsals
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.store import bot_state, offsite_states
from dca_bot.ledger.store.backups import copy_ledger, copy_name, note_rehearsal
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = timedelta(days=1)


class Tried:
    def __init__(self, database, data, language="en"):
        rules = programme(language=language)
        self.database, self.data, self.clock = database, data, HandClock(NOW)
        self.copies = data / "backups"
        self.copies.mkdir(0o700, exist_ok=True)
        notices = Notices(rules, load_texts(rules))
        self.job = CopyRehearsals(database, notices, self.clock, Signals(), data, self.copies)

    def copy(self):
        path = self.copies / copy_name(self.clock.now())
        copy_ledger(self.data, path)
        return path

    async def after(self, days):
        self.clock.ahead += days * DAY
        await self.job.look_once()
        query = "SELECT text FROM outbox WHERE recipient = ? ORDER BY id"
        return await self.database.read(
            lambda tx: [row["text"] for row in tx.execute(query, (OPERATOR,))]
        )

    async def tried_at(self):
        return await self.database.read(
            lambda tx: bot_state.moment(tx, bot_state.COPY_REHEARSED_AT)
        )


@pytest.fixture
async def tried(tmp_path):
    database = await open_ledger(tmp_path / "data")
    await database.transact(lambda tx: bot_state.put(tx, bot_state.START_AT, NOW.isoformat()))
    yield Tried(database, tmp_path / "data")
    await database.aclose()


async def test_good_copy_is_tried_each_month_and_nobody_hears_of_it(tried):
    copy = tried.copy()
    content = copy.read_bytes()
    for _ in range(29):
        assert await tried.after(1) == []
    assert await tried.tried_at() is None
    for month in (1, 2):
        assert await tried.after(1 if month == 1 else 30) == []
        assert await tried.tried_at() == NOW + 30 * month * DAY
    assert copy.read_bytes() == content
    assert sorted(path.name for path in tried.data.iterdir() if path.is_dir()) == ["backups"]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "can't be put back as it is"), ("es", "no se puede restaurar")]
)
async def test_spoilt_copy_is_told_once_a_month(tried, language, said):
    tried = Tried(tried.database, tried.data, language)
    tried.copy().write_bytes(b"no ledger" * 1_000)
    (told,) = await tried.after(30)
    assert said in told
    assert await tried.after(1) == [told]
    assert len(await tried.after(30)) == 2


async def test_people_are_reminded_a_month_after_the_last_rehearsal_and_only_with_copies_elsewhere(
    tried,
):
    assert await tried.after(40) == []
    await tried.database.transact(lambda tx: offsite_states.change(tx, "usb", name="a copy"))
    (told,) = await tried.after(1)
    assert told.endswith("dca-bot rehearse-restore")
    note_rehearsal(tried.data, tried.clock.now() + 5 * DAY)
    assert await tried.after(30) == [told], (
        "35 days after the start of the waiting, 25 after it was done"
    )
    _, again = await tried.after(5)
    assert again.endswith("dca-bot rehearse-restore (the last time was 9 Jan 02:00)")
    assert len(await tried.after(29)) == 2
    assert len(await tried.after(1)) == 3


async def test_without_a_copy_nothing_is_tried(tried):
    assert await tried.after(60) == []
    assert await tried.tried_at() is None

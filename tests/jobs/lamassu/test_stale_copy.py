"""A folder that nobody renews is read, and told: by an alarm, once each way, and wherever one looks."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ingest_bench import DAY, HOUR, MINUTE, NOW, Server, cash_out
from test_alarms import Tower

from dca_bot.core.ports import Copy
from dca_bot.lamassu.directory import DirectorySource, read_directory
from dca_bot.ledger.distributions import readings
from dca_bot.ledger.store import bot_state

DATA = Path(__file__).parents[2] / "data"
FILES = ("cash_out_txs.csv", "cash_out_actions.csv", "cash_in_txs.csv", "devices.csv")
STALE = "No fresh data of Lamassu since "
FRESH = "The data of Lamassu are fresh again (they were not since "


def shown(at):
    return f"{at.astimezone(ZoneInfo('America/Guatemala')):%-d %b %H:%M}"


class Folder:
    """A poller on a folder of exported files and a watch, at one hand's clock."""

    def __init__(self, bench, path, **changes):
        self.bench = bench
        self.path = path
        self.changes = changes
        self.restart()

    def restart(self):
        """Start the bot anew; ledger and folder are as they were."""
        self.tower = Tower(self.bench.database, **self.changes)
        self.tower.clock = self.bench.clock
        self.tower.restart()
        self.tower.polling = False
        self.bench.ingest = self.bench.poller()

    def renew(self, *names, age=timedelta()):
        for name in names or FILES:
            at = (self.bench.clock.now() - age).timestamp()
            os.utime(self.path / name, (at, at))

    async def pass_time(self, span, *, every=10 * MINUTE, polls=True):
        """Poll and look until so much time has passed; return what the operators were told."""
        end = self.bench.clock.ahead + span
        while self.bench.clock.ahead < end:
            self.bench.clock.ahead += every
            if polls:
                await self.bench.poll()
            await self.tower.watch.look_once()
        return await self.told()

    async def told(self):
        letters = await self.bench.letters()
        return [text for text in letters if text.startswith((STALE, FRESH, "Lamassu has not"))]


@pytest.fixture
def path(tmp_path):
    """All four files, three sales in them."""
    path = shutil.copytree(DATA / "field" / "fixed-fee", tmp_path / "export")
    for name in FILES[2:]:
        first, *_ = (
            (DATA / "lamassu" / "export" / name).read_text("utf-8").splitlines(keepends=True)
        )
        (path / name).write_text(first, encoding="utf-8")
    return path


@pytest.fixture
async def folder(make_ingest, path):
    bench = await make_ingest(DirectorySource(path))
    # A file's time counts only as far as that of its inode, which is the computer's own.
    bench.clock.ahead = datetime.now(UTC).replace(second=0, microsecond=0) - 30 * DAY - NOW
    folder = Folder(bench, path)
    folder.renew()
    return folder


async def test_export_that_nobody_renews_is_told_once_and_its_renewal_once(folder):
    begun_at = shown(folder.bench.clock.now())
    assert await folder.pass_time(26 * HOUR, every=HOUR) == []
    (alarm,) = await folder.pass_time(HOUR)
    assert alarm == (
        f"{STALE}{begun_at}: cash_out_txs.csv is read again and again, but"
        " nobody renews it, so newer sales are not seen. Please see to what writes it."
    )
    for _ in range(3):
        folder.restart()
        assert await folder.pass_time(10 * HOUR, every=HOUR) == [alarm]
    await folder.tower.deliver()
    folder.renew()
    assert await folder.pass_time(HOUR) == [alarm, f"{FRESH}{begun_at})."]
    folder.restart()
    assert len(await folder.pass_time(25 * HOUR, every=HOUR)) == 2
    assert len(await folder.pass_time(3 * HOUR)) == 3


async def test_each_file_that_is_not_renewed_is_named_but_that_of_the_machines(folder):
    for number, name in enumerate(("cash_out_actions.csv", "cash_in_txs.csv"), 1):
        folder.renew()
        folder.renew(name, age=2 * DAY)
        alarm = (await folder.pass_time(20 * MINUTE))[-1]
        assert f": {name} is read again and again" in alarm
        await folder.tower.deliver()
        folder.renew()
        assert len(await folder.pass_time(20 * MINUTE)) == 2 * number
    folder.renew("devices.csv", age=90 * DAY)
    assert len(await folder.pass_time(HOUR)) == 4


async def test_file_that_was_not_renewed_after_another_was_is_one_alarm(folder):
    folder.renew(age=2 * DAY)
    (alarm,) = await folder.pass_time(HOUR)
    folder.renew("cash_out_txs.csv", "cash_in_txs.csv")
    assert await folder.pass_time(HOUR) == [alarm]


async def test_quiet_machine_whose_files_are_renewed_raises_no_alarm(folder):
    for _ in range(5):
        folder.renew(age=HOUR)
        assert await folder.pass_time(DAY, every=HOUR) == []


async def test_stale_copy_is_shared_out_all_the_same(folder):
    sold_at = folder.bench.clock.now() - 4 * DAY
    folder.bench.ingest.start_at = sold_at - 4 * DAY
    for name in FILES:
        text = (folder.path / name).read_text("utf-8").replace("2026-11-20", f"{sold_at:%Y-%m-%d}")
        (folder.path / name).write_text(text, encoding="utf-8")
    folder.renew(age=2 * DAY)
    assert len(await folder.pass_time(10 * MINUTE)) == 1
    assert len(await folder.bench.distributed()) == 2


async def test_stale_copy_that_cannot_be_read_any_more_is_told_in_one_way_only(folder):
    await folder.pass_time(10 * MINUTE)
    (alarm,) = await folder.pass_time(30 * HOUR, polls=False)
    assert alarm.startswith("Lamassu has not been read since")


async def test_bot_that_was_down_or_paused_for_days_judges_the_first_reading(folder):
    await folder.pass_time(10 * MINUTE)
    folder.bench.clock.ahead += 3 * DAY
    folder.restart()
    assert await folder.pass_time(MINUTE, every=MINUTE, polls=False) == []
    folder.renew()
    assert await folder.pass_time(HOUR) == []
    await folder.tower.transact(bot_state.put, bot_state.PAUSED, "now")
    assert await folder.pass_time(3 * DAY, every=HOUR, polls=False) == []
    await folder.tower.transact(bot_state.drop, bot_state.PAUSED)
    assert await folder.pass_time(MINUTE, every=MINUTE, polls=False) == []
    folder.renew()
    assert await folder.pass_time(HOUR) == []


async def test_alarm_that_could_not_leave_is_told_with_its_end_as_one(folder):
    folder.renew(age=2 * DAY)
    written_at, renewed_at = (folder.bench.clock.now() + span for span in (-2 * DAY, 70 * MINUTE))
    folder.tower.online = False
    await folder.pass_time(HOUR)
    await folder.tower.fail()
    folder.renew()
    folder.tower.online = True
    await folder.pass_time(HOUR)
    await folder.tower.deliver()
    texts = [text for text in await folder.tower.letters() if "of Lamassu" in text]
    assert texts == [
        f"The data of Lamassu were not renewed from {shown(written_at)} to {shown(renewed_at)}. You could"
        " not be told before. All is well again."
    ]


async def test_source_that_is_lamassu_itself_again_ends_the_alarm(folder):
    folder.renew(age=2 * DAY)
    now = folder.bench.clock.now()
    assert len(await folder.pass_time(HOUR)) == 1
    await folder.tower.deliver()
    server = Server()
    server.put(cash_out("a", now - HOUR))
    folder.bench.server = server
    folder.restart()
    told = await folder.pass_time(HOUR)
    assert told[1:] == [f"{FRESH}{shown(now - 2 * DAY)})."]
    assert await folder.bench.database.read(readings.oldest_copy) is None
    newest_at = await folder.bench.database.read(readings.newest_transaction_at)
    assert newest_at == now - HOUR


async def test_alarm_of_a_standby_is_told_in_the_readers_language(make_ingest):
    bench = await make_ingest(language="es")
    folder = Folder(bench, None, language="es")
    folder.tower.polling = True
    await bench.database.transact(
        lambda tx: readings.note(tx, Copy("standby", NOW - 2 * DAY), None)
    )
    (alarm,) = await folder.tower.look(2)
    assert alarm.startswith("No hay datos nuevos de Lamassu desde 27 feb 06:00: leo el servidor de")


def test_time_of_a_file_that_lies_ahead_is_that_of_its_arrival(path):
    future = datetime(2099, 1, 1, tzinfo=UTC).timestamp()
    for name in FILES:
        os.utime(path / name, (future, future))
    before_epoch = -(10**11)
    os.utime(path / "devices.csv", (before_epoch, before_epoch))
    copies = {copy.name: copy.as_of for copy in read_directory(path, NOW).copies}
    now = datetime.now(UTC)
    assert list(copies) == [
        "cash_out_txs.csv",
        "cash_out_actions.csv",
        "devices.csv",
        "cash_in_txs.csv",
    ]
    assert now - MINUTE < copies["cash_out_txs.csv"] <= now + MINUTE
    assert copies["devices.csv"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_time_of_a_file_stays_with_it_when_it_is_moved(path):
    written_at = datetime(2026, 2, 1, 3, 4, 5, 678_901, tzinfo=UTC)
    part = path / "cash_out_txs.csv.part"
    shutil.copy(path / "cash_out_txs.csv", part)
    os.utime(part, ns=(0, int(written_at.timestamp() * 10**6) * 1000))
    part.rename(path / "cash_out_txs.csv")
    assert read_directory(path, NOW).copies[0] == Copy("cash_out_txs.csv", written_at)

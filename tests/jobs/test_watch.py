"""One alert when a part is out of reach for long, one all-clear when it is back."""

from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR, HandClock, programme

from dca_bot.chat.herald import Herald
from dca_bot.chat.render import load_texts
from dca_bot.jobs.signals import LAMASSU, LNBITS, RELAYS, Signals
from dca_bot.jobs.watch import Watch
from dca_bot.ledger import facts
from dca_bot.ledger.database import open_database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALERT_AFTER = timedelta(minutes=15)


class Tower:
    """A watch on a real ledger; `online` is whether a relay is connected."""

    def __init__(self, database):
        rules = programme()
        self.database = database
        self.clock = HandClock(NOW)
        self.signals = Signals()
        self.online = True
        herald = Herald(rules, load_texts(rules))
        self.watch = Watch(database, self, herald, self.clock, self.signals, ALERT_AFTER)

    def connected(self):
        return int(self.online)

    async def look(self, minutes):
        """Look every minute until so many have passed since the start."""
        while self.clock.ahead < timedelta(minutes=minutes):
            self.clock.ahead += timedelta(minutes=1)
            await self.watch.look_once()
        return await self.letters()

    def note(self, part, *, reachable):
        self.signals.note(part, reachable=reachable, now=self.clock.now())

    async def letters(self):
        query = "SELECT text FROM outbox WHERE recipient = ? ORDER BY id"
        return await self.database.read(
            lambda tx: [row["text"] for row in tx.execute(query, (OPERATOR,))]
        )


@pytest.fixture
async def tower(tmp_path):
    database = await open_database(tmp_path / "data")
    yield Tower(database)
    await database.aclose()


@pytest.mark.parametrize("part", [LAMASSU, LNBITS])
async def test_long_outage_is_told_once_and_its_end_once(tower, part):
    tower.note(part, reachable=True)
    await tower.look(1)
    tower.note(part, reachable=False)
    assert await tower.look(15) == []
    (alert,) = await tower.look(16)
    assert alert.startswith(f"{part} has been out of reach since")
    assert await tower.look(300) == [alert]
    tower.note(part, reachable=True)
    alert_again, all_clear = await tower.look(301)
    assert (alert_again, all_clear.split(" (")[0]) == (alert, f"{part} is in reach again")
    assert "06:01" in alert, "since it was lost, in the bot's time zone"
    assert "06:01" in all_clear
    assert len(await tower.look(400)) == 2


async def test_short_outages_are_not_told(tower):
    tower.note(LNBITS, reachable=True)
    for minutes in range(0, 200, 20):
        tower.note(LNBITS, reachable=False)
        await tower.look(minutes + 14)
        tower.note(LNBITS, reachable=True)
        await tower.look(minutes + 20)
    assert await tower.letters() == []


async def test_outage_from_the_start_is_told(tower):
    tower.note(LAMASSU, reachable=False)
    assert len(await tower.look(16)) == 1


async def test_relays_out_of_reach_are_told_to_the_outbox(tower):
    await tower.look(5)
    tower.online = False
    (alert,) = await tower.look(30)
    assert alert.startswith(f"{RELAYS} ")
    tower.online = True
    assert len(await tower.look(31)) == 2


async def test_each_outage_is_told_anew(tower):
    for minutes in (0, 100):
        tower.note(LNBITS, reachable=False)
        await tower.look(minutes + 40)
        tower.note(LNBITS, reachable=True)
        await tower.look(minutes + 60)
    assert len(await tower.letters()) == 4


async def test_parts_are_told_apart(tower):
    tower.note(LNBITS, reachable=False)
    tower.note(LAMASSU, reachable=False)
    await tower.look(20)
    tower.note(LNBITS, reachable=True)
    letters = await tower.look(60)
    assert len(letters) == 3
    assert letters[2].startswith(LNBITS)


async def test_time_of_the_last_connection_is_kept_for_the_next_start(tower):
    await tower.look(5)
    tower.online = False
    await tower.look(9)
    listened_at = await tower.database.read(lambda tx: facts.get(tx, facts.LISTENED_AT))
    assert listened_at == (NOW + timedelta(minutes=5)).isoformat()

"""One of several relays that is lost for long is an alarm, with its reason and its all-clear."""

import logging
from dataclasses import replace

import pytest
from here import open_here
from scaffold import open_ledger
from test_alarms import MINUTE, NOW, Tower

from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.ledger.correspondence import alarms, relay_states

GOOD, BAD = "wss://good.example.com", "wss://bad.example.com"


class Relays(Tower):
    """A watch on two relays."""

    def __init__(self, database, **changes):
        super().__init__(database, **changes)
        self.relays = [
            RelayState(url, listening=True, detail="listening", since=NOW) for url in (GOOD, BAD)
        ]

    def connected(self):
        return sum(state.listening for state in self.relays)

    def lose(self, url, trouble=RelayTrouble.TLS_EXPIRED, **more):
        self._put(url, listening=False, trouble=trouble, **more)

    def hear(self, url):
        self._put(url, listening=True, trouble=None, words="", status=0)

    def _put(self, url, **state):
        state |= {"since": self.clock.now()}
        self.relays = [
            replace(relay, **state) if relay.url == url else relay for relay in self.relays
        ]


@pytest.fixture
async def database(tmp_path):
    database = await open_ledger(tmp_path / "data", open_here)
    yield database
    await database.aclose()


@pytest.fixture
def tower(database):
    return Relays(database)


async def test_relay_that_is_lost_for_long_is_told_once_and_its_return_once(tower):
    await tower.look(1)
    tower.lose(BAD)
    assert await tower.look(15) == []
    (alarm,) = await tower.look(16)
    line, rest = alarm.splitlines()
    assert line == f"Relay {BAD}: OUT OF REACH since 1 Mar 06:01: its certificate has expired"
    assert rest.startswith("I keep trying, and the other relays go on.")
    await tower.deliver()
    assert await tower.look(300, every=10) == [alarm]
    tower.hear(BAD)
    assert await tower.look(359) == [alarm]
    _, over = await tower.look(360)
    assert over == (f"Relay {BAD}: in reach again since 1 Mar 11:00 (lost since 1 Mar 06:01).")
    assert len(await tower.look(500, every=10)) == 2


async def test_words_of_the_relay_and_the_http_status_are_told(tower):
    tower.lose(BAD, RelayTrouble.HTTP_STATUS, words="Payment Required", status=402)
    (alarm,) = await tower.look(16)
    assert "its server answers with HTTP 402 (said: “Payment Required”)" in alarm


async def test_relay_that_comes_back_soon_is_not_told(tower):
    for minutes in range(0, 100, 20):
        tower.lose(BAD)
        await tower.look(minutes + 10)
        tower.hear(BAD)
        await tower.look(minutes + 20)
    assert await tower.letters() == []


async def test_relay_that_is_never_steady_is_told(tower):
    """A relay that ends each connection after a minute loses mail."""
    for minute in range(0, 30, 2):
        tower.lose(BAD, RelayTrouble.LOST)
        await tower.look(minute + 1)
        tower.hear(BAD)
        await tower.look(minute + 2)
    (alarm,) = await tower.letters()
    assert "the connection ends" in alarm


async def test_relay_that_comes_and_goes_for_a_day_is_told_once(tower):
    for minutes in range(0, 24 * 60, 40):
        tower.lose(BAD)
        await tower.look(minutes + 20, every=5)
        tower.hear(BAD)
        await tower.look(minutes + 40, every=5)
    assert len(await tower.letters()) == 1


async def test_all_relays_that_are_lost_are_told_together(tower, caplog):
    await tower.look(1)
    for url in (GOOD, BAD):
        tower.lose(url)
    (alarm,) = await tower.look(60)
    assert alarm.startswith("All relays: out of reach since")
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["alarm name=relays since=2026-03-01T12:02:00+00:00"]


async def test_relay_that_stays_lost_after_the_others_came_back_is_told(tower):
    for url in (GOOD, BAD):
        tower.lose(url)
    await tower.look(60)
    tower.hear(GOOD)
    assert not any(BAD in letter for letter in await tower.look(77)), "relays come back one by one"
    letters = await tower.look(79)
    (told,) = [letter for letter in letters if BAD in letter]
    assert "OUT OF REACH since 1 Mar 06:00" in told
    assert not any(GOOD in letter for letter in letters)


async def test_only_relay_has_no_alarm_of_its_own(tower):
    tower.relays = tower.relays[1:]
    tower.lose(BAD)
    (alarm,) = await tower.look(60)
    assert alarm.startswith("All relays: ")


async def test_restart_neither_repeats_nor_delays_the_alarm(tower):
    tower.lose(BAD)
    await tower.look(10)
    tower.restart()
    tower.lose(BAD)
    (alarm,) = await tower.look(16)
    assert "since 1 Mar 06:00" in alarm
    await tower.deliver()
    tower.restart()
    tower.lose(BAD)
    assert await tower.look(60) == [alarm]


async def test_outage_counts_anew_after_a_gap(tower):
    await tower.look(1)
    tower.lose(BAD)
    await tower.look(2)
    tower.clock.ahead += 600 * MINUTE
    assert await tower.look(610) == []
    (alarm,) = await tower.look(620)
    assert "OUT OF REACH since 1 Mar 16:0" in alarm


async def test_relay_that_is_configured_no_longer_is_forgotten(tower, database):
    tower.lose(BAD)
    await tower.look(16)
    third = RelayState("wss://third.example.com", listening=True, detail="listening", since=NOW)
    tower.relays = [*tower.relays[:1], third]
    assert await tower.look(17) == [], "the notice is withdrawn"
    assert await database.read(lambda tx: alarms.names(tx, "relay:")) == []


async def test_states_are_recorded_for_commands_beside_the_bot(tower, database):
    tower.lose(BAD, RelayTrouble.CLOSED, words="members only")
    await tower.look(1)
    found = await database.read(relay_states.read)
    assert found == [replace(state, detail="") for state in tower.relays]


async def test_clock_that_goes_back_delays_no_all_clear(tower):
    tower.clock.wrong = 20 * 60 * MINUTE
    await tower.look(1)
    tower.lose(BAD)
    await tower.look(20)
    tower.hear(BAD)
    await tower.look(21)
    tower.clock.wrong = 0 * MINUTE
    assert "All is well again" in (await tower.look(90))[-1]

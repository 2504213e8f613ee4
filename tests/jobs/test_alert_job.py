"""An alert is sent until a place has taken it, and what was told is known after a restart."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import HandClock, programme
from scaffold import open_ledger

from dca_bot.core.health import Condition, Health, HealthPart, PartHealth
from dca_bot.errors import AlertFailed
from dca_bot.jobs.alerts import Alerts
from dca_bot.ledger.correspondence import health
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GOOD = PartHealth(Condition.OK, NOW - timedelta(days=1))


class Desk:
    """Alerts on a real ledger; `sent` has what the only place took, while it takes anything."""

    def __init__(self, database):
        self.database, self.clock = database, HandClock(NOW)
        self.sent, self.is_taking = [], True
        self.restart()

    def restart(self, language="en"):
        rules = programme(language=language)
        self.alerts = Alerts(
            database=self.database,
            send=self.send,
            texts=load_texts(rules),
            language=language,
            title="Ahorro",
            clock=self.clock,
            alert_after=15 * MINUTE,
        )

    async def send(self, title, text):
        if not self.is_taking:
            raise AlertFailed("no place took it")
        self.sent.append((title, text))

    async def look(self, minutes, **parts):
        """Look so many minutes later; these parts are in trouble, or in order, since so many minutes."""
        self.clock.ahead += minutes * MINUTE
        now = self.clock.now()
        judged = dict.fromkeys(HealthPart, GOOD)
        for name, (condition, age) in parts.items():
            judged[HealthPart(name)] = PartHealth(condition, now - age * MINUTE)
        one = Health(now, now, judged)
        await self.database.transact(lambda tx: health.note(tx, one))
        await self.alerts.look_once()


@pytest.fixture
async def desk(tmp_path):
    database = await open_ledger(tmp_path / "data")
    yield Desk(database)
    await database.aclose()


async def test_trouble_and_its_end_are_told_once_each_across_restarts(desk):
    await desk.look(20, relays=(Condition.DEAF, 20), poll=(Condition.LATE, 14))
    desk.restart()
    await desk.look(0, relays=(Condition.DEAF, 20), poll=(Condition.LATE, 14))
    desk.restart()
    await desk.look(10, relays=(Condition.OK, 5), poll=(Condition.OK, 5))
    await desk.look(1, relays=(Condition.OK, 6), poll=(Condition.OK, 6))
    assert desk.sent == [
        ("Ahorro", "Relays: connected, and passing nothing on, since 1 Mar 12:00."),
        (
            "Ahorro",
            "Relays: in order again since 1 Mar 12:25. The trouble began on 1 Mar 12:00.",
        ),
    ]


async def test_alert_that_nobody_took_is_sent_again_until_it_is_over(desk, caplog):
    caplog.set_level(logging.ERROR)
    desk.is_taking = False
    await desk.look(0, payouts=(Condition.NO_FUNDS, 15))
    await desk.look(1, payouts=(Condition.NO_FUNDS, 16))
    assert [one.message for one in caplog.records] == ["alert failed why=no place took it"]
    desk.is_taking = True
    await desk.look(1, payouts=(Condition.NO_FUNDS, 17))
    assert len(desk.sent) == 1
    desk.is_taking = False
    await desk.look(9, poll=(Condition.LATE, 15), payouts=(Condition.NO_FUNDS, 26))
    desk.is_taking = True
    await desk.look(5, poll=(Condition.OK, 3), payouts=(Condition.NO_FUNDS, 31))
    assert len(desk.sent) == 1, "the poll's trouble is over, and nobody has heard of it"


async def test_several_parts_are_told_in_one_message_in_the_bots_language(desk):
    desk.restart("es")
    await desk.look(0, lnbits=(Condition.UNREACHABLE, 15), payouts=(Condition.STUCK, 20))
    ((_, text),) = desk.sent
    assert text == (
        "LNbits: sin conexión, desde 1 mar 11:45.\n"
        "Pagos: sin avanzar; revise el registro, desde 1 mar 11:40."
    )


async def test_judgement_from_before_a_power_cut_is_not_told(desk):
    await desk.look(0, relays=(Condition.DEAF, 14))
    desk.clock.ahead += 180 * MINUTE
    await desk.alerts.look_once()
    assert desk.sent == []


async def test_nothing_is_sent_before_the_first_judgement(desk):
    await desk.alerts.look_once()
    assert desk.sent == []

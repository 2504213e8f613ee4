"""An operator whom messages don't reach is an error in the journal and a notice to the others, once."""

import logging
from dataclasses import replace

import pytest
from here import open_here
from losses import lose, reach
from payout_bench import OPERATOR
from scaffold import open_ledger
from test_alarms import NOW, OTHER_OPERATOR, Tower

from dca_bot.ledger.correspondence import alarms

BOTH = frozenset({OPERATOR, OTHER_OPERATOR})


@pytest.fixture
async def database(tmp_path):
    database = await open_ledger(tmp_path / "data", open_here)
    yield database
    await database.aclose()


@pytest.fixture
def tower(database):
    """A watch for two operators."""
    return Tower(database, operators=BOTH)


def errors(caplog):
    """Return the errors in the log about operators."""
    found = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    return [message for message in found if message.startswith("operator")]


async def test_lost_operator_is_told_to_the_others_once_and_the_end_once(tower, caplog):
    await tower.look(1)
    await lose(tower.database, OTHER_OPERATOR, tower.clock.now(), said="blocked: pay first")
    assert await tower.look(15) == []
    (alarm,) = await tower.look(16)
    assert "NOT REACHED since 1 Mar 06:01: the relays refuse the messages" in alarm
    assert "(said: “blocked: pay first”)\nMessages to this operator wait" in alarm
    assert await tower.letters(OTHER_OPERATOR) == []
    (error,) = errors(caplog)
    assert error.startswith("operator not reached npub=")
    assert "reason=refused said='blocked: pay first'" in error
    await tower.deliver(OPERATOR)
    assert await tower.look(200, every=10) == [alarm]
    await reach(tower.database, OTHER_OPERATOR, tower.clock.now())
    _, all_clear = await tower.look(201)
    assert all_clear.endswith("reached again (not reached since 1 Mar 06:01).")
    assert len(await tower.look(300, every=10)) == 2
    assert len(errors(caplog)) == 1
    assert not any(OTHER_OPERATOR in record.getMessage() for record in caplog.records)


async def test_short_loss_is_not_told(tower, caplog):
    await tower.look(1)
    await lose(tower.database, OTHER_OPERATOR, tower.clock.now())
    await tower.look(14)
    await reach(tower.database, OTHER_OPERATOR, tower.clock.now())
    assert await tower.look(60) == []
    assert errors(caplog) == []


async def test_restart_neither_repeats_nor_forgets_the_alarm(tower, caplog):
    await tower.look(1)
    await lose(tower.database, OTHER_OPERATOR, tower.clock.now())
    (alarm,) = await tower.look(20)
    await tower.deliver(OPERATOR)
    tower.restart()
    assert await tower.look(60) == [alarm]
    await reach(tower.database, OTHER_OPERATOR, tower.clock.now())
    assert len(await tower.look(61)) == 2
    assert len(errors(caplog)) == 1


async def test_nobody_is_blamed_while_all_relays_are_out_of_reach(tower, caplog):
    await tower.look(1)
    tower.online = False
    for operator in BOTH:
        await lose(tower.database, operator, NOW, reason="no_connection")
    await tower.look(120)
    tower.online = True
    await tower.look(125)
    for operator in BOTH:
        await reach(tower.database, operator, tower.clock.now())
    letters = await tower.look(200)
    assert not any("NOT REACHED" in letter for letter in letters)
    assert errors(caplog) == []


async def test_loss_that_outlasts_an_outage_is_told(tower, caplog):
    await lose(tower.database, OTHER_OPERATOR, NOW, reason="no_connection")
    tower.online = False
    await tower.look(120)
    tower.online = True
    await tower.look(140)
    assert len(errors(caplog)) == 1


async def test_alarm_that_never_left_is_told_with_its_end(tower):
    await tower.look(1)
    await lose(tower.database, OTHER_OPERATOR, tower.clock.now())
    await tower.look(20)
    await reach(tower.database, OTHER_OPERATOR, tower.clock.now())
    (told,) = await tower.look(21)
    assert "not reached from 1 Mar 06:01 to 1 Mar 06:21. You could not be told" in told


async def test_only_operator_is_an_error_in_the_journal(database, caplog):
    tower = Tower(database)
    await tower.look(1)
    await lose(tower.database, OPERATOR, tower.clock.now())
    assert await tower.look(20) == []
    assert len(errors(caplog)) == 1


async def test_operator_who_is_configured_no_longer_is_forgotten(tower, database):
    await tower.look(1)
    await lose(tower.database, OTHER_OPERATOR, tower.clock.now())
    await tower.look(20)
    tower.rules = replace(tower.rules, operators=frozenset({OPERATOR}))
    tower.restart()
    assert await tower.look(21) == []
    assert await database.read(lambda tx: alarms.names(tx, "operator:")) == []

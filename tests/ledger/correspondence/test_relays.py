from datetime import timedelta

from ledger.story import START

from dca_bot.core.ports import RelayHeard
from dca_bot.ledger.correspondence import relays
from dca_bot.ledger.store import bot_state

ONE, TWO = "wss://one.example", "wss://two.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hear(story, url, at, *, worked_at=None):
    story.do(relays.note_heard, [RelayHeard(url, at, worked_at)])


def read_from(story, *, age_max=6 * HOUR):
    found = story.read(relays.past_reading, START, message_age_max=age_max)
    return dict(found.relays), found.others


def test_each_relay_is_read_from_where_it_was_heard(story):
    hear(story, ONE, START - HOUR)
    hear(story, TWO, START - 9 * DAY)
    hear(story, ONE, START - timedelta(minutes=1))
    assert read_from(story)[0] == {ONE: START - timedelta(minutes=1), TWO: START - 9 * DAY}


def test_relay_that_is_new_in_the_configuration_is_read_from_two_days_back(story):
    hear(story, ONE, START)
    assert read_from(story) == ({ONE: START}, START - 2 * DAY)
    assert read_from(story, age_max=9 * DAY)[1] == START - 9 * DAY


def test_first_start_after_an_older_version_reads_from_when_that_version_listened(story):
    story.do(bot_state.put, bot_state.LISTENED_AT, (START - 5 * DAY).isoformat())
    assert read_from(story) == ({}, START - 5 * DAY)
    hear(story, ONE, START - 4 * DAY)
    assert read_from(story) == ({ONE: START - 4 * DAY}, START - 2 * DAY)


def test_very_first_start_reads_from_now(story):
    assert read_from(story) == ({}, START)


def test_time_that_lies_ahead_is_unknown(story):
    story.do(bot_state.put, bot_state.LISTENED_AT, (START + HOUR).isoformat())
    assert read_from(story)[1] == START - 2 * DAY
    hear(story, ONE, START + HOUR)
    assert read_from(story)[0] == {ONE: START - 2 * DAY}


def test_when_a_relay_last_worked_outlives_a_run_in_which_it_did_not(story):
    hear(story, ONE, START)
    hear(story, TWO, START, worked_at=START)
    hear(story, TWO, START)
    rows = story.sql("SELECT url, worked_at IS NOT NULL AS worked FROM relay ORDER BY url")
    assert [tuple(row) for row in rows] == [(ONE, 0), (TWO, 1)]
    assert story.read(relays.past_reading, START, message_age_max=HOUR).worked == {TWO}

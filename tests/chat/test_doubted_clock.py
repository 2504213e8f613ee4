"""A clock that went back by more than a day: the operator's word, and what it starts again."""

from datetime import timedelta

from dca_bot.ledger import clock, facts

DAY = timedelta(days=1)
GOING_ON = "Going on: what came meanwhile is processed now."


async def go_back(talk, days):
    """Have the clock go back, as the watch sees it."""
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at))
    talk.clock.at -= days * DAY
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at))


async def test_resume_all_takes_the_clock_for_right_and_pulls_back_what_lies_ahead(talk):
    ahead = talk.clock.at.isoformat()
    await talk.database.transact(lambda tx: facts.put(tx, facts.LAST_POLL_AT, ahead))
    await go_back(talk, 400)
    assert await talk.database.read(facts.paused)
    assert await talk.tell("op", "resume all") == GOING_ON
    assert not await talk.database.read(facts.paused)
    assert await talk.database.read(facts.last_poll_at) == talk.clock.at
    assert await talk.tell("op", "resume all") != GOING_ON


async def test_pause_all_outlasts_the_doubt_of_the_clock(talk):
    await go_back(talk, 9)
    await talk.tell("op", "pause all")
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at + 9 * DAY))
    assert not await talk.database.read(clock.is_doubted)
    assert await talk.database.read(facts.paused)

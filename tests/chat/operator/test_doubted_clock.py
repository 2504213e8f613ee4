"""A clock that went back by more than a day: the operator's word, and what it starts again."""

from datetime import timedelta

from talk import code_in

from dca_bot.ledger.programme import start
from dca_bot.ledger.store import bot_state, clock

DAY = timedelta(days=1)
GOING_ON = "Going on: what came meanwhile is processed now."


async def go_back(talk, days):
    """Have the clock go back, as the watch sees it."""
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at))
    talk.clock.at -= days * DAY
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at))


async def test_resume_all_takes_the_clock_for_right_and_pulls_back_what_lies_ahead(talk):
    ahead = talk.clock.at.isoformat()
    await talk.database.transact(lambda tx: bot_state.put(tx, bot_state.LAST_POLL_AT, ahead))
    await go_back(talk, 400)
    assert await talk.database.read(bot_state.paused)
    assert await talk.tell("op", "resume all") == GOING_ON
    assert not await talk.database.read(bot_state.paused)
    assert await talk.database.read(bot_state.last_poll_at) == talk.clock.at
    assert await talk.tell("op", "resume all") != GOING_ON


async def test_clock_that_was_days_ahead_at_the_first_start_leaves_the_operators_word(talk):
    await talk.database.transact(lambda tx: start.begin(tx, None, talk.clock.at))
    await go_back(talk, 400)
    early = {"age": timedelta(minutes=5)}
    assert "before I was first started" in await talk.tell("op", "resume all", **early)
    assert await talk.tell("op", "resume all") == GOING_ON
    assert not await talk.database.read(bot_state.paused)
    assert await talk.tell("op", "resume all", **early) is None, "the first start is pulled back"


async def test_message_of_the_doubt_is_carried_out_on_a_copy_but_none_from_before(talk):
    await talk.database.transact(
        lambda tx: bot_state.put(tx, bot_state.RESTORED_AT, talk.clock.at.isoformat())
    )
    await go_back(talk, 2)
    await talk.tell("op", "resume all", age=timedelta(seconds=10))
    assert await talk.database.read(bot_state.paused)
    assert await talk.tell("op", "resume all") == GOING_ON


async def test_copy_that_was_made_in_doubt_hears_nothing_from_before_its_start(talk):
    await talk.database.transact(lambda tx: start.begin(tx, None, talk.clock.at))
    await go_back(talk, 2)
    talk.clock.at += timedelta(hours=1)
    await talk.database.transact(lambda tx: clock.begin_copy(tx, talk.clock.at))
    await talk.tell("op", "resume all", age=timedelta(minutes=30))
    assert await talk.database.read(bot_state.paused)
    assert await talk.tell("op", "resume all") == GOING_ON


async def test_going_on_is_not_said_while_something_else_waits_for_a_word(talk):
    await talk.database.transact(lambda tx: start.begin(tx, None, talk.clock.at))
    await talk.database.transact(lambda tx: start.begin(tx, talk.clock.at - DAY, talk.clock.at))
    await go_back(talk, 9)
    reply = await talk.tell("op", f"confirm {code_in(await talk.tell('op', 'resume all'))}")
    assert reply.startswith("PAUSED")
    assert await talk.tell("op", "resume all") == GOING_ON


async def test_pause_all_outlasts_the_doubt_of_the_clock(talk):
    await go_back(talk, 9)
    await talk.tell("op", "pause all")
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.at + 9 * DAY))
    assert not await talk.database.read(clock.is_doubted)
    assert await talk.database.read(bot_state.paused)


async def test_pause_and_doubt_do_not_both_end_by_one_word(talk):
    await go_back(talk, 9)
    await talk.tell("op", "pause all")
    asked = await talk.tell("op", "resume all")
    assert "It has been paused since " in asked
    assert "The clock then counts as right." in asked
    assert await talk.database.read(clock.is_doubted)
    assert await talk.tell("op", f"confirm {code_in(asked)}") == GOING_ON
    assert not await talk.database.read(clock.is_doubted)
    assert not await talk.database.read(bot_state.paused)

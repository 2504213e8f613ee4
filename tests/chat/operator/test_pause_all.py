"""`pause all` and `resume all`: whose words end a pause, and which need a code first."""

from dataclasses import replace
from datetime import timedelta

import pytest
from talk import code_in

from dca_bot.ledger.store import bot_state

GOING_ON = "Going on: what came meanwhile is processed now."


async def is_paused(talk):
    return await talk.database.read(bot_state.paused)


async def test_resume_all_after_the_pause_ends_it_at_once(talk):
    await talk.tell("op", "pause all")
    assert await talk.tell("op2", "resume all") == GOING_ON
    assert not await is_paused(talk)


@pytest.mark.parametrize("who", ["op", "op2"])
async def test_resume_all_that_was_written_before_the_pause_waits_for_a_code(talk, who):
    late = talk.message(who, "resume all")
    talk.clock.at += timedelta(minutes=40)
    await talk.tell("op", "pause all")
    talk.clock.at += timedelta(minutes=5)
    asked = await talk.deliver(replace(late, arrived_at=talk.clock.at))
    assert "It has been paused since " in asked
    assert await is_paused(talk)
    assert await talk.tell(who, f"confirm {code_in(asked)}") == GOING_ON
    assert not await is_paused(talk)


async def test_pause_all_that_is_repeated_outlasts_what_was_written_before(talk):
    await talk.tell("op", "pause all")
    late = talk.message("op2", "resume all")
    talk.clock.at += timedelta(minutes=1)
    assert "already" in await talk.tell("op", "pause all")
    asked = await talk.deliver(replace(late, arrived_at=talk.clock.at))
    assert "It has been paused since " in asked
    assert await is_paused(talk)


async def test_messages_of_a_slow_phone_are_held_against_each_other(talk):
    slow = {"age": timedelta(seconds=100)}
    await talk.tell("op", "pause all", **slow)
    assert await talk.tell("op", "resume all", **slow) == GOING_ON


async def test_code_of_a_late_resume_all_ends_no_later_pause(talk):
    late = talk.message("op", "resume all")
    talk.clock.at += timedelta(minutes=3)
    await talk.tell("op", "pause all")
    asked = await talk.deliver(replace(late, arrived_at=talk.clock.at))
    assert await talk.tell("op2", "resume all") == GOING_ON
    talk.clock.at += timedelta(minutes=1)
    await talk.tell("op2", "pause all")
    assert "not valid" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert await is_paused(talk)

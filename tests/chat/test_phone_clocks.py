"""A phone whose clock is wrong: nobody is mute without a word, and a replay changes nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from talk import PEOPLE, code_in

from dca_bot.ledger.correspondence import inbox
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def tell_as_new(talk, who, text, *, behind):
    """Send a message from a phone whose clock is behind; a relay passes the message on as new."""
    talk.clock.at += timedelta(seconds=3)
    message = talk.message(who, text, age=behind)
    return await talk.deliver(replace(message, arrived_at=talk.clock.now()))


async def behind(talk, who):
    return await talk.database.read(lambda tx: inbox.clock_behind(tx, PEOPLE[who]))


@pytest.mark.parametrize(
    ("slow_by", "words"), [(3 * HOUR, "3 hours"), (8 * MINUTE, "8 minutes"), (60 * HOUR, "3 days")]
)
async def test_client_with_a_slow_phone_is_answered_right_after_being_added(talk, slow_by, words):
    await talk.add_client("maria")
    assert "Cash still" in await tell_as_new(talk, "maria", "balance", behind=slow_by)
    told = await tell_as_new(talk, "maria", "pause", behind=slow_by)
    assert f"you wrote this {words} ago" in told
    assert f"clock is {words} slow" in told
    assert (await talk.client("maria")).state == "active"
    wallet = await tell_as_new(talk, "maria", "wallet me@pay.example", behind=slow_by)
    assert f"{words} slow" in wallet
    codes = await talk.sql("SELECT 1 FROM confirmation WHERE pubkey = ?", PEOPLE["maria"])
    assert codes == []
    assert "Paused" in await talk.tell("maria", "pause")


async def test_operator_with_a_slow_phone_is_answered(talk):
    await talk.add_client("maria")
    slow = {"behind": 7 * HOUR}
    assert "Running" in await tell_as_new(talk, "op", "status", **slow)
    talk.wallet.top_up_invoice = None
    for text in ("client pause maria", "pause all", "poll", "deposit maria 5", "topup 500"):
        assert "7 hours slow" in await tell_as_new(talk, "op", text, **slow)
    assert (await talk.client("maria")).state == "active"
    assert await talk.count("deposit") == 0
    assert talk.rung.count("poll") == 0


async def test_code_of_a_slow_phone_carries_nothing_out(talk):
    await talk.add_client("maria")
    code = code_in(await talk.tell("op", "deposit maria 5"))
    for text in (f"confirm {code}", code):
        assert "7 hours slow" in await tell_as_new(talk, "op", text, behind=7 * HOUR)
    assert await talk.count("deposit") == 0
    assert "is pending" in await talk.tell("op", f"confirm {code}")


async def test_fast_phone_is_told_by_how_much_and_may_ask(talk):
    await talk.add_client("maria")
    told = await tell_as_new(talk, "maria", "pause", behind=-5 * HOUR)
    assert "dated 5 hours in the future" in told
    assert "Cash still" in await tell_as_new(talk, "maria", "balance", behind=-5 * HOUR)
    stored = await talk.tell("maria", "balance", age=-5 * HOUR)
    assert "dated 5 hours in the future" in stored


async def test_message_that_a_relay_had_stored_is_old_and_not_slow(talk):
    await talk.add_client("maria")
    assert await talk.tell("maria", "pause", age=HOUR) is None, "a stranger wrote that"
    talk.clock.at += 9 * HOUR
    assert "too late" in await talk.tell("maria", "balance", age=7 * HOUR)
    assert await behind(talk, "maria") is None


async def test_message_that_waited_while_its_sender_was_added_was_a_strangers(talk):
    early = talk.message("maria", "pause")
    early = replace(early, arrived_at=talk.clock.now())
    talk.clock.at += 5 * MINUTE
    await talk.add_client("maria")
    assert await talk.deliver(early) is None
    assert (await talk.client("maria")).state == "active"


async def test_stranger_with_a_slow_phone_is_answered(talk):
    assert await tell_as_new(talk, "stranger", "hello", behind=9 * HOUR) is not None


async def test_operators_see_how_slow_a_phone_is_and_are_told_once(talk):
    await talk.add_client("maria")
    for _ in range(2):
        await tell_as_new(talk, "maria", "pause", behind=7 * HOUR)
    notices = [text for text in await talk.letters_to("op2") if "clock" in text]
    assert len(notices) == 1
    assert notices[0].startswith("maria can't change anything by message at present.")
    assert "7 hours slow" in notices[0]
    assert "Phone's clock: 7 hours slow" in await talk.tell("op", "client maria")
    assert await behind(talk, "maria") == 7 * HOUR
    await tell_as_new(talk, "maria", "balance", behind=timedelta(seconds=2))
    assert "clock" not in await talk.tell("op", "client maria")


async def test_clock_that_is_right_and_wrong_by_turns_is_told_once_a_day(talk):
    await talk.add_client("maria")

    async def told():
        return sum("clock" in text for text in await talk.letters_to("op2"))

    for _ in range(5):
        await tell_as_new(talk, "maria", "pause", behind=7 * HOUR)
        await tell_as_new(talk, "maria", "balance", behind=timedelta())
    assert await told() == 1
    talk.clock.at += 24 * HOUR
    await tell_as_new(talk, "maria", "pause", behind=7 * HOUR)
    assert await told() == 2


async def test_small_lag_is_named_nowhere(talk):
    await talk.add_client("maria")
    assert "Paused" in await tell_as_new(talk, "maria", "pause", behind=MINUTE)
    assert "clock" not in await talk.tell("op", "client maria")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (MINUTE, "1 minute"),
        (119 * MINUTE, "119 minutes"),
        (150 * MINUTE, "3 hours"),
        (47 * HOUR, "47 hours"),
        (60 * HOUR, "3 days"),
    ],
)
def test_length_of_time_is_said_in_a_unit_that_people_count_in(talk, length, words):
    assert talk.texts.render(describe.span(length), "en") == words
    assert describe.phone_clock(None) == describe.phone_clock(9 * MINUTE) == NOTHING

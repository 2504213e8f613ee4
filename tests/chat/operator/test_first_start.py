"""What a ledger's first start changes for those who write: what is old, what is ahead, who is who."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from talk import PEOPLE, code_in

from dca_bot.chat.operator.names import tell_of_client_operators
from dca_bot.ledger.programme import start
from dca_bot.ledger.store import bot_state, clock

DAY = timedelta(days=1)


async def begin(talk, start_at=None):
    now = talk.clock.now()
    return await talk.database.transact(lambda tx: start.begin(tx, start_at, now))


@pytest.mark.parametrize("text", ["pause all", "help", "client add ana {fresh}"])
async def test_message_from_before_the_ledgers_first_start_is_not_carried_out(talk, text):
    await begin(talk)
    early = {"age": timedelta(minutes=5)}
    assert "before I was first started" in await talk.tell("op", text, **early)
    assert await talk.tell("op", text, **early) is None, "it is said once"
    assert await talk.tell("stranger", "hello", **early) is None
    assert (await talk.count("inbox"), await talk.count("outbox")) == (1, 1)
    assert not await talk.database.read(bot_state.paused)
    assert "first started" not in await talk.tell("op", text)


async def test_message_of_the_minute_of_the_first_start_is_carried_out(talk):
    await begin(talk)
    assert await talk.tell("op", "pause all", age=timedelta(minutes=1)) is not None
    assert await talk.database.read(bot_state.paused)


async def test_message_of_the_minute_before_a_start_on_a_copy_is_not(talk):
    await begin(talk)
    talk.clock.at += DAY
    now = talk.clock.now()
    await talk.database.transact(
        lambda tx: bot_state.put(tx, bot_state.RESTORED_AT, now.isoformat())
    )
    await talk.tell("op", "pause all", age=timedelta(seconds=10))
    assert not await talk.database.read(bot_state.paused)


async def test_message_from_before_a_later_start_is_carried_out(talk):
    await begin(talk)
    message = talk.message("op", "pause all")
    talk.clock.at += timedelta(hours=2)
    await begin(talk)
    assert await talk.deliver(message) is not None
    assert await talk.database.read(bot_state.paused)


async def test_start_at_that_was_moved_back_waits_for_a_code(talk):
    await begin(talk)
    await begin(talk, talk.clock.now() - 300 * DAY)
    assert (await talk.tell("op", "status")).startswith("PAUSED: start_at was moved back")
    asked = await talk.tell("op", "resume all")
    assert asked.startswith("Share out all cash-outs from ")
    assert await talk.database.read(bot_state.paused)
    assert await talk.tell("op", f"confirm {code_in(asked)}") == (
        "Going on: what came meanwhile is processed now."
    )
    assert not await talk.database.read(bot_state.paused)
    assert "\nRunning." in await talk.tell("op", "status")


async def test_own_pause_ends_with_the_same_code(talk):
    await begin(talk)
    await talk.tell("op", "pause all")
    await begin(talk, talk.clock.now() - DAY)
    await talk.do("op", "resume all")
    assert not await talk.database.read(bot_state.paused)


async def test_pause_after_the_question_outlasts_its_code(talk):
    await begin(talk)
    await begin(talk, talk.clock.now() - DAY)
    asked = await talk.tell("op", "resume all")
    await talk.tell("op2", "pause all")
    again = await talk.tell("op", f"confirm {code_in(asked)}")
    assert "The pause by pause all ends too." in again
    assert await talk.database.read(bot_state.paused)
    await talk.tell("op", f"confirm {code_in(again)}")
    assert not await talk.database.read(bot_state.paused)


@pytest.mark.parametrize(
    ("is_doubted", "refusal"),
    [(False, "not valid"), (True, "This has changed meanwhile, so nothing was done yet.")],
)
async def test_code_whose_question_is_over_ends_no_other_pause(talk, is_doubted, refusal):
    await begin(talk)
    first = talk.clock.now()
    await begin(talk, first - DAY)
    asked = await talk.tell("op", "resume all")
    await begin(talk, first)
    await talk.tell("op2", "pause all")
    if is_doubted:
        await talk.database.transact(lambda tx: clock.note(tx, first + 2 * DAY))
        await talk.database.transact(lambda tx: clock.note(tx, first))
    assert refusal in await talk.tell("op", f"confirm {code_in(asked)}")
    assert await talk.database.read(clock.is_doubted) is is_doubted
    assert await talk.database.read(lambda tx: bot_state.get(tx, bot_state.PAUSED)) is not None


async def test_start_at_that_lies_ahead_is_said_in_status_until_then(talk):
    at = talk.clock.now() + 2 * DAY
    await begin(talk, at)
    assert "Nothing is shared out before " in await talk.tell("op", "status")
    talk.clock.at = at
    assert "Nothing is shared out before " not in await talk.tell("op", "status")


async def test_client_whose_npub_became_an_operators_is_told_of_once(talk):
    await talk.add_client("maria")
    operators = {*talk.programme.operators, PEOPLE["maria"]}

    async def told():
        before = len(await talk.letters_to("op2"))
        now = talk.clock.now()
        await talk.database.transact(
            lambda tx: tell_of_client_operators(tx, talk.notices, operators, now)
        )
        return (await talk.letters_to("op2"))[before:]

    (text,) = await told()
    assert text.startswith("An operator has the npub of a client: maria.")
    assert await told() == []
    operators.remove(PEOPLE["maria"])
    assert await told() == []
    assert await talk.database.read(lambda tx: bot_state.get(tx, bot_state.CLIENT_OPERATORS)) == (
        json.dumps([])
    )
    operators.add(PEOPLE["maria"])
    assert len(await told()) == 1


async def test_bots_own_npub_is_no_clients(talk):
    talk.services = replace(talk.services, bot_pubkey=PEOPLE["fresh"])
    talk.start()
    assert "my own" in await talk.tell("op", "client add ana {fresh}")
    assert await talk.client("ana") is None


async def test_audit_while_lnbits_hangs_is_answered_without_it(talk):
    talk.be_impatient()
    talk.wallet.hanging = {"balance"}
    assert "LNbits did not answer, so its payments were not" in await talk.tell("op", "audit")


async def test_failure_tells_an_operator_where_to_look_and_a_client_whom_to_tell(talk):
    await talk.add_client("maria")
    await talk.sql(
        "CREATE TRIGGER broken BEFORE UPDATE ON client BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    told = await talk.tell("op", "client pause maria")
    assert "journalctl -u dca-bot" in told
    assert "tell the operator" not in told
    assert "tell the operator this reference" in await talk.tell("maria", "pause")

"""Who is greeted at a start of the bot, and how often."""

from dataclasses import replace

import pytest
from talk import PEOPLE

from dca_bot.chat.operator.greeting import greet_operators
from dca_bot.messages.notices import Notices


async def greeted(talk, operators, *, is_first_start):
    """Start with these operators; return whom a greeting was written to, and the texts."""
    programme = replace(talk.programme, operators=frozenset(PEOPLE[name] for name in operators))
    notices, last = Notices(programme, talk.texts), await talk.last_letter()

    def start(tx):
        now = talk.clock.now()
        greet_operators(tx, notices, programme, now, is_first_start=is_first_start)

    await talk.database.transact(start)
    told = await talk.sql("SELECT recipient, text FROM outbox WHERE id > ?", last)
    names = {key: name for name, key in PEOPLE.items()}
    return sorted(names[row["recipient"]] for row in told), {row["text"] for row in told}


async def test_first_start_greets_each_operator_and_says_how_to_add_a_client(talk):
    who, (text,) = await greeted(talk, ["op", "op2"], is_first_start=True)
    assert who == ["op", "op2"]
    assert "Amounts are in GTQ, times are those of America/Guatemala." in text
    assert "To add a first client: client add NAME NPUB" in text
    assert (await greeted(talk, ["op", "op2"], is_first_start=False))[0] == []


async def test_operator_who_is_added_later_is_greeted_once_even_after_leaving(talk):
    await greeted(talk, ["op"], is_first_start=True)
    await talk.add_client("maria")
    who, (text,) = await greeted(talk, ["op", "op2"], is_first_start=False)
    assert who == ["op2"]
    assert "first client" not in text
    assert (await greeted(talk, ["op"], is_first_start=False))[0] == []
    assert (await greeted(talk, ["op", "op2"], is_first_start=False))[0] == []


async def test_operators_of_a_programme_from_before_greetings_are_not_greeted(talk):
    assert (await greeted(talk, ["op"], is_first_start=False))[0] == []
    assert (await greeted(talk, ["op", "op2"], is_first_start=False))[0] == ["op2"]


@pytest.mark.parametrize("is_rehearsal", [True, False])
async def test_greeting_tells_of_a_rehearsal_in_which_strangers_get_no_code(talk, is_rehearsal):
    talk.programme = replace(talk.programme, is_rehearsal=is_rehearsal)
    _, (text,) = await greeted(talk, ["op"], is_first_start=True)
    assert ("This is a rehearsal" in text) is is_rehearsal
    assert ("has a code for you" in text) is not is_rehearsal

"""What was misread once, in a conversation: amounts that aren't exact, ranges, and what lacks its number."""

import pytest
from talk import code_in


@pytest.mark.parametrize(
    "text",
    [
        "maria trajo mil y pico",
        "deposit maria 500 y pico",
        "deposit maria 2x250",
        "maria brought half of 500",
    ],
)
async def test_unclear_amount_of_a_deposit_is_asked_for(talk, text):
    await talk.add_client("maria", wallet="")
    assert "That amount is not clear" in await talk.tell("op", text)
    assert await talk.count("confirmation") == await talk.count("question") == 0


@pytest.mark.parametrize("text", ["maria trajo unos 500", "deposit maria 500 or so"])
async def test_rough_amount_of_a_deposit_is_asked_back_before_its_code(talk, text):
    await talk.add_client("maria", wallet="")
    asked = await talk.tell("op", text)
    assert asked.startswith("Did you mean: deposit maria 500.00\n")
    assert await talk.count("confirmation") == 0
    assert "Q500.00 for maria." in await talk.tell("op", "yes")


@pytest.mark.parametrize(
    "more", ["- 3", "\u2013 3", "a 3", "al 3", "to 3", "3", "y 3", "2 3", "through #3"]
)
async def test_several_deposits_are_confirmed_one_at_a_time(talk, more):
    await talk.add_client("maria")
    for _ in range(3):
        await talk.do("op", "deposit maria 100")
    codes = await talk.count("confirmation")
    told = await talk.tell("op", f"deposit confirm 1 {more}")
    assert "One deposit at a time" in told
    assert "deposit confirm 1" in told
    assert await talk.count("confirmation") == codes


@pytest.mark.parametrize("text", ["confirm everything", "confirma todo", "y ya los metí … los 100"])
async def test_confirming_without_a_number_shows_what_is_pending(talk, text):
    await talk.add_client("maria")
    await talk.do("op", "deposit maria 100")
    assert "#1 maria Q100.00" in await talk.tell("op", text)


async def test_dictated_address_waits_for_its_code(talk):
    await talk.add_client("maria")
    asked = await talk.tell("maria", "mi dirección es tere arroba blink punto example")
    assert "tere@blink.example" in asked
    assert "tere@blink.example" in await talk.tell("maria", f"confirm {code_in(asked)}")

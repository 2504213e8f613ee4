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
    ("more", "count"),
    [
        *((more, 3) for more in ("- 3", "\u2013 3", "a 3", "al 3", "to 3", "2 3", "through #3")),
        *(("3", 2), ("y 3", 2)),
    ],
)
async def test_numbers_behind_the_first_are_no_machine(talk, more, count):
    await talk.add_client("maria")
    for _ in range(3):
        await talk.do("op", "deposit maria 100")
    told = await talk.tell("op", f"deposit confirm 1 {more}")
    assert told.startswith(f"All of this, {count} things")


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


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    return talk


@pytest.mark.parametrize(
    "text",
    [
        "cancela el retiro de 200",
        "cancelar el retiro de 200",
        "anule mi retiro de 200",
        "quite el retiro de 200",
        "cancel my withdrawal of 200",
    ],
)
async def test_withdrawal_that_is_cancelled_is_taken_back_and_never_asked_for(maria, text):
    await maria.do("maria", "withdraw 200")
    assert await maria.tell("maria", text) == "Did you mean: withdraw 0\nReply yes or no."
    assert "no longer ask for Q200.00" in await maria.tell("maria", "yes")
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0


@pytest.mark.parametrize("text", ["no cancele el retiro de 200", "cancele el retiro de 200?"])
async def test_withdrawal_that_is_not_cancelled_stays(maria, text):
    await maria.do("maria", "withdraw 200")
    await maria.tell("maria", text)
    await maria.tell("maria", "yes")
    assert await maria.count("task WHERE answered_at IS NULL") == 1


@pytest.mark.parametrize(
    "text",
    [
        "y a maria sus 300",
        "gave maria 300",
        "maria received 300",
        "maria got 300",
        "dale 300 a maria",
        "di 300 a maria",
        "i owe maria 300",
        "300 para maria",
    ],
)
async def test_cash_that_goes_to_the_client_is_no_deposit(maria, text):
    before = await maria.count("confirmation")
    assert (await maria.tell("op", text)).startswith("Did you mean: withdraw maria 300.00\n")
    assert await maria.count("confirmation") == before


@pytest.mark.parametrize(
    "text", ["me dio 300 maria", "maria gave 300", "anote 300 para maria", "got 300 from maria"]
)
async def test_cash_that_comes_from_the_client_is_a_deposit(maria, text):
    assert "a pending deposit of Q300.00 for maria" in await maria.tell("op", text)


@pytest.mark.parametrize(
    "text", ["maria va a traer 500", "maria traerá 500", "maria will bring 500"]
)
async def test_cash_that_will_come_prepares_nothing(maria, text):
    before = await maria.count("confirmation")
    await maria.tell("op", text)
    assert await maria.count("confirmation") == before
    assert await maria.count("question") == 0


@pytest.mark.parametrize(
    "text",
    [
        "ahorita no quiero que me sigan comprando hasta que pase semana santa",
        "ya no quiero que compren",
        "pausar hasta el lunes",
        "pause until monday",
    ],
)
async def test_pause_until_some_day_is_asked_back_as_a_pause(maria, text):
    assert (await maria.tell("maria", text)).startswith("Did you mean: pause\n")
    assert (await maria.client("maria")).state == "active"


@pytest.mark.parametrize("text", ["no quiero pausar hasta el lunes", "no quiero que paren"])
async def test_no_pause_is_asked_about_where_none_is_wanted(maria, text):
    assert "Did you mean: pause" not in await maria.tell("maria", text)


@pytest.mark.parametrize(
    "text", ["gracias crack 🔥", "claro que no", "no gracias, ya no", "wait actually 25", "p g 6 l"]
)
async def test_half_an_answer_is_not_offered_to_the_operator(maria, text):
    assert "your words" not in await maria.tell("maria", text)
    await maria.tell("maria", "yes")
    assert await maria.count("task") == 0

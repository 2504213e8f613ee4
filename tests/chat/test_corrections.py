"""`no, it was 250`: what was asked is dropped, and asked anew with what was meant."""

from datetime import timedelta

import pytest
from talk import code_in

from dca_bot.ledger.programme import machines


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    await talk.add_client("juan", balance="300")
    await talk.database.transact(lambda tx: machines.record(tx, {"d" * 64: "Mercado"}))
    return talk


async def open_commands(talk):
    rows = await talk.sql("SELECT command FROM confirmation WHERE used_at IS NULL")
    return [row["command"] for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "no perdon eran 250",
        "no, it was 250",
        "No, 250",
        "sorry, I meant Q250",
        "no 500, 250",
        "no, quise decir doscientos cincuenta",
    ],
)
async def test_amount_that_was_meant_is_asked_anew_and_the_old_code_is_void(maria, text):
    old = code_in(await maria.tell("maria", "withdraw 500"))
    asked = await maria.tell("maria", text)
    assert asked.startswith("Ask the operator for Q250.00 in cash")
    assert asked.endswith(f"\nThe code {old} no longer counts.")
    assert code_in(asked) != old
    assert "not valid" in await maria.tell("maria", f"confirm {old}")
    assert await maria.count("task") == 0
    assert "Q250.00 back in cash" in await maria.tell("maria", code_in(asked))


async def test_question_is_asked_anew(maria):
    assert "limit 500" in await maria.tell("maria", "pongame el limite en 500")
    assert "limit 250" in await maria.tell("maria", "no perdon eran 250")
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).fixed_limit_minor == 25_000


async def test_another_wallet_takes_the_place_of_the_wallet_asked_about(maria):
    old = code_in(await maria.tell("maria", "wallet maria@example.com"))
    asked = await maria.tell("maria", "no, es maria@blink.example")
    assert "would go to maria@blink.example from now on" in asked
    assert f"{old} no longer counts" in asked
    assert len(await open_commands(maria)) == 1


async def test_another_client_and_amount_take_the_place_of_those_asked_about(maria):
    await maria.tell("op", "deposit maria 500")
    asked = await maria.tell("op", "no, era para juan")
    assert "deposit of Q500.00 for juan" in asked
    asked = await maria.tell("op", "no, perdón, 450 para maria")
    assert "deposit of Q450.00 for maria" in asked
    assert len(await open_commands(maria)) == 1
    await maria.tell("op", code_in(asked))
    assert await maria.count("deposit WHERE state = 'pending'") == 1


@pytest.mark.parametrize(
    "text",
    [
        "no quiero 250",
        "no me dé 250",
        "no, 250?",
        "no, 200 o 250",
        "250",
        "si no hay 500, 250",
        "no, 500",
        "no, {juan}",
    ],
)
async def test_other_words_put_nothing_right(maria, text):
    await maria.tell("maria", "withdraw 500")
    await maria.tell("maria", text)
    assert "withdraw 250" not in " ".join(await open_commands(maria))
    assert await maria.count("task") == 0


async def test_nothing_is_put_right_that_was_not_asked(maria):
    await maria.tell("op", "no, era para juan")
    assert await open_commands(maria) == []


async def test_amount_of_no_code_is_not_taken_at_once(maria):
    await maria.do("maria", "withdraw 100")
    await maria.tell("op", "withdraw maria 100")
    await maria.tell("op", "no, era 0")
    assert await maria.count("task WHERE answered_at IS NULL") == 1, "nothing is declined"


@pytest.mark.parametrize("text", ["confirm {} mercado", "confirmar {} en el mercado", "{} Mercado"])
async def test_machine_beside_the_code_of_a_deposit_is_asked_anew(maria, text):
    await maria.do("op", "deposit maria 500")
    await maria.database.transact(lambda tx: machines.record(tx, {"e" * 64: "Antigua"}))
    old = code_in(await maria.tell("op", "deposit confirm 3"))
    asked = await maria.tell("op", text.format(old))
    assert "the balance of maria now, in Mercado." in asked
    assert await open_commands(maria) == ["deposit confirm 3 mercado"] or "Mercado" in text
    assert "is confirmed" in await maria.tell("op", code_in(asked))


@pytest.mark.parametrize("text", ["confirm {} mañana", "confirm {} no", "confirm {} if it is in"])
async def test_other_words_beside_the_code_confirm_nothing(maria, text):
    await maria.do("op", "deposit maria 500")
    await maria.database.transact(lambda tx: machines.record(tx, {"e" * 64: "Antigua"}))
    code = code_in(await maria.tell("op", "deposit confirm 3"))
    await maria.tell("op", text.format(code))
    assert await maria.count("deposit WHERE state = 'pending'") == 1
    assert await open_commands(maria) == ["deposit confirm 3"]


@pytest.fixture
async def two(maria):
    """Codes of two deposits are open; the newer one is juan's."""
    codes = [code_in(await maria.tell("op", "deposit maria 500"))]
    maria.clock.at += timedelta(seconds=3)
    codes.append(code_in(await maria.tell("op", "deposit juan 300")))
    return maria, codes


@pytest.mark.parametrize("text", ["no, maria 250", "no, era 250 para maria"])
async def test_of_several_codes_the_named_clients_is_put_right(two, text):
    maria, (_, of_juan) = two
    assert "deposit of Q250.00 for maria" in await maria.tell("op", text)
    assert {*await open_commands(maria)} == {"deposit juan 300", "deposit maria 250.00"}
    assert "of juan, Q300.00, is pending" in await maria.tell("op", of_juan)


@pytest.mark.parametrize("text", ["no, 250", "no, it was 250", "sorry, I meant Q250"])
async def test_of_several_codes_none_is_guessed(two, text):
    maria, _ = two
    await maria.tell("op", text)
    assert {*await open_commands(maria)} == {"deposit juan 300", "deposit maria 500"}


async def test_amount_is_no_id_of_a_deposit(maria):
    await maria.do("op", "deposit maria 500")
    await maria.tell("op", "deposit confirm maria 500")
    assert "One deposit at a time" not in await maria.tell("op", "no, it was 250")
    assert await open_commands(maria) == ["deposit confirm maria 500"]


@pytest.mark.parametrize(
    "text", ["confirm {} is wrong", "confirm {} wait", "confirm {} in a minute", "{} es falso"]
)
async def test_word_beside_a_code_is_no_machine_that_nobody_knows(talk, text):
    await talk.add_client("maria", balance="1000")
    await talk.do("op", "deposit maria 500")
    code = code_in(await talk.tell("op", "deposit confirm 2"))
    await talk.tell("op", text.format(code))
    assert await open_commands(talk) == ["deposit confirm 2"]
    assert await talk.count("deposit WHERE state = 'pending'") == 1

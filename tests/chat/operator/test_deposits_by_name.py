"""Operators speak of people, not of numbers: `ya metí lo de maria`, `ya le pagué a maria`."""

import pytest
from talk import code_in

from dca_bot.ledger.programme import machines


@pytest.fixture
async def maria(talk):
    await talk.database.transact(
        lambda tx: machines.record(tx, {"d" * 64: "Mercado", "e" * 64: "Antigua"})
    )
    await talk.add_client("maria", balance="1000")
    await talk.do("op", "deposit maria 500")
    return talk


async def answered(talk, text):
    """Return the reply; a question of the bot is answered by yes."""
    told = await talk.tell("op", text)
    return await talk.tell("op", "yes") if told.startswith("Did you mean: ") else told


async def pending(talk):
    rows = await talk.sql("SELECT id FROM deposit WHERE state = 'pending' ORDER BY id")
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "ya meti lo de maria en la maquina del mercado",
        "put maria's 500 in the mercado machine",
        "ya metí los 500 de maria en el mercado",
        "deposit confirm maria mercado",
        "deposit confirm maria 500 Mercado",
    ],
)
async def test_deposit_of_a_client_is_confirmed_by_the_clients_name(maria, text):
    asked = await answered(maria, text)
    assert asked.startswith(
        "Confirm deposit 2: Q500.00 go to the balance of maria now, in Mercado."
    )
    assert await pending(maria) == [2]
    assert "is confirmed" in await maria.tell("op", code_in(asked))
    assert await pending(maria) == []
    assert "deposit confirm" in await maria.tell("op", "log maria")


@pytest.mark.parametrize(
    "text", ["maria's cash is in", "confirme lo de maria", "lo de maria ya esta en la maquina"]
)
async def test_no_machine_is_made_up(maria, text):
    asked = await answered(maria, text)
    assert asked.startswith("Confirm deposit 2: Q500.00 go to the balance of maria now. No machine")


async def test_several_pending_deposits_are_listed_with_what_to_type(maria):
    await maria.do("op", "deposit maria 70")
    told = await answered(maria, "ya meti lo de maria en la maquina del mercado")
    first, *lines = told.splitlines()
    assert first == "maria has several deposits that wait. Which one?"
    assert [line.partition(",")[0] for line in lines] == [
        "deposit confirm 2 mercado: Q500.00",
        "deposit confirm 3 mercado: Q70.00",
    ]
    asked = await answered(maria, "ya meti los 70 de maria en el mercado")
    assert asked.startswith("Confirm deposit 3: Q70.00 ")


async def test_amount_that_nobody_has_handed_in_confirms_nothing(maria):
    told = await answered(maria, "put maria's 300 in the mercado machine")
    assert told.startswith(
        "maria has no deposit of Q300.00 that waits, but:\ndeposit confirm 2 mercado"
    )
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0


async def test_code_for_the_only_deposit_is_void_once_there_is_another(maria):
    asked = await maria.tell("op", "deposit confirm maria")
    await maria.do("op2", "deposit maria 80")
    assert "Which one?" in await maria.tell("op", code_in(asked))
    assert await pending(maria) == [2, 3]


async def test_client_without_a_pending_deposit_is_told_of(maria):
    await maria.do("op", "deposit void 2")
    told = await answered(maria, "ya meti lo de maria")
    assert told.startswith("maria has no deposit that waits to be confirmed.")


@pytest.mark.parametrize(
    "text",
    [
        "no he metido lo de maria",
        "ya metí lo de maria?",
        "si llega el efectivo meto lo de maria",
        "no le pague a maria",
        "ya le pagué a maria?",
        "I haven't paid maria",
        "we haven't put maria's money in",
        "nobody paid maria",
    ],
)
async def test_what_is_not_said_to_be_done_prepares_nothing(maria, text):
    await maria.do("maria", "withdraw 200")
    await maria.tell("op", text)
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0
    assert not {"deposit confirm maria", "withdraw maria"} & {
        row["command"] for row in await maria.sql("SELECT command FROM question")
    }


@pytest.mark.parametrize(
    "text",
    [
        "ya le pague a maria",
        "paid maria back",
        "le di lo suyo a maria",
        "gave maria her cash",
        "ya le devolví a maria",
        "maria got her money",
        "withdraw maria",
    ],
)
async def test_cash_that_was_given_back_settles_the_open_request(maria, text):
    await maria.do("maria", "withdraw 200")
    asked = await answered(maria, text)
    assert asked.startswith("Pay Q200.00 in cash to maria; it leaves the balance.")
    assert "It answers the request for Q200.00" in asked
    assert "maria got Q200.00 back" in await maria.tell("op", code_in(asked))
    assert await maria.count("task WHERE answered_at IS NULL") == 0


async def test_code_for_a_request_is_asked_anew_once_the_request_has_changed(maria):
    await maria.do("maria", "withdraw 200")
    asked = await maria.tell("op", "paid maria back")
    await maria.do("maria", "withdraw 300")
    again = await maria.tell("op", code_in(asked))
    assert "This has changed meanwhile" in again
    assert "Pay Q300.00 in cash to maria" in again


async def test_without_a_request_the_amount_is_asked_for(maria):
    told = await answered(maria, "ya le pague a maria")
    assert told == (
        "maria has not asked for cash. How much? withdraw maria AMOUNT (balance Q1,000.00)"
    )
    asked = await answered(maria, "le pague a maria 150")
    assert asked.startswith("Pay Q150.00 in cash to maria")


async def test_other_open_codes_follow_without_empty_lines(maria):
    for amount in (10, 20):
        await maria.tell("op", f"deposit maria {amount}")
    told = await maria.tell("op", "deposit maria 30")
    _, _, more = told.partition("Or: cancel\n")
    assert [line.partition(":")[0] for line in more.splitlines()] == ["Still waiting, too"] * 2


@pytest.mark.parametrize("text", ["maria paid", "maria gave the money", "maria paid me back"])
async def test_client_who_paid_is_paid_nothing_at_once(maria, text):
    await maria.do("maria", "withdraw 200")
    await maria.tell("op", text)
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0


@pytest.mark.parametrize("text", ["withdraw maria all", "withdraw maria half"])
async def test_words_that_are_no_amount_are_not_dropped(maria, text):
    await maria.do("maria", "withdraw 200")
    assert "amount" in await maria.tell("op", text)
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0
    assert await maria.count("question") == 0


@pytest.mark.parametrize(
    "amount", ["Q300", "Q 300", "GTQ 300", "if it is in", "not yet", "tomorrow"]
)
async def test_without_known_machines_an_amount_counts_and_other_words_prepare_nothing(
    talk, amount
):
    await talk.add_client("maria", balance="1000")
    await talk.do("op", "deposit maria 500")
    await talk.tell("op", f"deposit confirm maria {amount}")
    assert await talk.count("confirmation WHERE used_at IS NULL") == 0


async def test_amount_with_its_currency_names_the_deposit(talk):
    await talk.add_client("maria", balance="1000")
    await talk.do("op", "deposit maria 500")
    for amount in ("Q500", "Q 500", "GTQ 500"):
        asked = await talk.tell("op", f"deposit confirm maria {amount}")
        assert asked.startswith("Confirm deposit 2: Q500.00 go to the balance of maria now.\n")

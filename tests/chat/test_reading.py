"""What is typed is read in one way only: units beside amounts, and lines."""

import pytest
from talk import code_in


@pytest.mark.parametrize(
    "amount", ["100 USD", "$100", "US$ 100", "100 dólares", "100 L", "100 usd x"]
)
async def test_deposit_in_another_currency_is_refused_with_the_bots_own(talk, amount):
    await talk.add_client("maria", wallet="")
    told = await talk.tell("op", f"deposit maria {amount}")
    assert "I count in GTQ, and that is something else. Write the amount in GTQ." in told
    assert await talk.count("confirmation") == await talk.count("deposit") == 0


@pytest.mark.parametrize("amount", ["Q 100", "100 quetzales", "GTQ 100", "q100", "100 Q."])
async def test_deposit_in_the_bots_own_currency_is_read_with_its_unit_apart(talk, amount):
    await talk.add_client("maria")
    assert "100.00 GTQ for maria." in await talk.tell("op", f"deposit maria {amount}")


async def test_client_is_told_which_currency_a_limit_is_in(talk):
    await talk.add_client("maria")
    told = await talk.tell("maria", "limit 100 USD")
    assert (
        "I count in GTQ, and that is something else. Write the amount in GTQ.\nWrite: limit" in told
    )
    assert (await talk.client("maria")).fixed_limit_minor == 0


async def test_second_line_is_refused_and_nothing_of_either_runs(talk):
    await talk.add_client("maria", balance="500")
    await talk.add_client("juan")
    before = await talk.count("confirmation")
    for text in (
        "deposit maria 100\ndeposit juan 200",
        "withdraw maria 100\ndeposit juan 200",
        "deposit confirm 1\r\ndeposit confirm 2",
        "client pause maria\u2028client pause juan",
        "client add lena {lena}\nclient add stranger {stranger}",
    ):
        assert "in a message of its own, on one line" in await talk.tell("op", text)
    assert await talk.count("confirmation") == before
    assert (await talk.client("maria")).state == "active"
    assert await talk.client("lena") is None


async def test_code_with_a_second_line_confirms_nothing(talk):
    await talk.add_client("maria")
    code = code_in(await talk.tell("op", "deposit maria 100"))
    for text in (f"confirm {code}\nthanks", f"{code}\nthanks", f"confirm\n{code}\nx"):
        await talk.tell("op", text)
    assert await talk.count("deposit") == 0
    assert "is pending" in await talk.tell("op", f"\nconfirm {code}\n \n")


async def test_wallet_with_a_second_line_is_not_set(talk):
    await talk.add_client("maria", wallet="")
    told = await talk.tell("maria", "wallet maria@example.com\nthanks!")
    assert "in a message of its own" in told
    assert await talk.count("confirmation") == 0


async def test_broadcast_keeps_its_lines(talk):
    await talk.add_client("maria")
    await talk.do("op", "broadcast One\n\ntwo")
    assert (await talk.letters_to("maria"))[-1].endswith("One\n\ntwo")


@pytest.mark.parametrize("command", ["deposit", "withdraw"])
async def test_second_client_on_the_same_line_is_no_note(talk, command):
    await talk.add_client("maria", balance="500")
    await talk.add_client("juan", wallet="")
    told = await talk.tell("op", f"{command} maria 100 Juán: 200")
    assert "in a message of its own" in told
    again = await talk.tell("op", f"{command} maria 100 {command} juan 200")
    assert "in a message of its own" in again
    assert "(juan sent 2)" in await talk.tell("op", f"{command} maria 100 juan sent 2")


@pytest.mark.parametrize("name", ["@maria", "maria:", "Maria,", "@MARÍA"])
async def test_client_is_found_as_one_writes_to_her(talk, name):
    await talk.add_client("maria", wallet="")
    assert "5.00 GTQ for maria." in await talk.tell("op", f"deposit {name} 5")


async def test_code_that_was_copied_with_marks_of_no_width_is_taken(talk):
    await talk.add_client("maria")
    code = code_in(await talk.tell("op", "deposit maria 100"))
    assert "is pending" in await talk.tell("op", f"\u2068{code}\u2069\u200e")

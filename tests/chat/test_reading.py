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
    assert "Q100.00 for maria." in await talk.tell("op", f"deposit maria {amount}")


async def test_client_is_told_which_currency_a_limit_is_in(talk):
    await talk.add_client("maria")
    told = await talk.tell("maria", "limit 100 USD")
    assert (
        "I count in GTQ, and that is something else. Write the amount in GTQ.\nWrite: limit" in told
    )
    assert (await talk.client("maria")).fixed_limit_minor == 0


async def test_lines_are_commands_in_order(talk):
    await talk.add_client("maria", balance="500")
    await talk.add_client("juan")
    first = await talk.tell("op", "deposit maria 100")
    second = await talk.tell("op", "deposit juan 200")
    assert f"Q100.00 for maria. Reply: confirm {code_in(first)}" in second
    done = await talk.tell_all("op", f"confirm {code_in(second)}\r\n{code_in(first)}\nthanks!")
    assert ["juan" in done[0], "maria" in done[1], len(done)] == [True, True, 2]
    shown = await talk.tell_all("op", "client pause maria\u2028client pause juan\u2029\nclients")
    assert len(shown) == 3
    assert {(await talk.client(name)).state for name in ("maria", "juan")} == {"stopped"}


@pytest.mark.parametrize(
    "text",
    [
        "client pause maria\nxyzzy plugh",
        "xyzzy plugh\nclient pause maria",
        "deposit maria 100\nxyzzy plugh",
        "client pause maria\nno",
        "client pause maria\ndeposit",
    ],
)
async def test_where_a_line_cannot_be_read_none_that_changes_something_runs(talk, text):
    await talk.add_client("maria", balance="500")
    before = await talk.count("confirmation")
    assert "Nothing was done yet: I am not sure about line" in await talk.tell("op", text)
    assert await talk.count("confirmation") == before
    assert (await talk.client("maria")).state == "active"


async def test_a_message_has_eight_commands_at_most(talk):
    assert len(await talk.tell_all("op", "\n".join(["funds", "clients"] * 4))) == 8
    assert "at most 8" in await talk.tell("op", "\n".join(["funds", "clients", "holds"] * 3))


async def test_change_that_is_refused_stops_the_other_changes_alone(talk):
    await talk.add_client("maria", balance="500")
    told = await talk.tell_all("op", "withdraw maria 600\nclients\nclient close maria")
    assert "maria" in told[0]
    assert told[1:] == [
        "Nothing was done, because of: withdraw maria 600.00\n"
        "That is more than maria has. The balance is Q500.00."
    ]


async def test_two_external_sales_in_one_message_are_two(talk):
    await talk.add_client("maria", balance="500")
    lines = "tx add Market 100 10000\ntx add Market 200 24000"
    codes = [code_in(one) for one in await talk.tell_all("op", lines)]
    await talk.tell_all("op", "\n".join(codes))
    assert await talk.count("distribution") == 2


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
    assert "Q5.00 for maria." in await talk.tell("op", f"deposit {name} 5")


async def test_code_that_was_copied_with_marks_of_no_width_is_taken(talk):
    await talk.add_client("maria")
    code = code_in(await talk.tell("op", "deposit maria 100"))
    assert "is pending" in await talk.tell("op", f"\u2068{code}\u2069\u200e")

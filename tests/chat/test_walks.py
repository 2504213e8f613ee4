"""The two messages whose way through the program `tests/walks.py` measures."""

from talk import code_in


async def test_client_is_told_the_balance(talk):
    await talk.add_client("maria", balance="500")
    assert "Q500.00" in await talk.walk("maria", "balance")


async def test_operator_gives_a_command_with_a_code(talk):
    await talk.add_client("maria", balance="500")
    asked = await talk.walk("op", "withdraw maria 100")
    assert "Q400.00" in await talk.walk("op", f"confirm {code_in(asked)}")
    assert "Q400.00" in await talk.tell("maria", "balance")

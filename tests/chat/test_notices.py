from talk import NPUBS


async def test_small_deposit_is_no_reason_to_ask_for_another(talk):
    await talk.add_client("maria", balance="100")
    told = await talk.letters_to("maria")
    assert "is in the machine. Your balance is Q100.00" in told[-1]
    assert not [text for text in told if "down to" in text]


async def test_who_got_all_of_it_back_is_not_asked_for_the_next_deposit(talk):
    await talk.add_client("maria", balance="500")
    await talk.do("op", "withdraw maria 500")
    assert (await talk.letters_to("maria"))[-1] == (
        "You got Q500.00 back in cash. Your balance is Q0.00."
    )


async def test_deposit_arms_the_next_warning(talk):
    await talk.add_client("maria", balance="500")
    for _ in range(2):
        await talk.do("op", "withdraw maria 400")
        assert "down to Q100.00" in (await talk.letters_to("maria"))[-1]
        await talk.do("op", "deposit maria 400")
        number = (await talk.sql("SELECT max(id) AS id FROM deposit"))[0]["id"]
        await talk.do("op", f"deposit confirm {number}")


async def test_other_operators_are_told_by_whom_in_an_npub_as_short_as_in_the_log(talk):
    await talk.add_client("maria", balance="500")
    who = f"{NPUBS['op'][:12]}…"
    assert (await talk.letters_to("op2"))[-1].startswith(f"By {who}: Deposit 1")
    assert f" {who}, deposit confirm: " in await talk.tell("op", "log")

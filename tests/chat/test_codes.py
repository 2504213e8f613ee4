"""Whatever moves money is told first; its code is one person's, for one effect, once."""

from datetime import timedelta

import pytest
from talk import INVOICE_KEY, OTHER_KEY, code_in

from dca_bot.ledger.store.clock import CODE_LIFE as LIFE

MONEY_COMMANDS = (
    "client add juan {juan} 100",
    "client wallet maria juan@example.com",
    "client npub maria {fresh}",
    "deposit maria 100",
    "deposit confirm 2",
    "deposit void 1",
    "deposit void 2",
    "withdraw maria 100",
    "commission set rosa 40 rosa@example.com",
    "commission set maria 10",
    "tx add Market 200 24000",
)


@pytest.fixture
async def asked(talk):
    """Maria has 500 GTQ, and a deposit of 100 is asked about."""
    await talk.add_client("maria", balance="500")
    await talk.do("op", "deposit maria 25")
    return await talk.tell("op", "deposit maria 100")


@pytest.mark.parametrize("command", MONEY_COMMANDS)
@pytest.mark.usefixtures("asked")
async def test_money_command_changes_nothing_until_it_is_confirmed(talk, command):
    before = [await talk.count(table) for table in ("client", "deposit", "entry")]
    told = await talk.client("maria")
    reply = await talk.tell("op", command)
    assert "Reply: confirm" in reply
    assert [await talk.count(table) for table in ("client", "deposit", "entry")] == before
    assert await talk.client("maria") == told


async def test_code_is_used_once(talk, asked):
    code = code_in(asked)
    assert "is pending" in await talk.tell("op", f"confirm {code}")
    assert "not valid" in await talk.tell("op", f"confirm {code}")
    assert await talk.count("deposit") == 3


async def test_code_is_good_for_ten_minutes(talk, asked):
    talk.clock.at += LIFE - timedelta(seconds=3)
    assert "is pending" in await talk.tell("op", f"confirm {code_in(asked)}")
    again = await talk.tell("op", "deposit maria 100")
    talk.clock.at += LIFE
    assert "not valid" in await talk.tell("op", f"confirm {code_in(again)}")


@pytest.mark.parametrize("who", ["op2", "maria"])
async def test_code_of_another_person_does_nothing(talk, asked, who):
    assert "not valid" in await talk.tell(who, f"confirm {code_in(asked)}")
    assert await talk.count("deposit") == 2


async def test_code_is_read_in_any_case(talk, asked):
    assert "is pending" in await talk.tell("op", f"/CONFIRM {code_in(asked).lower()}")


@pytest.mark.parametrize("change", [str, str.lower, "/{}".format, " {}\n".format])
async def test_code_alone_confirms_once(talk, asked, change):
    code = change(code_in(asked))
    assert "is pending" in await talk.tell("op", code)
    assert "I don't know that command" in await talk.tell("op", code)
    assert await talk.count("deposit") == 3


async def test_code_alone_of_another_person_or_too_late_does_nothing(talk, asked):
    for who in ("op2", "maria"):
        assert "I don't know that command" in await talk.tell(who, code_in(asked))
    talk.clock.at += LIFE
    assert "I don't know that command" in await talk.tell("op", code_in(asked))
    assert await talk.count("deposit") == 2


async def test_code_alone_whose_effect_has_changed_gets_a_new_one(talk, asked):
    first = await talk.tell("op", "client wallet maria juan@example.com")
    await talk.do("maria", f"wallet {OTHER_KEY}")
    assert "has changed meanwhile" in await talk.tell("op", code_in(first))
    assert "I don't know" in await talk.tell("maria", code_in(asked))


@pytest.mark.parametrize("word", ["yes", "SÍ", "ok!", "2222"])
async def test_short_answer_to_a_question_is_told_how_to_confirm(talk, asked, word):
    code = code_in(asked)
    assert (await talk.tell("op", word)).endswith(f"To confirm, send: confirm {code}")
    assert "I don't know that command" in await talk.tell("op2", word)
    assert "Did you mean: status" in await talk.tell("op", "statsu")
    assert "Clients: " in await talk.tell("op", "help all")
    assert "is pending" in await talk.tell("op", f"confirm {code}")


async def test_new_money_command_voids_the_code_before(talk, asked):
    second = await talk.tell("op", "deposit maria 200")
    assert "not valid" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert "200.00 GTQ" in await talk.tell("op", f"confirm {code_in(second)}")


async def test_code_survives_a_restart(talk, asked):
    talk.start()
    assert "is pending" in await talk.tell("op", f"confirm {code_in(asked)}")


@pytest.mark.usefixtures("asked")
async def test_changed_effect_gets_a_new_code(talk):
    first = await talk.tell("op", "client wallet maria juan@example.com")
    await talk.do("maria", f"wallet {OTHER_KEY}")
    changed = await talk.tell("op", f"confirm {code_in(first)}")
    assert "has changed meanwhile" in changed
    assert "Until now: the LNbits wallet with invoice key 2b2b…2b2b" in changed
    assert (await talk.client("maria")).destination.value == OTHER_KEY
    assert "not valid" in await talk.tell("op", f"confirm {code_in(first)}")
    await talk.tell("op", f"confirm {code_in(changed)}")
    assert (await talk.client("maria")).destination.value == "juan@example.com"


@pytest.mark.usefixtures("asked")
async def test_effect_is_looked_up_again_outside(talk):
    first = await talk.tell("maria", "wallet maria@example.com")
    talk.addresses.min_sat = 1000
    changed = await talk.tell("maria", f"confirm {code_in(first)}")
    assert "1,000 sats or more" in changed
    await talk.tell("maria", f"confirm {code_in(changed)}")
    assert (await talk.client("maria")).destination.min_sat == 1000


@pytest.mark.usefixtures("asked")
async def test_withdrawal_is_checked_again_at_confirmation(talk):
    first = await talk.tell("op", "withdraw maria 500")
    await talk.do("op2", "withdraw maria 1")
    assert "balance is 499.00 GTQ" in await talk.tell("op", f"confirm {code_in(first)}")
    assert (await talk.client("maria")).balance_minor == 49_900


@pytest.mark.usefixtures("asked")
async def test_held_cash_out_shared_out_meanwhile_is_not_shared_out_again(talk):
    hold_id = await talk.hold_cash_out("bbbb2222-0000")
    first = await talk.tell("op", f"hold accept {hold_id}")
    await talk.do("op2", f"hold accept {hold_id}")
    assert "no such open hold" in await talk.tell("op", f"confirm {code_in(first)}")
    assert await talk.count("distribution") == 1


@pytest.mark.usefixtures("asked")
async def test_lnbits_out_of_reach_at_confirmation_leaves_the_code_good(talk):
    first = await talk.tell("maria", f"wallet {OTHER_KEY}")
    talk.wallet.down = True
    assert "nothing was changed" in await talk.tell("maria", f"confirm {code_in(first)}")
    assert (await talk.client("maria")).destination.value == INVOICE_KEY
    talk.wallet.down = False
    assert "Done" in await talk.tell("maria", f"confirm {code_in(first)}")

"""What an operator sets for a client: the name, the language, the digests, a note."""

import pytest
from talk import code_in

from dca_bot.ledger.correspondence import payout_notices
from dca_bot.ledger.payouts import payouts, transitions
from dca_bot.ledger.programme import clients
from dca_bot.messages.say import Say


def arrive(tx, payout_id, now):
    transitions.finish(tx, payouts.get(tx, payout_id), now=now)
    payout_notices.arrive(tx, payouts.get(tx, payout_id), clients.by_name(tx, "maria"))


@pytest.fixture
async def house(talk):
    for name in ("maria", "juan"):
        await talk.add_client(name, balance="500")
    return talk


async def test_renamed_client_keeps_everything_and_is_told(house):
    await house.do("op", "commission set maria 10")
    before = await house.client("maria")
    asked = await house.tell("op", "client rename maria María.López")
    assert "maria the name María.López" in asked
    assert await house.client("María.López") is None
    await house.tell("op", f"confirm {code_in(asked)}")
    after = await house.client("María.López")
    assert (after.id, after.balance_minor, after.paid_as) == (before.id, 50_000, "maria")
    assert "María.López" in (await house.letters_to("maria"))[-1]
    assert "María.López" in (await house.letters_to("op2"))[-1]
    assert "María.López: 10%" in await house.tell("op", "commission")
    assert "María.López" in await house.tell("op", "log maria.lopez")
    assert "LNbits' payments: maria" in await house.tell("op", "client maria.lopez")
    assert "Cash still" in await house.tell("maria", "balance")
    assert not await house.audit()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("juan", "is a client juan already"),
        ("JUÁN", "looks like juan"),
        ("pause", "command"),
        ("saldo", "command"),
        ("m\u0430ria", "alphabet"),
        ("lopez garcia", "client rename NAME NEW_NAME"),
    ],
)
async def test_new_name_is_as_free_and_clear_as_that_of_a_new_client(house, name, why):
    told = await house.tell("op", f"client rename maria {name}")
    assert "Reply: confirm" not in told
    assert why in told


async def test_name_can_change_its_look_and_come_back_but_goes_to_nobody_else(house):
    await house.do("op", "client rename maria Maria")
    await house.do("op", "client rename maria anna")
    for other in ("client rename juan María", "client add maria {lena}"):
        assert "was the name of anna" in await house.tell("op", other)
    await house.do("op", "client rename anna maria")
    assert (await house.client("maria")).name == "maria"


async def test_codes_and_questions_that_name_a_renamed_client_are_void(house):
    await house.add_client("lena")
    codes = [code_in(await house.tell("op", f"deposit {who} 5")) for who in ("maria", "lena")]
    batch = (await house.tell_all("op", "deposit lena 6\ndeposit Anna 7"))[-1]
    assert "no client" in batch
    lines = (await house.tell_all("op", "deposit lena 6\nwithdraw María, 7"))[-1]
    assert "Did you mean" in await house.tell("op2", "maria trajo unos 500")
    swap = code_in(await house.tell("op2", "client rename maria anna"))
    await house.tell("op2", f"confirm {swap}")
    await house.do("op2", "client rename juan mario")
    for code in (codes[0], code_in(lines)):
        assert "not valid" in await house.tell("op", f"confirm {code}")
    assert "Q5.00" in await house.tell("op", f"confirm {codes[1]}")
    assert "nothing waiting" in await house.tell("op2", "yes")


async def test_language_of_a_client_counts_from_the_notice_on(house):
    assert await house.tell("op", "client language maria es") == "maria reads español from now on."
    assert "español" in (await house.letters_to("maria"))[-1]
    assert "El operador eligió" in (await house.letters_to("maria"))[-1]
    told = len(await house.letters_to("maria"))
    assert await house.tell("op", "client language maria es") == "maria reads español."
    assert await house.tell("op", "client language maria") == "maria reads español."
    assert len(await house.letters_to("maria")) == told
    await house.tell("op", "client language maria xx")
    assert (await house.client("maria")).language == "es"


async def test_digest_that_waits_is_told_before_the_wish_changes(house):
    await house.tell("op", "client notify maria daily")
    given = await house.distribute("d1")
    payout = given.shares[0].payout_id
    await house.bring_to(payout, "invoice", "submit", "debit")
    await house.database.transact(lambda tx: arrive(tx, payout, house.clock.now()))
    assert "one a week" in await house.tell("op", "client notify maria weekly")
    *_, digest, told = await house.letters_to("maria")
    assert "sats" in digest
    assert "one a week" in told
    assert "none" in await house.tell("op", "client notify maria off")
    assert "none" in await house.tell("op", "client notify maria")
    await house.tell("op", "client notify maria hourly")
    assert (await house.client("maria")).notify == "off"


async def test_note_is_for_operators_only(house):
    told = len(await house.letters_to("maria"))
    await house.tell("op", "client note maria owes 50, phone 5555 0123")
    assert "Note: owes 50, phone 5555 0123" in await house.tell("op2", "client maria")
    for own in ("settings", "balance", "export", "history"):
        assert "owes 50" not in "".join(await house.tell_all("maria", own))
    assert len(await house.letters_to("maria")) >= told
    told = await house.tell("op", "client note maria")
    assert told.startswith("Note about maria, for operators only: owes 50, phone 5555 0123")
    await house.tell("op", "client note maria back in May")
    assert "It was: back in May" in await house.tell("op", "client note maria OFF")
    assert "no note" in await house.tell("op", "client note maria off")
    assert "Note:" not in await house.tell("op", "client maria")
    assert "200" in await house.tell("op", f"client note maria {'x' * 201}")


async def test_note_with_a_secret_is_not_kept(house):
    words = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    told = await house.tell("op", f"client note maria {words}")
    assert told.startswith(house.texts.render(Say("secret.seed_words"), "en")[:20])
    assert "Note:" not in await house.tell("op", "client maria")
    assert b"sausage" not in house.ledger_bytes()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("put maria's messages in spanish", "client language maria es"),
        ("cambia el nombre de maria a marita", "client rename maria marita"),
        ("rename maria to marita", "client rename maria marita"),
        ("avisos de maria semanales", "client notify maria weekly"),
    ],
)
async def test_plain_words_are_asked_back(house, text, asked):
    assert asked in await house.tell("op", text)
    assert (await house.client("maria")).language == "en"

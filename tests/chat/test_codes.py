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
    """Maria has Q500, and a deposit of 100 is asked about."""
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
    assert "not valid" in await talk.tell("op", code)
    assert await talk.count("deposit") == 3


async def test_code_alone_of_another_person_or_too_late_does_nothing(talk, asked):
    for who in ("op2", "maria"):
        assert "not valid" in await talk.tell(who, code_in(asked))
    talk.clock.at += LIFE
    assert "not valid" in await talk.tell("op", code_in(asked))
    assert await talk.count("deposit") == 2


async def test_code_alone_whose_effect_has_changed_gets_a_new_one(talk, asked):
    first = await talk.tell("op", "client wallet maria juan@example.com")
    await talk.do("maria", f"wallet {OTHER_KEY}")
    assert "has changed meanwhile" in await talk.tell("op", code_in(first))
    assert "not valid" in await talk.tell("maria", code_in(asked))


@pytest.mark.parametrize("word", ["yes", "SÍ", "ok!", "dale pues", "sí, gracias", "2222"])
async def test_short_answer_to_a_question_is_told_how_to_confirm(talk, asked, word):
    code = code_in(asked)
    assert (await talk.tell("op", word)).endswith(f"To confirm, send: confirm {code}")
    assert "Clients: " in await talk.tell("op", "help all")
    assert "is pending" in await talk.tell("op", f"confirm {code}")


@pytest.mark.parametrize(
    "words",
    [
        *(
            "que es {}",
            "qué es el {}",
            "que es confirmar {}",
            "de que es {}",
            "{} que es",
            "es que {}",
        ),
        *(
            "lo de {}",
            "y {}",
            "y si confirmo {}",
            "is it {}",
            "is that {}",
            "what is {}",
            "{} is this",
        ),
    ],
)
async def test_question_about_a_code_confirms_nothing_and_says_how_to(talk, asked, words):
    code = code_in(asked)
    assert f"confirm {code}" in await talk.tell("op", words.format(code))
    assert await talk.count("deposit") == 2
    assert "is pending" in await talk.tell("op", f"confirm {code}")


@pytest.mark.parametrize(
    "words",
    [
        *("Bueno, confirmar {}", "bueno {}", "I confirm {}", "ya le mando {}", "Reply: confirm {}"),
        *("{} es el código", "here's my code: {}", "va {}"),
    ],
)
async def test_code_in_peoples_own_words_confirms(talk, asked, words):
    assert "is pending" in await talk.tell("op", words.format(code_in(asked)))


async def test_code_that_is_spelled_out_confirms(talk, asked):
    spelled = " ".join(code_in(asked).lower())
    assert "is pending" in await talk.tell("op", f"confirmar {spelled}")


async def test_second_question_leaves_the_first_code_open_and_names_it(talk, asked):
    second = await talk.tell("op", "deposit maria 200")
    assert f"Q100.00 for maria. Reply: confirm {code_in(asked)}" in second
    assert "Q100.00" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert "Q200.00" in await talk.tell("op", f"confirm {code_in(second)}")


async def test_same_command_again_has_a_single_code(talk, asked):
    again = await talk.tell("op", "deposit maria 100")
    assert "Still waiting" not in again
    assert "not valid" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert "Q100.00" in await talk.tell("op", f"confirm {code_in(again)}")


async def test_eight_codes_are_open_at_most(talk, asked):
    codes = [code_in(asked)]
    for amount in range(200, 1000, 100):
        told = await talk.tell("op", f"deposit maria {amount}")
        codes.append(code_in(told))
        talk.clock.at += timedelta(seconds=1)
    open_ = await talk.sql("SELECT code FROM confirmation WHERE used_at IS NULL")
    assert {row["code"] for row in open_} == set(codes[1:])
    assert "not valid" in await talk.tell("op", f"confirm {codes[0]}")
    for code in codes[1:]:
        assert "is pending" in await talk.tell("op", f"confirm {code}")


@pytest.mark.parametrize("word", ["no", "cancelar", "No, gracias.", "cancel", "mejor no", "nope"])
async def test_no_drops_every_open_code(talk, asked, word):
    second = await talk.tell("op", "deposit maria 200")
    assert (await talk.tell("op", word)).splitlines() == [
        "Cancelled. Nothing was done. Dropped:",
        "- Record a pending deposit of Q100.00 for maria.",
        "- Record a pending deposit of Q200.00 for maria.",
    ]
    for told in (asked, second):
        assert "not valid" in await talk.tell("op", f"confirm {code_in(told)}")
    assert "nothing waiting" in await talk.tell("op", "no")


@pytest.mark.usefixtures("asked")
async def test_a_single_code_is_dropped_by_name_and_an_old_one_is_nothing_to_cancel(talk):
    told = "Cancelled. Nothing was done. Dropped: Record a pending deposit of Q100.00 for maria."
    assert await talk.tell("op", "cancel") == told
    for word in ("cancel", "no"):
        assert (await talk.tell("op", word)).startswith("There was nothing to cancel")
    await talk.tell("op", "deposit maria 100")
    talk.clock.at += LIFE
    assert (await talk.tell("op", "cancel")).startswith("There was nothing to cancel")


async def test_no_answers_the_question_alone_and_cancel_drops_the_codes_too(talk, asked):
    await talk.tell("op", "pausa a maria por favor")
    told = await talk.tell("op", "no")
    assert told.startswith("Cancelled. Nothing was done. Dropped: client pause maria\n")
    assert f"Q100.00 for maria. Reply: confirm {code_in(asked)}\n" in told
    assert told.endswith("To drop what is waiting: cancel")
    await talk.tell("op", "pausa a maria por favor")
    assert (await talk.tell("op", "cancelar")).splitlines()[1:] == [
        "- client pause maria",
        "- Record a pending deposit of Q100.00 for maria.",
    ]
    assert "not valid" in await talk.tell("op", code_in(asked))
    assert (await talk.client("maria")).state == "active"


async def test_what_is_dropped_is_named_in_the_readers_language(spanish):
    await spanish.add_client("maria")
    await spanish.do("op", "deposit maria 500")
    await spanish.do("op", "deposit confirm 1")
    asked = await spanish.tell("op", "retiro maria 100")
    await spanish.tell("op", "pausa a maria por favor")
    told = await spanish.tell("op", "no")
    assert told.startswith("Cancelado. No se hizo nada. Descartado: cliente pausar maria\n")
    assert f"confirmar {code_in(asked)}" in told
    assert told.endswith("Para descartar lo que espera: cancelar")
    assert "Descartado: Devolverle a maria Q100.00" in await spanish.tell("op", "cancelar")
    assert (await spanish.tell("op", "no")).startswith("No había nada que cancelar")


@pytest.mark.usefixtures("asked")
async def test_summary_of_what_is_dropped_is_short_and_names_the_thing(talk):
    hold_id = await talk.hold_cash_out("bbbb2222-0000")
    await talk.tell("op", f"hold ignore {hold_id}")
    await talk.tell("op", "broadcast " + "word " * 200)
    _, deposit, hold, text = (await talk.tell("op", "cancel")).splitlines()
    assert "maria" in deposit
    assert hold.startswith("- Give this to nobody, for good: Hold #1: ")
    assert text.startswith("- Send this to the one client there is: word word")
    assert max(map(len, (deposit, hold, text))) <= 92


@pytest.mark.parametrize(
    "wrapping",
    [
        "sí, {}.",
        "SI {}",
        "yes {}!",
        "ok, {}",
        "código {}",
        "el código es {}",
        "«{}»",
        "confirmo {}",
        "{} 👍",
    ],
)
async def test_code_counts_in_any_wrapping(talk, asked, wrapping):
    assert "is pending" in await talk.tell("op", wrapping.format(code_in(asked)))


@pytest.mark.parametrize(
    "wrapping", ["no, {}", "{}?", "no confirmo {}", "confirm {} mañana", "¿qué es {}?"]
)
async def test_code_in_a_denial_or_a_question_confirms_nothing(talk, asked, wrapping):
    await talk.tell("op", wrapping.format(code_in(asked)))
    assert await talk.count("deposit") == 2


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
    assert "balance is Q499.00" in await talk.tell("op", f"confirm {code_in(first)}")
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


@pytest.mark.parametrize(
    "text",
    [
        "ahi va {}",
        "{} mijo",
        "yup {} lfg",
        "{} lets go",
        "here u go {}",
        "el codigo que me dio es {}",
        "mando el codigo {}",
    ],
)
async def test_code_among_polite_words_is_an_answer(talk, text):
    await talk.add_client("maria", balance="500")
    asked = await talk.tell("maria", "wallet maria@example.com")
    told = await talk.tell("maria", text.format(code_in(asked)))
    assert told.startswith("Done. Your bitcoin goes to maria@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "ok confirmo lo que dice {} para lo mio",
        "{} mercado",
        "espera el {} no es",
        "my cousin says {} is for her phone",
        "no confirmes {} todavia",
    ],
)
async def test_code_among_other_words_changes_nothing_and_is_asked_for_alone(talk, text):
    await talk.add_client("maria", balance="500")
    asked = await talk.tell("maria", "wallet maria@example.com")
    code = code_in(asked)
    told = await talk.tell("maria", text.format(code))
    assert f"To confirm, send: confirm {code}" in told
    assert "Done." in await talk.tell("maria", code)

"""Clients ask, operators answer; what is asked stays to be done until somebody has answered."""

import pytest
from talk import PEOPLE, START, code_in

from dca_bot.chat.client.requests import CHARS_MAX, DAY_MAX, OPEN_MAX
from dca_bot.core.ports import DmProtocol
from dca_bot.ledger.correspondence import tasks
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.render import TEXT_BYTES_MAX
from dca_bot.messages.surroundings import Surroundings

OPERATORS = ("op", "op2")


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    await talk.add_client("juan", balance="300")
    return talk


async def last_to(talk, who):
    return (await talk.letters_to(who))[-1]


async def open_tasks(talk):
    found = await talk.database.read(tasks.open_tasks)
    return [(one.client_name, str(one.kind), one.text or one.amount_minor) for one in found]


# contact


async def test_words_of_a_client_reach_all_operators_marked_as_the_clients(maria):
    told = await maria.tell(
        "maria", "Contact Where is my deposit?\nDeposit 9 is\u202e confirmed\n\n- M"
    )
    assert told == "Your message is with the operator. The answer comes here."
    for operator in OPERATORS:
        assert await last_to(maria, operator) == (
            "maria writes:\n> Where is my deposit?\n> Deposit 9 is confirmed\n>\n> - M\n"
            "To answer: reply maria TEXT"
        )
    words = "Where is my deposit?\nDeposit 9 is confirmed\n\n- M"
    assert await open_tasks(maria) == [("maria", "contact", words)]


async def test_contact_alone_tells_how_and_what_is_open(maria):
    assert "contact TEXT" in await maria.tell("maria", "contact")
    assert await open_tasks(maria) == []
    await maria.tell("maria", "contact hello")
    assert "not answered yet" in await maria.tell("maria", "/contact")


async def test_secret_in_the_words_is_neither_stored_nor_passed_on(maria):
    before = await maria.letters_to("op")
    secret = "nsec1" + "q" * 58
    told = await maria.tell("maria", f"contact my key is {secret} please help")
    assert "did not keep it" in told
    assert await open_tasks(maria) == []
    assert await maria.letters_to("op") == before


async def test_same_message_twice_is_one_task(maria):
    message = maria.message("maria", "contact hello")
    await maria.deliver(message)
    before = await maria.last_letter()
    await maria.conversation.handle(message)
    assert await maria.last_letter() == before
    assert await open_tasks(maria) == [("maria", "contact", "hello")]


@pytest.mark.parametrize("protocol", [DmProtocol.NIP04, DmProtocol.NIP17])
async def test_contact_works_over_both_kinds_of_messages(maria, protocol):
    await maria.tell("maria", "contact hello", protocol=protocol)
    assert await open_tasks(maria) == [("maria", "contact", "hello")]


async def test_client_who_writes_on_and_on_is_asked_to_wait(maria):
    for number in range(OPEN_MAX):
        await maria.tell("maria", f"contact {number}")
    before = await maria.letters_to("op")
    assert "this one was not sent" in await maria.tell("maria", "contact one more")
    assert await maria.letters_to("op") == before
    assert len(await open_tasks(maria)) == OPEN_MAX
    await maria.tell("juan", "contact mine goes through")
    assert ("juan", "contact", "mine goes through") in await open_tasks(maria)


async def test_a_day_has_room_for_so_many_messages(maria):
    for number in range(DAY_MAX):
        await maria.tell("maria", f"contact {number}")
        await maria.tell("op", "reply maria yes?")
    assert "tomorrow" in await maria.tell("maria", "contact one more")
    maria.clock.at = START.replace(day=START.day + 2)
    assert "Your message is with" in await maria.tell("maria", "contact one more")


async def test_longest_words_fit_into_the_operators_message(maria):
    for words in ("w" * CHARS_MAX, "a\n" * (CHARS_MAX // 2 - 1) + "a", "😀" * 700):
        await maria.tell("maria", f"contact {words}")
        told = await last_to(maria, "op")
        assert len(told.encode()) <= TEXT_BYTES_MAX
        assert told.endswith("\nTo answer: reply maria TEXT")
        await maria.tell("op", "reply maria yes")
    for words in ("w" * (CHARS_MAX + 1), "😀" * 999):
        assert "too long" in await maria.tell("maria", f"contact {words}")
    assert await open_tasks(maria) == []


async def test_log_and_export_have_no_words_of_the_two(maria):
    await maria.tell("maria", "contact PRIVATE question")
    await maria.tell("op", "message maria PRIVATE remark")
    await maria.tell("op", "reply maria PRIVATE answer")
    rows = await maria.sql("SELECT done FROM command_log")
    assert not [row["done"] for row in rows if "PRIVATE" in row["done"]]
    assert "PRIVATE" not in await maria.tell("op", "log")
    folder = await maria.export_tables()
    assert not [one.name for one in folder.iterdir() if b"PRIVATE" in one.read_bytes()]


# reply and message


async def test_answer_reaches_the_client_and_closes_what_was_asked(maria):
    await maria.tell("maria", "contact Where is it?")
    await maria.tell("maria", "contact Hello?")
    await maria.tell("juan", "contact And mine?")
    told = await maria.tell("op", "reply Maria It is in the machine.\nSee you")
    assert told == "Your answer is on its way to maria, whose 2 messages are closed with it."
    assert await last_to(maria, "maria") == (
        "The operator answers you:\n\nIt is in the machine.\nSee you\n\nTo write back: contact TEXT"
    )
    assert (await last_to(maria, "op2")).endswith(
        "Message to maria:\n\nIt is in the machine.\nSee you"
    )
    assert await open_tasks(maria) == [("juan", "contact", "And mine?")]
    rows = await maria.sql("SELECT DISTINCT answered_by FROM task WHERE answered_at IS NOT NULL")
    assert [row["answered_by"] for row in rows] == [PEOPLE["op"]]


async def test_answer_to_nobodys_question_is_sent_and_says_so(maria):
    await maria.tell("maria", "balance")
    told = await maria.tell("op", "reply maria Good morning")
    assert told == "It is on its way to maria, who had no open message."
    assert (await last_to(maria, "maria")).startswith(
        "A message from the operator:\n\nGood morning"
    )


async def test_message_leaves_the_question_open_and_says_so(maria):
    await maria.tell("maria", "contact Where is it?")
    told = await maria.tell("op", "message maria I am looking")
    assert told == ("It is on its way to maria.\nmaria wrote, 1 Mar 06:00: reply maria TEXT")
    assert len(await open_tasks(maria)) == 1


async def test_operator_hears_that_messages_dont_reach_the_client(talk):
    await talk.add_client("lena")
    assert "Not reached yet" in await talk.tell("op", "reply lena hello")


@pytest.mark.parametrize(
    "text", ["reply", "reply maria", "message maria", "reply nobody hello", "message nobody hello"]
)
async def test_incomplete_answers_write_to_nobody(maria, text):
    before = await maria.last_letter()
    assert await maria.tell("op", text)
    assert await maria.sql("SELECT 1 FROM outbox WHERE id > ? AND urgency > 0", before) == []


async def test_text_without_anything_to_read_closes_nothing(maria):
    await maria.tell("maria", "contact hello")
    assert "Nothing was sent" in await maria.tell("op", "reply maria \u3164\u3164")
    assert len(await open_tasks(maria)) == 1


async def test_clients_low_on_balance_get_a_message_by_code(maria):
    await maria.do("op", "withdraw juan 299")
    before = await maria.letters_to("maria")
    asked = await maria.tell("op", "message LOW Please bring\nthe next deposit")
    assert asked.startswith(
        "Send this to the one client whose balance is low or used up, juan:\n\n"
        "Please bring\nthe next deposit\n\nReply: confirm "
    )
    assert "on its way to one client" in await maria.tell("op", f"confirm {code_in(asked)}")
    assert await last_to(maria, "juan") == (
        "A message from the operator:\n\nPlease bring\nthe next deposit"
    )
    assert await maria.letters_to("maria") == before
    rows = await maria.sql(
        "SELECT urgency FROM outbox WHERE recipient = ? ORDER BY id DESC LIMIT 1", PEOPLE["juan"]
    )
    assert rows[0]["urgency"] == Urgency.BULK


async def test_another_client_low_on_balance_needs_a_new_code(maria):
    await maria.do("op", "withdraw juan 299")
    code = code_in(await maria.tell("op", "message low Please bring more"))
    await maria.do("op2", "withdraw maria 1000")
    again = await maria.tell("op", f"confirm {code}")
    assert "This has changed meanwhile" in again
    assert "2 clients whose balance is low or used up, maria, juan:" in again


async def test_nobody_low_on_balance(maria):
    assert "No client's balance is low" in await maria.tell("op", "message low hello")


async def test_message_to_all_is_a_broadcast(maria):
    asked = await maria.tell("op", "message all Closed on Sunday")
    assert asked.startswith("Send this to all 2 clients:\n\nClosed on Sunday")
    assert await maria.tell("op", f"confirm {code_in(asked)}") == "It is on its way to 2 clients."
    for who in ("maria", "juan"):
        assert await last_to(maria, who) == "A message from the operator:\n\nClosed on Sunday"


# withdraw, as a client's request


async def test_withdraw_alone_tells_how_much_and_how(maria):
    told = await maria.tell("maria", "withdraw")
    assert "up to Q1,000.00" in told
    assert "withdraw AMOUNT" in told
    assert await open_tasks(maria) == []


async def test_request_waits_for_its_code_and_changes_no_balance(maria):
    asked = await maria.tell("maria", "withdraw 500")
    assert asked.startswith("Ask the operator for Q500.00 in cash, out of your balance.")
    assert await open_tasks(maria) == []
    done = await maria.tell("maria", f"confirm {code_in(asked)}")
    assert "Q500.00" in done
    assert await open_tasks(maria) == [("maria", "withdrawal", 50_000)]
    for operator in OPERATORS:
        assert await last_to(maria, operator) == (
            "By maria: maria asks for Q500.00 in cash; the balance is Q1,000.00.\n"
            "Once it is handed over: withdraw maria Q500.00\nTo decline: withdraw maria 0"
        )
    assert (await maria.client("maria")).balance_minor == 100_000
    assert "You asked for Q500.00" in await maria.tell("maria", "withdraw")


async def test_request_is_at_most_the_balance_also_at_its_code(maria):
    assert "balance is Q1,000.00" in await maria.tell("maria", "withdraw 1000.01")
    code = code_in(await maria.tell("maria", "withdraw 1000"))
    await maria.do("op", "withdraw maria 1")
    assert "balance is Q999.00" in await maria.tell("maria", f"confirm {code}")
    assert await open_tasks(maria) == []


async def test_client_without_balance_asks_for_nothing(talk):
    await talk.add_client("maria")
    for text in ("withdraw", "withdraw 5"):
        assert "no cash of yours" in await talk.tell("maria", text)


async def test_newer_request_takes_the_place_of_the_older(maria):
    await maria.do("maria", "withdraw 500")
    asked = await maria.tell("maria", "withdraw 200")
    assert "takes the place of your request for Q500.00" in asked
    await maria.tell("maria", f"confirm {code_in(asked)}")
    assert await open_tasks(maria) == [("maria", "withdrawal", 20_000)]


async def test_client_takes_the_request_back(maria):
    assert "nothing to take back" in await maria.tell("maria", "withdraw 0")
    await maria.do("maria", "withdraw 500")
    assert "no longer ask for Q500.00" in await maria.tell("maria", "withdraw 0")
    assert await open_tasks(maria) == []
    assert "no longer asks for Q500.00" in await last_to(maria, "op2")


@pytest.mark.parametrize("amount", ["500", "200", "900"])
async def test_cash_that_an_operator_gives_answers_the_request(maria, amount):
    await maria.do("maria", "withdraw 500")
    asked = await maria.tell("op", f"withdraw maria {amount}")
    assert "It answers the request for Q500.00 of 1 Mar" in asked
    await maria.tell("op", f"confirm {code_in(asked)}")
    assert await open_tasks(maria) == []
    assert any("back in cash" in told for told in await maria.letters_to("maria"))


async def test_operator_declines_a_request(maria):
    assert "has not asked for cash" in await maria.tell("op", "withdraw maria 0")
    await maria.do("maria", "withdraw 500")
    assert "The balance stays" in await maria.tell("op", "withdraw maria 0")
    assert await open_tasks(maria) == []
    assert (await last_to(maria, "maria")).startswith("The operator cannot give you Q500.00")
    assert "Q500.00 were asked for" in await last_to(maria, "op2")
    assert (await maria.client("maria")).balance_minor == 100_000


@pytest.mark.parametrize(
    "text",
    [
        "cancel maria's withdrawal of 500",
        "cancela el retiro de maria de 500",
        "el retiro de maria cancélelo",
    ],
)
async def test_request_that_the_operator_cancels_is_declined_and_not_paid(maria, text):
    await maria.do("maria", "withdraw 500")
    told = await maria.tell("op", text)
    assert told == "Did you mean: withdraw maria 0\nReply yes or no."
    assert "The balance stays" in await maria.tell("op", "yes")
    assert await open_tasks(maria) == []


async def test_reply_leaves_a_request_for_cash_open_and_says_so(maria):
    await maria.do("maria", "withdraw 500")
    told = await maria.tell("op", "reply maria Tomorrow at five")
    assert told.splitlines()[1:] == [
        "maria asks for Q500.00 in cash, 1 Mar 06:00: withdraw maria Q500.00,"
        " or to decline, withdraw maria 0"
    ]
    assert await open_tasks(maria) == [("maria", "withdrawal", 50_000)]


@pytest.mark.parametrize("text", ["withdraw maria 1 500", "withdraw maria 1500 0"])
async def test_split_amounts_are_still_no_amounts(maria, text):
    assert "confirm" not in (await maria.tell("op", text)).replace("confirm CODE", "")


# what operators see


async def test_open_tasks_stand_on_the_clients_card_with_their_words(maria):
    await maria.tell("maria", "contact Where is my\ndeposit?")
    await maria.do("maria", "withdraw 500")
    card = await maria.tell("op", "client maria")
    assert card.splitlines()[-4:-1] == [
        "maria wrote, 1 Mar 06:00: reply maria TEXT",
        "> Where is my deposit?",
        "maria asks for Q500.00 in cash, 1 Mar 06:00: withdraw maria Q500.00,"
        " or to decline, withdraw maria 0",
    ]
    assert "wrote" not in await maria.tell("op", "client juan")


async def test_status_and_summary_name_who_waits_until_answered(maria):
    await maria.tell("juan", "contact one")
    await maria.tell("juan", "contact two")

    def summed_up(tx):
        return daily_summary(tx, maria.programme, Surroundings(None, []), maria.clock.now())

    async def shown():
        summary = maria.texts.render(await maria.database.read(summed_up), "en")
        return [summary, await maria.tell("op", "status")]

    line = "juan wrote, 1 Mar 06:00: reply juan TEXT"
    assert all("first juan → reply juan TEXT" in text for text in await shown())
    assert (await maria.tell("op", "status all")).count(line) == 1
    await maria.tell("op2", "reply juan done")
    assert not any("reply juan" in text for text in await shown())
    assert line not in await maria.tell("op", "status all")


async def test_status_all_names_the_five_who_wait_longest(talk):
    for name in ("maria", "juan", "lena"):
        await talk.add_client(name, balance="100")
        await talk.tell(name, "contact hello")
        await talk.do(name, "withdraw 5")
    lines = (await talk.tell("op", "status all")).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("maria wrote"))
    assert [line.split()[0] for line in lines[first : first + 6]] == [
        *("maria", "maria", "juan", "juan", "lena"),
        "One",
    ]


# what happens to clients


async def test_closing_a_client_closes_what_was_asked(talk):
    await talk.add_client("maria")
    await talk.tell("maria", "contact Please close my account")
    told = await talk.tell("op", "client close maria")
    assert told.splitlines() == [
        "maria is closed. The same key can be added again.",
        "A message or request that was open is closed with it.",
    ]
    assert await open_tasks(talk) == []


async def test_tasks_follow_a_client_to_another_key(maria):
    await maria.tell("maria", "contact I lose my phone")
    await maria.do("op", "client npub maria {fresh}")
    assert "not answered yet" in await maria.tell("fresh", "contact")
    await maria.tell("op", "reply maria Take care")
    assert "Take care" in await last_to(maria, "fresh")
    assert await open_tasks(maria) == []


async def test_late_message_passes_nothing_on(maria):
    age = maria.programme.message_age_max * 2
    await maria.tell("maria", "contact hello", age=age)
    before = await maria.letters_to("maria")
    await maria.tell("op", "reply maria hello", age=age)
    assert await open_tasks(maria) == []
    assert await maria.letters_to("maria") == before


async def test_spanish_conversation(spanish):
    await spanish.add_client("maria")
    await spanish.do("op", "deposit maria 1000")
    await spanish.do("op", "deposit confirm 1")
    assert await spanish.tell("maria", "contact ¿Y mi depósito?") == (
        "El operador ya tiene su mensaje. La respuesta le llega aquí."
    )
    assert await last_to(spanish, "op") == (
        "maria escribe:\n> ¿Y mi depósito?\nPara responder: responder maria TEXTO"
    )
    assert "queda atendido" in await spanish.tell("op", "reply maria Ya está")
    assert (await last_to(spanish, "maria")).startswith("El operador le responde:\n\nYa está")
    await spanish.do("maria", "withdraw 500")
    assert "pide Q500.00 en efectivo" in await last_to(spanish, "op")


@pytest.mark.parametrize(
    "text",
    [
        "when do I get my cash",
        "When can I pick up my cash?",
        "is my money ready to pick up",
        "cuando me entregan los 500",
        "¿Cuándo me dan mi dinero?",
        "cuando puedo pasar por mi efectivo",
        "ya esta mi efectivo?",
        "when",
    ],
)
async def test_client_who_asks_for_the_cash_hears_of_the_request_first(maria, text):
    await maria.do("maria", "withdraw 500")
    told = await maria.tell("maria", text)
    assert told.startswith("You asked for Q500.00 on 1 Mar ")
    assert await open_tasks(maria) == [("maria", "withdrawal", 50_000)]


@pytest.mark.parametrize("text", ["when I get paid withdraw 500", "cuando me paguen retire 500"])
async def test_condition_about_cash_asks_for_nothing(maria, text):
    await maria.tell("maria", text)
    assert await open_tasks(maria) == []
    assert await maria.count("confirmation WHERE used_at IS NULL") == 0

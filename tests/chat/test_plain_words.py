"""Plain words in the conversation: what tells something runs, a setting is asked back, and yes answers."""

from datetime import timedelta

import pytest
from talk import OTHER_KEY, PEOPLE, code_in

from dca_bot.ledger.store.clock import CODE_LIFE


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="500")
    return talk


async def test_question_in_plain_words_is_answered(maria):
    for text in ("cuánto llevo ahorrado?", "how much do I have", "mi saldo porfa", "saldo"):
        assert "500.00" in await maria.tell("maria", text)


async def test_setting_in_plain_words_is_asked_back_and_a_yes_runs_it(maria):
    told = await maria.tell("maria", "quiero pausar mis compras por favor")
    assert told.startswith("Did you mean: pause\nReply yes")
    assert (await maria.client("maria")).state == "active"
    await maria.tell("maria", "sí, por favor")
    assert (await maria.client("maria")).state == "paused"
    assert await maria.tell("maria", "yes") == "There is nothing waiting to be confirmed."


@pytest.mark.parametrize("answer", ["no", "No, gracias", "mejor no", "cancelar", "nope"])
async def test_no_ends_the_question(maria, answer):
    await maria.tell("maria", "quiero pausar mis compras")
    assert await maria.tell("maria", answer) == "Cancelled. Nothing was done. Dropped: pause"
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).state == "active"


async def test_yes_answers_the_last_question_alone_within_ten_minutes(maria):
    await maria.tell("maria", "quiero pausar mis compras")
    await maria.tell("maria", "balance")
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).state == "active"
    await maria.tell("maria", "quiero pausar mis compras")
    maria.clock.at += CODE_LIFE
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).state == "active"


async def test_yes_after_a_restart_answers_the_question_and_another_persons_yes_does_not(maria):
    await maria.add_client("juan")
    await maria.tell("maria", "quiero pausar mis compras")
    maria.start()
    await maria.tell("juan", "yes")
    assert (await maria.client("juan")).state == "active"
    await maria.tell("maria", "dale")
    assert (await maria.client("maria")).state == "paused"


async def test_yes_never_replaces_a_code(maria):
    asked = await maria.tell("maria", f"mi billetera es {OTHER_KEY}")
    told = await maria.tell("maria", "sí")
    assert told.endswith(f"To confirm, send: confirm {code_in(asked)}")
    assert (await maria.client("maria")).destination.value != OTHER_KEY
    await maria.tell("maria", f"sí, {code_in(asked).lower()}.")
    assert (await maria.client("maria")).destination.value == OTHER_KEY


async def test_stored_message_of_before_leaves_the_question_open(maria):
    await maria.tell("maria", "quiero pausar mis compras")
    await maria.tell("maria", "balance", age=timedelta(hours=7))
    await maria.tell("maria", "yes")
    assert (await maria.client("maria")).state == "paused"


@pytest.mark.parametrize(
    "text",
    [
        "maria@example.com",
        "Maria@Example.com 👍",
        "mi dirección es maria@example.com",
        "lightning:maria@example.com",
        "wallet ⚡ <Maria @ Example.com>.",
        "billetera maria@example.com",
    ],
)
async def test_address_alone_is_read_as_a_wallet(maria, text):
    told = await maria.tell("maria", text)
    assert "would go to maria@example.com from now on" in told
    await maria.tell("maria", code_in(told))
    assert (await maria.client("maria")).destination.value == "maria@example.com"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "blockchain"),
        ("lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq", "invoice"),
        ("npub1xe7n0pt3l9vnllyk7sn7k30a3d7pe00px6vts4y5ceh8ts5qrk8qjs7v83", "Nostr"),
    ],
)
async def test_what_cannot_be_paid_has_a_sentence_of_its_own(maria, text, said):
    told = await maria.tell("maria", text)
    assert said.lower() in told.lower()
    assert "name@example.com" in told


@pytest.mark.parametrize(
    "text",
    [
        *("Muchas gracias 🙏", "mil gracias", "muchas gracias", "gracias crack 🔥"),
        *(
            "thank you very much for your help sir",
            "Muchísimas gracias campeón",
            "Dios se lo pague 🙏",
        ),
    ],
)
async def test_thanks_of_polite_words_alone_are_thanks(maria, text):
    assert await maria.tell("maria", text) in ("You're welcome!", "With pleasure!")


async def test_mistyped_address_alone_is_told_what_can_be_paid(maria):
    told = await maria.tell("maria", "maria@@example.com")
    assert told.startswith("That is not a wallet I can pay.")


@pytest.mark.parametrize(
    "text",
    [
        "no quiero pausar",
        "qué pasa si pongo pausa?",
        "¿puedo cambiar mi billetera a otra@example.com?",
        "mi hermano dijo: pausar",
        "si baja el precio, pausar",
        "no cambie mi billetera",
        '"pause"',
    ],
)
async def test_what_is_no_wish_changes_nothing_and_prepares_nothing(maria, text):
    before = await maria.client("maria")
    await maria.tell("maria", text)
    assert await maria.sql("SELECT * FROM confirmation WHERE used_at IS NULL") == []
    asked = [row["command"] for row in await maria.sql("SELECT * FROM question")]
    assert not {"pause", "wallet otra@example.com"} & {*asked}
    assert await maria.client("maria") == before


async def test_client_is_paused_by_name_and_never_the_programme(maria):
    told = await maria.tell("op", "pausa a maria por favor")
    assert told == "Did you mean: client pause maria\nReply yes or no."
    assert "all" not in told
    await maria.tell("op", "sí")
    assert (await maria.client("maria")).state == "stopped"


async def test_operator_in_plain_words_gets_a_code_for_what_moves_money(maria):
    told = await maria.tell("op", "registre un depósito de maria por 1500 quetzales")
    assert "Did you mean: deposit maria 1500" in told
    told = await maria.tell("op", "sí")
    assert "1,500.00" in told
    assert "is pending" in await maria.tell("op", f"confirmo {code_in(told)}")


async def test_client_named_like_a_word_is_meant(talk):
    await talk.add_client("maria", balance="5")
    await talk.add_client("juan", balance="7")
    assert "juan, active" in await talk.tell("op", "cómo va juan?")


@pytest.mark.parametrize(
    ("text", "said"), [("gracias!", 1), ("thank you so much", 1), ("👍", 0), ("ok", 0), ("🙏🙏", 0)]
)
async def test_thanks_get_a_warm_word_or_silence(maria, text, said):
    told = await maria.tell_all("maria", text)
    assert told == ["You're welcome!"] * said


async def test_voice_message_as_a_link_gets_one_sentence(maria):
    link = "https://blossom.example/9f8e7d.m4a"
    assert "I can only read text" in await maria.tell("maria", link)
    assert await maria.tell("maria", link) is None


async def test_what_is_not_understood_names_three_things_to_write(maria):
    told = await maria.tell("maria", "xyzzy plugh")
    assert told.startswith("I did not get that, sorry.")
    assert [line.partition(":")[0] for line in told.splitlines()[1:]] == [
        "balance",
        "history [PAGE]",
        "help [COMMAND]",
        "To reach a person",
    ]


async def test_greeting_with_a_request_is_the_request(maria):
    assert "500.00" in await maria.tell("maria", "Hola, buenos días! me dice mi saldo por favor 🙏")


async def test_message_in_plain_words_runs_once(maria):
    message = maria.message("maria", "quiero pausar mis compras")
    first = await maria.replies_to(message)
    assert len(first) == 1
    assert await maria.replies_to(message) == []
    yes = maria.message("maria", "yes")
    assert len(await maria.replies_to(yes)) == 1
    assert await maria.replies_to(yes) == []
    row = await maria.sql("SELECT count(*) AS n FROM inbox WHERE sender = ?", PEOPLE["maria"])
    assert row[0]["n"] == 2


@pytest.mark.parametrize(
    "text",
    [
        *("si mijo porfavor", "sí, dele", "ta bueno", "yup lfg", "yea do it", "sure thing", "bet"),
        *("Sí, envíelo", "si digale", "si digame", "si parele", "si esa", "aja si", "ajá"),
        *("sip", "ye", "orale pues"),
    ],
)
async def test_yes_as_people_say_it_answers_the_question(maria, text):
    assert "Did you mean: pause" in await maria.tell("maria", "please stop buying for me")
    assert "paused" in (await maria.tell("maria", text)).lower()


@pytest.mark.parametrize("text", ["si baja el precio", "sí pero mañana", "ok no", "sí?"])
async def test_condition_that_begins_like_a_yes_answers_no_question(maria, text):
    assert "Did you mean: pause" in await maria.tell("maria", "please stop buying for me")
    await maria.tell("maria", text)
    assert "paused" not in (await maria.tell("maria", "settings")).lower()


@pytest.mark.parametrize(
    "text", ["cancel the withdrawal", "cancele el retiro", "ya no quiero el efectivo"]
)
async def test_request_for_cash_that_is_no_longer_wanted_is_told_with_how_to_take_it_back(
    maria, text
):
    await maria.tell("maria", code_in(await maria.tell("maria", "withdraw 100")))
    await maria.tell("maria", "wallet maria@example.com")
    told = await maria.tell("maria", text)
    if told.startswith("Did you mean: withdraw\n"):
        told = await maria.tell("maria", "yes")
    assert "You asked for Q100.00" in told
    assert "withdraw 0" in told
    assert await maria.count("confirmation WHERE used_at IS NULL") == 1, "the wallet still waits"
    assert await maria.count("task WHERE answered_at IS NULL") == 1

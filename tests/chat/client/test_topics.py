"""What savers ask and no command answers has a fixed answer, or goes to the operators as it was written."""

import pytest
from talk import PEOPLE, height

from dca_bot.chat.client.topics import TOPICS
from dca_bot.chat.understanding.reading import vocabulary_of
from dca_bot.chat.understanding.topics import topic_names, topic_of
from dca_bot.messages.lexicon import LEXICONS, example_sentences

ASKED = {
    "cost": ("cuánto cobran de comisión?", "what does it cost", "how much do you charge?"),
    "phone": ("y si pierdo el teléfono?", "what if I lose my phone", "me robaron el celular ayer"),
    "safe": ("¿es seguro?", "is this a scam??", "no me van a robar mi dinero verdad"),
    "codes": (
        "Me escribió un señor diciendo que era de ustedes y me pidió mi código. ¿Se lo doy?",
        "somebody asked me for my code",
        "¿Puede alguien más sacar mi dinero?",
        "can somebody else take my money",
    ),
    "who": ("quién es usted", "are you a real person?", "con quién estoy hablando?"),
    "bitcoin": ("qué es un satoshi", "what is bitcoin?", "what are sats"),
    "stop": ("can I stop any time?", "¿puedo salirme cuando quiera?", "hay algún contrato"),
    "how": ("cómo funciona esto?", "how does this work", "qué hacen con mi dinero"),
    "least": ("what's the minimum?", "cuál es el mínimo", "con cuánto puedo empezar?"),
    "falls": ("what if bitcoin crashes", "¿y si baja el bitcoin?", "can i lose my money"),
}
SAID = {
    "cost": "Nothing is taken off your cash",
    "phone": "Your savings are not in the phone.",
    "safe": "nobody here can take it back",
    "codes": "Nobody of us ever asks for your code",
    "who": "I am a program, not a person",
    "bitcoin": "Bitcoin is money that people send each other",
    "stop": "Yes, whenever you like",
    "how": "You hand your cash to the operator.",
    "least": "I know no least deposit",
    "falls": "goes up and down",
}
LINES_MAX = 10


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria", balance="1000")
    return talk


async def of_ledger(talk):
    names = ("confirmation", "question", "task", "command_log")
    return [await talk.count(name) for name in names]


@pytest.mark.parametrize(
    ("topic", "text"), [(topic, one) for topic in ASKED for one in ASKED[topic]]
)
async def test_worry_has_a_short_answer_that_changes_nothing(maria, topic, text):
    before = await of_ledger(maria)
    told = await maria.tell("maria", text)
    assert SAID[topic] in told
    assert height(told) <= LINES_MAX
    assert await of_ledger(maria) == before


async def test_answers_tell_what_holds_for_this_saver(maria):
    assert "the rate of each sale at the machine" in await maria.tell("maria", "what does it cost")
    assert "whenever somebody sells some" in await maria.tell("maria", "how does this work")
    await maria.tell("maria", "mode fixed 50")
    assert "the market price of the moment" in await maria.tell("maria", "what does it cost")
    assert "at fixed times" in await maria.tell("maria", "how does this work")
    assert "At most Q" in await maria.tell("maria", "what's the minimum?")
    await maria.sql("UPDATE client SET destination_min_sat = 1000")
    assert "takes 1,000 sats or more at a time" in await maria.tell("maria", "what's the minimum?")


async def test_answers_are_in_the_savers_language(maria):
    await maria.tell("maria", "language es")
    assert "A su efectivo no se le quita nada" in await maria.tell("maria", "cuánto cobran?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cuánto tengo?", "Q1,000.00"),
        ("how much is bitcoin", "1 BTC"),
        ("cuándo me compran", "each sale at the machine"),
        ("help", "Your savings: balance"),
        ("pause", "Paused. Your balance stays"),
        ("wallet", "LNbits wallet"),
        ("mode", "each sale"),
        ("holds", "I don't know that command"),
        ("donde esta mi dinero", "deposits"),
        ("do i pay tax on this?", "date,what,fiat"),
        ("how does the fixed mode work", "mode fixed"),
    ],
)
async def test_commands_are_no_topics(maria, text, said):
    assert said in await maria.tell("maria", text)


async def test_operators_have_no_topics(maria):
    assert "Nothing is taken off" not in await maria.tell("op", "how much do you charge")


def test_each_topic_has_an_answer_and_sentences_in_each_language():
    for language in LEXICONS:
        assert topic_names(language) == set(TOPICS), language


@pytest.mark.parametrize("language", LEXICONS)
def test_examples_of_a_topic_are_read_as_the_topic(language):
    vocabulary = vocabulary_of("client", LEXICONS)
    read = {
        text: (name, topic_of(text, vocabulary))
        for name, text in example_sentences(language, "topics")
    }
    wrong = {text for text, (name, found) in read.items() if found is None or found.name != name}
    assert len(wrong) * 50 <= len(read), wrong


# Words for the operators


@pytest.mark.parametrize(
    "text",
    [
        "digale a don Luis que mañana llego tarde",
        "tell the operator I moved",
        "dile a tu jefe que gracias por todo",
        "please tell him thank you",
        "ask the operator if he is open on sunday",
        "quiero hablar con alguien",
        "mi vecina tambien quiere ahorrar con ustedes",
        "me cobraron mal\ny quiero que alguien lo revise",
    ],
)
async def test_words_for_the_operator_are_kept_so_that_a_yes_sends_them(maria, text):
    offered = await maria.tell("maria", text)
    assert "reply yes" in offered.lower()
    assert await maria.count("task") == 0
    assert await maria.tell("maria", "yes") == (
        "Your message is with the operator. The answer comes here."
    )
    assert [row["text"] for row in await maria.sql("SELECT text FROM task")] == [text]
    assert text.splitlines()[-1] in (await maria.letters_to("op"))[-1]


async def test_words_that_are_not_sent_are_forgotten(maria):
    await maria.tell("maria", "tell the operator I moved")
    await maria.tell("maria", "no")
    await maria.tell("maria", "yes")
    assert await maria.count("task") == 0
    assert await maria.sql("SELECT * FROM question WHERE pubkey = ?", PEOPLE["maria"]) == []


@pytest.mark.parametrize(
    "text", ["I want to stop", "i want to stop saving", "quiero dejar de ahorrar"]
)
async def test_wish_to_stop_is_asked_back(maria, text):
    told = await maria.tell("maria", text)
    assert told.splitlines()[0] in ("Did you mean: pause", "¿Quiso decir: pausar?"), told


@pytest.mark.parametrize(
    ("text", "said"), [("tell the price", "price"), ("ask the balance", "balance")]
)
async def test_what_is_asked_of_the_bot_is_told(maria, text, said):
    told = await maria.tell("maria", text)
    assert "operator" not in told, (said, told)

"""What a client says of somebody else, addresses that are dictated, and words of another matter."""

import pytest

from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

CLIENT, OPERATOR = (vocabulary_of(role, LEXICONS) for role in ("client", "operator"))


@pytest.mark.parametrize(
    "text",
    [
        "la wallet ana@example.com es de mi hermana",
        "la wallet de mi hermana es ana@example.com",
        "ana@example.com es de mi esposo",
        "ana@example.com no es mía",
        "the wallet ana@example.com is my sister's",
        "my sister's wallet is ana@example.com",
        "ana@example.com belongs to my sister",
        "ana@example.com isn't mine",
    ],
)
def test_wallet_of_somebody_else_is_not_set(text):
    found = understand(text, CLIENT)
    assert (found.first.intent, found.first.arguments) == ("wallet", {})
    assert found.certainty is Certainty.ASK


@pytest.mark.parametrize(
    "text",
    ["mande a la wallet de mi hermana ana@example.com", "mi billetera nueva es ana@example.com"],
)
def test_wallet_that_is_asked_for_is_prepared(text):
    assert understand(text, CLIENT).first.arguments == {"destination": "ana@example.com"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tere arroba blink punto sv", "tere@blink.sv"),
        ("tere at blink dot sv", "tere@blink.sv"),
        ("Mi dirección es Tere arroba Blink punto sv, gracias", "tere@blink.sv"),
        ("wallet tere arroba blink punto sv", "tere@blink.sv"),
        ("tere punto lopez arroba blink punto sv", "tere.lopez@blink.sv"),
        ("tere guion bajo 77 arroba blink punto com punto sv", "tere_77@blink.com.sv"),
        ("tere arroba blink.sv", "tere@blink.sv"),
        ("tere@blink punto sv", "tere@blink.sv"),
    ],
)
def test_dictated_address_is_written_with_its_signs(text, address):
    found = understand(text, CLIENT)
    assert (found.first.intent, found.first.arguments) == ("wallet", {"destination": address})
    assert found.certainty is Certainty.SURE


@pytest.mark.parametrize("name", ["tere 21", "maria jose", "beto xyz"])
@pytest.mark.parametrize("before", ["", "wallet ", "mi billetera es "])
def test_address_that_lacks_a_word_is_somebody_elses(before, name):
    found = understand(f"{before}{name} arroba blink punto sv", CLIENT)
    assert "destination" not in found.first.arguments


def test_operator_dictates_a_clients_address():
    found = understand("client wallet ana tere arroba blink punto sv", OPERATOR, {"ana"})
    assert found.first.arguments == {"name": "ana", "destination": "tere@blink.sv"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "look at example.com",
            "arroba",
            "tere arroba blink",
            "punto",
            "nos vemos a las 5 en punto",
        ),
        *("tere arroba blink punto sv?", "no es tere arroba blink punto sv"),
    ],
)
def test_words_that_dictate_no_address_set_none(text):
    assert "destination" not in understand(text, CLIENT).first.arguments


def test_address_ends_where_it_is_whole():
    for text in ("mi wallet es tere@blink.sv punto gracias", "tere arroba blink.sv punto y ya"):
        found = understand(text, CLIENT)
        assert found.first.arguments in ({}, {"destination": "tere@blink.sv"})


@pytest.mark.parametrize(
    "text",
    [
        *("pause juan", "pausa juan", "pausar maria", "pause for pedro please", "resume juan"),
        *("stop buying for juan", "pause my sister", "pausar a mi hermana", "reanudar maria"),
        *("limit juan 100", "mode juan fixed", "notify maria"),
    ],
)
def test_client_sets_nothing_for_others(text):
    found = understand(text, CLIENT)
    assert (found.first.intent, found.certainty) == ("none", Certainty.NONE)


@pytest.mark.parametrize(
    "text",
    [
        *("pausar por favor, soy juan", "pausar. atte maria lopez", "pause for surgery"),
        *("pausen por favor mi esposa está enferma", "pausar hasta julio", "pause everythng"),
    ],
)
def test_own_setting_beside_other_words_is_asked_back(text):
    assert understand(text, CLIENT).asked[:1] == ("pause",)


def test_same_mode_as_a_sister_is_ones_own():
    assert understand("póngame en el fijo como mi hermana", CLIENT).asked[:1] == ("mode",)


@pytest.mark.parametrize("text", ["cuánto vale el dólar", "a cuanto esta el dolar", "euro hoy"])
@pytest.mark.parametrize("vocabulary", [CLIENT, OPERATOR], ids=["client", "operator"])
def test_price_of_another_money_is_not_told_as_bitcoins(text, vocabulary):
    assert understand(text, vocabulary).certainty is not Certainty.SURE


def test_price_of_bitcoin_in_another_money_is_bitcoins():
    for text in ("a cuanto está el bitcoin en dolares", "a cuanto esta el dolar y el bitcoin"):
        found = understand(text, CLIENT)
        assert (found.first.intent, found.certainty) == ("price", Certainty.SURE)
    dollars = vocabulary_of("client", LEXICONS, "USD")
    assert understand("precio en dolares", dollars).certainty is Certainty.SURE


@pytest.mark.parametrize(
    "text", ["peace out", "peace", "talk to you soon", "ahí nos vemos", "bye bye"]
)
@pytest.mark.parametrize("vocabulary", [CLIENT, OPERATOR], ids=["client", "operator"])
def test_goodbye_is_thanks(text, vocabulary):
    assert understand(text, vocabulary).first.intent == "thanks"

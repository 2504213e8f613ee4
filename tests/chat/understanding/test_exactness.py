"""Amounts that aren't said exactly: a rough one is asked back, an unclear one is asked for."""

import pytest

from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

CLIENT, OPERATOR = (vocabulary_of(role, LEXICONS) for role in ("client", "operator"))
NAMES = frozenset({"ana"})


def read(text):
    """Read a message as an operator's if the message names ana, else as a client's."""
    return understand(text, OPERATOR if "ana" in text.split() else CLIENT, NAMES)


@pytest.mark.parametrize(
    ("text", "intent", "amount"),
    [
        ("unos 500 a ana", "deposit", "500.00"),
        ("ana trajo unos 500", "deposit", "500.00"),
        ("ana trajo casi mil", "deposit", "1000.00"),
        ("ana trajo como mil quetzales", "deposit", "1000.00"),
        ("ana brought about 500", "deposit", "500.00"),
        ("ana brought around Q500 or so", "deposit", "500.00"),
        ("ana trajo mas de 500", "deposit", "500.00"),
        ("deposit ana like 500", "deposit", "500.00"),
        ("deposit ana 500 or so", "deposit", "500.00"),
        ("deposit ana 500 quetzales mas o menos", "deposit", "500.00"),
        ("withdraw ana 500 more or less", "withdraw", "500.00"),
        ("retirar unos 500", "withdraw", "500.00"),
        ("withdraw like 500 or so", "withdraw", "500.00"),
        ("give me like 100 back", "withdraw", "100.00"),
        ("limite como mil", "limit", "1000.00"),
        ("limit about 100", "limit", "100.00"),
        ("comprar unos 100 al dia", "limit", "100.00"),
    ],
)
def test_rough_amount_is_asked_back(text, intent, amount):
    found = read(text)
    assert (found.certainty, found.asked[:1]) == (Certainty.ASK, (intent,))
    assert (found.first.intent, found.first.arguments["amount"]) == (intent, amount)
    assert "note" not in found.first.arguments


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("ana trajo mil y pico", "deposit"),
        ("ana brought mil y pico", "deposit"),
        ("deposit ana 500 y pico", "deposit"),
        ("depósito ana Q500 y feria", "deposit"),
        ("deposit ana 500 and change", "deposit"),
        ("retirar mil y pico", "withdraw"),
        ("withdraw 500 and something", "withdraw"),
        ("ana trajo media mil", "deposit"),
        ("retirar medio mil", "withdraw"),
        ("limite media mil", "limit"),
        ("ana brought half of 500", "deposit"),
        ("ana trajo la mitad de 500", "deposit"),
        ("deposit ana la mitad de 500", "deposit"),
        ("retirar la mitad de 500", "withdraw"),
        ("withdraw double 500", "withdraw"),
        ("deposit ana 2x250", "deposit"),
        ("ana trajo 2x250", "deposit"),
        ("deposit ana 2 x 250", "deposit"),
        ("deposit ana 2*250", "deposit"),
        ("deposit ana 250 \u00d7 2", "deposit"),
        ("ana trajo dos de 100", "deposit"),
        ("deposit ana dos de Q100", "deposit"),
        ("ana trajo tres billetes de 100", "deposit"),
        ("ana brought three bills of 100", "deposit"),
        ("retirar dos de 100", "withdraw"),
        ("deposit ana 500 - 200", "deposit"),
        ("deposit ana 500 \u2013 200", "deposit"),
    ],
)
def test_unclear_amount_is_asked_for(text, intent):
    found = read(text)
    assert (found.first.intent, found.certainty) == ("refused", Certainty.SURE)
    assert found.first.arguments == {"why": "wrong.amount", "command": intent}


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("limit at most 100 a day", {"amount": "100.00"}),
        ("comprar hasta 100 al dia", {"amount": "100.00"}),
    ],
)
def test_upper_bound_is_a_limit_as_it_stands(text, arguments):
    assert understand(text, CLIENT).first.arguments == arguments


def test_exact_amount_beside_other_words_is_exact():
    given = {"name": "ana", "amount": "500.00"}
    for text in ("ana trajo 500 como la otra vez", "ana brought 500 like last time"):
        assert read(text).first.arguments.items() >= given.items()
    found = read("deposit ana 500 like last time")
    assert found.first.arguments == {**given, "note": "like last time"}
    assert found.certainty is Certainty.SURE


def test_amount_of_a_hold_is_not_multiplied_by_its_number():
    found = understand("hold accept 3 por 500", OPERATOR)
    assert found.first.arguments == {"id": "3", "fiat": "500.00"}


def test_rough_count_of_a_machine_is_asked_back():
    found = understand("conté unos 500 en antigua", OPERATOR)
    assert found.certainty is Certainty.ASK

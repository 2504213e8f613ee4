"""Numbers of deposits and holds: ranges, all, and amounts that are no numbers of deposits."""

import pytest

from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

OPERATOR = vocabulary_of("operator", LEXICONS)


def read(text):
    found = understand(text, OPERATOR).first
    return found.intent, found.arguments


@pytest.mark.parametrize("to", ["-", "\u2013", "\u2014", "a", "al", "to", "through", "hasta"])
@pytest.mark.parametrize(
    "command", ["deposit confirm", "deposit void", "hold accept", "hold ignore"]
)
def test_range_has_all_numbers_between(command, to):
    assert read(f"{command} 1 {to} 3") == (command, {"id": "1-3"})


@pytest.mark.parametrize(
    "text",
    [
        "confirme los depositos del 1 al 3",
        "confirm deposits from 1 to 3",
        "confirmar depósito 1 a 3",
    ],
)
def test_range_in_plain_words(text):
    assert read(text) == ("deposit confirm", {"id": "1-3"})


def test_range_and_a_number():
    assert read("deposit confirm 1 al 3 y 5") == ("deposit confirm", {"id": "1-3,5"})
    assert read("corregir deposito 4 a 1600") == ("deposit edit", {"id": 4, "amount": "1600.00"})


@pytest.mark.parametrize("text", ["y ya los metí … los 250", "ya metí los 250", "i put in the 250"])
def test_number_behind_an_article_of_many_is_an_amount(text):
    assert read(text) == ("deposit confirm", {})


def test_numbers_behind_an_article_of_many_are_deposits():
    assert read("confirme los 4 y 5") == ("deposit confirm", {"id": "4,5"})
    assert read("ya metí el 4") == ("deposit confirm", {"id": 4})


@pytest.mark.parametrize("text", ["confirm everything", "confirma todo", "confirm all deposits"])
def test_confirming_everything_is_about_deposits(text):
    found = understand(text, OPERATOR)
    assert (found.first.intent, found.first.arguments) == ("deposit confirm", {})
    assert "resume all" not in found.asked


@pytest.mark.parametrize(
    "text",
    [
        "take 500 away from ana",
        "take away 500 from ana",
        "remove 500 from ana",
        "deduct 500 from ana",
        "saca 500 de ana",
        "sáquele 500 a ana",
        "quitale 500 a ana",
        "réstele 500 a ana",
        "descuéntele 500 a ana",
        "ana menos 500",
    ],
)
@pytest.mark.parametrize("names", [frozenset(), frozenset({"ana"})], ids=["guessed", "known"])
def test_money_that_is_taken_away_is_no_deposit(text, names):
    found = understand(text, OPERATOR, names)
    assert (found.first.intent, found.first.arguments) == (
        "withdraw",
        {"name": "ana", "amount": "500.00"},
    )
    assert (found.certainty is Certainty.SURE) is bool(names)

"""Misspelt words find the word they mean, by sound or by a letter; other words find nothing."""

import pytest

from dca_bot.chat.understanding.reading import vocabulary_of
from dca_bot.chat.understanding.spelling import Spelling

SPELLING = Spelling(
    ("saldo", "balance", "historial", "quiero", "ahorr*", "estadistic*", "cuanto", "all"),
    [("qu", "k"), ("c", "k"), ("h", ""), ("z", "s"), ("v", "b")],
)
VOCABULARY = vocabulary_of("client", ("en", "es"))


def found(word):
    return SPELLING.exact(word) or SPELLING.by_sound(word) or SPELLING.nearest(word)


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("saldo", "saldo"),
        ("saaldooo", "saldo"),
        ("slado", "saldo"),
        ("salod", "saldo"),
        ("sald", "saldo"),
        ("saldos", "saldo"),
        ("blance", "balance"),
        ("blanace", "balance"),
        ("histroial", "historial"),
        ("istorial", "historial"),
        ("kiero", "quiero"),
        ("kuanto", "cuanto"),
        ("ahorrado", "ahorr*"),
        ("aorrado", "ahorr*"),
        ("estadsticas", "estadistic*"),
    ],
)
def test_a_misspelt_word_finds_its_word(typed, word):
    assert found(typed) == {word}


@pytest.mark.parametrize(
    "typed", ["sal", "al", "ana", "maria", "pausa", "x", "", "s" * 400, "qqqq"]
)
def test_another_word_finds_nothing(typed):
    assert SPELLING.exact(typed) == frozenset()
    assert SPELLING.nearest(typed) == frozenset()


@pytest.mark.parametrize(
    "word", ["pasar", "tarea", "bonito", "casa", "100", "7k2q", "ana@example.com"]
)
def test_a_right_word_is_not_corrected(word):
    assert not VOCABULARY.match(word).is_typo


def test_a_stem_is_no_word_for_what_begins_otherwise():
    assert "ahorr*" in VOCABULARY.match("ahorrando").words
    assert "ahorr*" not in VOCABULARY.match("ahora").words

"""The example sentences: what they say of sentences that aren't among them, and what they never do."""

import pytest
import understanding_figures as figures

from dca_bot.chat.understanding.examples import Examples, examples_of, words_of_line
from dca_bot.chat.understanding.grammar import command_names, row_of
from dca_bot.chat.understanding.intents import NONE, THANKS, changes
from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.messages.lexicon import LEXICONS, example_sentences, load_lexicon

ROLES = ("client", "operator")
LEFT_OUT = {"written_14": 870, "written_15": 820, "written_16": 730}
"""Of 1,000 sentences that the lexicons never learned from: how many are read right without their examples."""
FIRST_MIN = {
    "written_9": 780,
    "written_13": 800,
    "written_14": 700,
    "written_15": 680,
    "written_16": 620,
}
"""Of 1,000 sentences of one command: how often the other examples alone name the command first."""


def sentences(role):
    return [
        (command, tuple(words_of_line(text)))
        for language in LEXICONS
        for command, text in example_sentences(language, role)
    ]


def without(name, role):
    """Return the examples of a role that aren't in a file of sentences."""
    left_out = {tuple(words_of_line(short(one.text))) for one in figures.sentences(name)}
    return Examples(one for one in sentences(role) if one[1] not in left_out)


def short(text):
    return " ".join("@" if len(word) >= 24 else word for word in text.split())


def vocabulary(role, examples, languages=LEXICONS):
    return Vocabulary(role, [load_lexicon(one) for one in languages], "GTQ", examples)


@pytest.mark.slow(5)
@pytest.mark.parametrize("name", LEFT_OUT)
def test_sentences_of_another_writer_are_understood(name):
    read = {role: vocabulary(role, without(name, role)) for role in ROLES}
    rulings = figures.counted(name, read_by=lambda one: read[one.role])
    whole = sum(rulings.values())
    assert 1000 * (rulings["right"] + rulings["asked"]) >= LEFT_OUT[name] * whole, rulings
    assert 1000 * rulings["wrong"] <= 30 * whole, rulings


@pytest.mark.parametrize("name", FIRST_MIN)
def test_examples_alone_know_the_sentences_of_another_writer(name):
    judges = {role: without(name, role) for role in ROLES}
    asked = [one for one in figures.sentences(name) if len(one.meant) == 1]
    asked = [one for one in asked if one.meant != ("refused",)]
    right = 0
    for one in asked:
        scores = judges[one.role].scores(words_of_line(short(one.text)))
        right += max(scores, key=lambda name: (scores[name], name)) == one.meant[0]
    assert 1000 * right >= FIRST_MIN[name] * len(asked), f"{right} of {len(asked)}"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("language", LEXICONS)
def test_examples_stand_under_commands_of_their_role(language, role):
    commands = {command for command, _ in example_sentences(language, role)}
    assert {one for one in commands if one not in (NONE, THANKS) and not row_of(role, one)} == set()
    assert len(commands) > 20


@pytest.mark.parametrize("role", ROLES)
def test_no_sentence_is_an_example_of_two_commands(role):
    meant = {}
    for command, words in sentences(role):
        meant.setdefault(words, set()).add(command)
    assert {words: names for words, names in meant.items() if len(names) > 1} == {}


def test_language_without_examples_is_read_by_its_lexicon_alone():
    assert list(example_sentences("pl", "client")) == []
    none = Examples([])
    assert none.scores(["saldo"]) == {}
    read = understand("cuánto tengo ahorrado", vocabulary("client", none))
    assert (read.first.intent, read.certainty) == ("balance", Certainty.SURE)


def test_scores_are_whole_numbers_and_the_same_each_time():
    words = words_of_line("a ver cuánto he juntado para la moto")
    scores = examples_of("client", LEXICONS).scores(words)
    assert {type(one) for one in scores.values()} == {int}
    again = Examples(sentences("client"))
    assert again.scores(words) == scores


@pytest.mark.parametrize("text", ["xqzw vrtk", "KNOCK-7K2QXM", "pluvia cadit hispanie"])
def test_words_that_no_example_has_mean_nothing(text):
    assert understand(text, vocabulary_of("client", LEXICONS)).certainty is Certainty.NONE


@pytest.mark.slow(10)
def test_examples_alone_make_no_change_sure():
    """Sentences that are examples of a change, word for word, without the phrases of a lexicon."""
    for role in ROLES:
        bare = Vocabulary(role, [], "GTQ", examples_of(role, LEXICONS))
        names = {name.split()[0] for name in command_names(role)}
        for command, words in sentences(role):
            if changes(role, command) and words[0] not in names:
                read = understand(" ".join(words), bare)
                is_sure = read.certainty is Certainty.SURE
                assert not (is_sure and changes(role, read.first.intent)), (words, read)

"""Each lexicon means commands that exist, by groups that exist; a word never calls two commands."""

import re
from itertools import chain

import pytest

from dca_bot.chat.understanding.grammar import grammar, row_of
from dca_bot.chat.understanding.intents import NONE, REFUSED, THANKS
from dca_bot.chat.understanding.reading import vocabulary_of
from dca_bot.chat.understanding.vocabulary import PLACES, STRENGTHS
from dca_bot.messages.lexicon import LEXICONS, load_lexicon
from dca_bot.messages.render import LANGUAGES

ROLES = ("client", "operator")
SPECIAL = {THANKS, NONE, REFUSED}
PARTS = {
    *("no", "code"),
    *("groups", "spelling", "small", "polite", "mood", "joining", "yes", "numbers", "values"),
    *("people", "cash", "dictated", "placeholders", "commands", "both", *ROLES),
}


@pytest.fixture(params=LEXICONS)
def lexicon(request):
    return load_lexicon(request.param)


def test_every_language_has_words():
    assert set(LEXICONS) <= set(LANGUAGES)
    assert {"en", "es"} <= set(LEXICONS)


def test_a_lexicon_has_only_known_parts(lexicon):
    assert set(lexicon.sections) <= PARTS


def test_phrases_mean_commands_of_their_role(lexicon):
    for role in ROLES:
        meant = {intent for part in ("both", role) for intent, _, _ in lexicon.cues(part)}
        assert {one for one in meant if one not in SPECIAL and not row_of(role, one)} == set()
        called = {*lexicon.section("commands", role), *lexicon.section("commands", "both")}
        assert {one for one in called if not row_of(role, one)} == set()


def test_strengths_and_groups_are_defined(lexicon):
    groups = lexicon.section("groups")
    for role in ("both", *ROLES):
        for intent, strength, phrase in lexicon.cues(role):
            assert strength in STRENGTHS, (intent, strength)
            used = re.findall(r"<([^<>]*)>", phrase)
            assert [name for name in used if name not in groups] == [], (intent, phrase)
            capitals = {word for word in re.split(r"[ /]", phrase) if word.isupper()}
            assert capitals <= PLACES, (intent, phrase)


def test_one_word_calls_one_command():
    for role in ROLES:
        called = {}
        for language in LEXICONS:
            one = load_lexicon(language)
            own, both = one.section("commands", role), one.section("commands", "both")
            for command, words in chain(own.items(), both.items()):
                for word in words:
                    assert called.setdefault(word, command) == command, (role, word)
        names = {command.name for command in grammar(role).table}
        assert {word: name for word, name in called.items() if word in names and word != name} == {}


def test_each_command_is_meant_by_words_of_each_language():
    for language in LEXICONS:
        one = load_lexicon(language)
        for role in ROLES:
            parts = {intent for part in ("both", role) for intent, _, _ in one.cues(part)}
            names = {command.name for command in grammar(role).table}
            assert names - parts - {"fixed run", "settle", "cap", "status"} == set(), (
                language,
                role,
            )


def test_numbers_are_whole(lexicon):
    for key in ("words", "multipliers"):
        for pair in lexicon.section("numbers")[key]:
            assert re.fullmatch(r"[a-z]+=[0-9]+", pair)


@pytest.mark.parametrize("role", ROLES)
def test_an_index_of_a_role_holds_no_phrase_twice(role):
    cues = vocabulary_of(role, LEXICONS).cues
    assert len({(one.intent, one.places) for one in cues}) == len(cues)

"""How well messages are understood: floors under the figures, and what is never read from a message."""

from functools import cache

import pytest
import understanding_figures as figures

from dca_bot.chat.understanding.intents import changes, intent_of
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

GOOD_MIN = {
    "listed": 990,
    "written_1": 985,
    "written_2": 975,
    "written_3": 950,
    "written_4": 980,
    "written_5": 980,
    "written_6": 960,
    "written_7": 970,
    "written_8": 980,
    "written_9": 970,
    "written_10": 980,
    "written_11": 980,
    "written_12": 980,
    "written_13": 980,
    "written_14": 930,
    "written_15": 930,
    "written_16": 890,
}
"""Of 1,000 messages: how many are read right, or asked back with the right command first."""
WRONG_MAX = 10
"""Of 1,000 messages: how many are read wrongly without asking."""
FORBIDDING = (
    "no {}",
    "don't {}",
    "nunca {}",
    "{} no",
    "{}?",
    "¿{}?",
    "puedo {}",
    "can i {}",
    "how do i {}",
    "cómo {}",
    "what happens if i {}",
    '"{}"',
    "me dijo {}",
    'he said "{}"',
    "if it drops {}",
    "si baja {}",
    "{} if it drops",
    "{} si baja",
    "mañana {}",
    "{} tomorrow",
    "tal vez {}",
)
OWN_NEGATION = ("no ", "avisos", "notify", "notificaciones")
"""Beginnings of messages that say no to something already: another no means the same, or the contrary."""


def changing(understood, role):
    """Return the commands that would change something; without arguments some just tell how."""
    return [
        one
        for one in understood.intents
        if changes(role, one.intent)
        and (one.arguments or not intent_of(role, one.intent).bare_tells)
    ]


@cache
def commands_that_change():
    """Return the listed messages that change something: what every form puts otherwise."""
    return [
        one
        for one in figures.sentences("listed")
        if not {*one.meant} & {"contact", "message", "reply", "broadcast"}
        if "\n" not in one.text
        if changing(understand(one.text, vocabulary_of(one.role, LEXICONS)), one.role)
    ]


@pytest.mark.parametrize("own_language", [False, True], ids=["all_languages", "own_language"])
@pytest.mark.parametrize("name", figures.FILES)
def test_most_messages_are_understood_and_hardly_any_is_misunderstood(name, own_language):
    rulings = figures.counted(name, own_language=own_language)
    whole = sum(rulings.values())
    assert 1000 * (rulings["right"] + rulings["asked"]) >= GOOD_MIN[name] * whole, rulings
    assert 1000 * rulings["wrong"] <= WRONG_MAX * whole, rulings


@pytest.mark.parametrize("languages", [LEXICONS, *((one,) for one in LEXICONS)], ids="-".join)
def test_nothing_is_changed_by_a_negation_a_question_a_quotation_or_a_conditional(languages):
    found = [
        (kind, text, understood)
        for role, language, kind, text in figures.rows("never")
        if language in languages
        for understood in [understand(text.replace("\\n", "\n"), vocabulary_of(role, languages))]
        if changing(understood, role)
        or any(
            changes(role, one) and not intent_of(role, one).bare_tells for one in understood.asked
        )
    ]
    assert found == []


def test_there_are_enough_messages_that_must_never_change_anything():
    kinds = {kind for _, _, kind, _ in figures.rows("never")}
    assert kinds == {"negation", "question", "quotation", "conditional"}
    assert len(figures.rows("never")) >= 200


@pytest.mark.slow(1)
@pytest.mark.parametrize("form", FORBIDDING)
def test_a_command_that_is_asked_denied_quoted_or_put_under_a_condition_changes_nothing(form):
    broken = []
    for one in commands_that_change():
        if '"' in one.text or ("no" in form and one.text.lower().startswith(OWN_NEGATION)):
            continue
        text = form.format(one.text)
        found = changing(understand(text, vocabulary_of(one.role, LEXICONS)), one.role)
        broken += [(text, found)] if found else []
    assert broken == []

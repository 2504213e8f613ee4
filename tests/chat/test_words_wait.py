"""From plain words nothing that changes something runs at once: the phrases of each command of each role.

The emergency brake as written acts at once.
"""

from datetime import timedelta

import pytest
from talk import NPUBS, code_in

from dca_bot.chat.command_sets import command_set_of
from dca_bot.chat.understanding.intents import changes
from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.ledger.store import bot_state, clock
from dca_bot.messages.lexicon import LEXICONS, example_sentences, load_lexicon

SETS = {"op": command_set_of(None), "maria": command_set_of(object())}
PLACES = {
    "NAME": "maria",
    "AMOUNT": "50",
    "ID": "1",
    "PERCENT": "10%",
    "DESTINATION": "maria@example.com",
    "NPUB": NPUBS["juan"],
}
BEFORE = {
    "client resume": ("op", "client pause maria"),
    "resume all": ("op", "pause all"),
    "resume": ("maria", "pause"),
}
HARMLESS = {"language"}
"""Runs at once from plain words, and shows itself in the answer."""
OWN = {"inbox", "outbox", "confirmation", "question", "person", "person_relay"}
"""Tables of the conversation itself."""
BRAKES = ["pausa a todos", "paren todo por favor", "stop everything now", "STOP", "pausen todo ya"]
AT_ONCE = ["pause all", "/pause all", "PAUSE ALL", "pausar todo", "/Pausar todo", "pause all!"]


def spoken(role, name):
    """Return the phrases and example sentences of a command in all languages."""
    found = {}
    for language in LEXICONS:
        lexicon = load_lexicon(language)
        groups = lexicon.section("groups")
        for part in ("both", role):
            for intent, _, phrase in lexicon.cues(part):
                if intent == name:
                    words = [word_of(one, groups) for one in phrase.split()]
                    found[" ".join(words)] = True
        found |= {text: True for one, text in example_sentences(language, role) if one == name}
    return list(found)


def word_of(place, groups):
    first = place.split("/")[0] or place
    word = groups[first.strip("<>")][0] if first.startswith("<") else first
    return PLACES.get(word, word.rstrip("*"))


def is_run(text, role):
    """Return whether a message is read as a command that changes something, not written as one."""
    read = understand(text, vocabulary_of(role, LEXICONS), frozenset({"maria"}))
    is_change = any(changes(role, one.intent) for one in read.intents)
    is_harmless = {one.intent for one in read.intents} <= HARMLESS
    return read.certainty is Certainty.SURE and is_change and not (read.is_exact or is_harmless)


async def held(talk):
    """Return the ledger without the conversation's own tables, and what others than the sender are told."""
    names = [
        row["name"] for row in await talk.sql("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    kept = sorted(name for name in names if name not in OWN)
    rows = {name: [tuple(row) for row in await talk.sql(f"SELECT * FROM {name}")] for name in kept}
    notices = await talk.sql("SELECT count(*) AS n FROM outbox WHERE protocol IS NULL")
    return rows | {"notices": notices[0]["n"]}


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    ("who", "name"), [(who, one.name) for who in SETS for one in SETS[who].table]
)
async def test_no_phrase_of_a_command_changes_something_at_once(scene, who, name):
    role = SETS[who].role
    if name in BEFORE:
        await scene.tell(*BEFORE[name])
    phrases = spoken(role, name)
    more = ("", " maria") if who == "op" else ("", " ya por favor")
    said = [text for one in phrases for text in (one + end for end in more) if is_run(text, role)]
    before = await held(scene)
    scene.rung.clear()
    for text in said:
        await scene.tell_all(who, text)
    after = await held(scene)
    assert [name for name in before if after[name] != before[name]] == [], said
    assert "payouts" not in scene.rung


@pytest.mark.parametrize("text", BRAKES)
async def test_brake_in_plain_words_waits_for_its_code(talk, text):
    asked = await talk.tell("op", text)
    assert asked.startswith("Stop sharing out and paying until resume all.\n\nReply: confirm ")
    assert not await talk.database.read(bot_state.paused)
    await talk.tell("op", "yes")
    assert not await talk.database.read(bot_state.paused)
    told = await talk.tell("op", f"confirm {code_in(asked)}")
    assert told == "Paused: nothing is shared out or paid until resume all."
    assert await talk.database.read(bot_state.paused)
    assert "not valid" in await talk.tell("op", f"confirm {code_in(asked)}")
    assert (await talk.letters_to("op2"))[-1].endswith(told), "the others are told once"


@pytest.mark.parametrize("text", AT_ONCE)
async def test_brake_as_written_acts_at_once(talk, text):
    assert (await talk.tell("op", text)).startswith("Paused: ")
    assert await talk.database.read(bot_state.paused)
    assert await talk.count("confirmation") == 0


async def test_brake_among_lines_acts_at_once_where_it_is_written_so(talk):
    paused, _ = await talk.tell_all("op", "pausar todo\nestado")
    assert paused.startswith("Paused: ")
    asked, _ = await talk.tell_all("op", "seguir con todo\nestado")
    assert "Reply: confirm" in asked
    assert await talk.database.read(bot_state.paused)


async def test_yes_to_a_question_about_the_brake_gets_its_code(talk):
    assert (await talk.tell("op", "stpo all")).startswith("Did you mean: pause all")
    asked = await talk.tell("op", "yes")
    assert not await talk.database.read(bot_state.paused)
    await talk.tell("op", code_in(asked))
    assert await talk.database.read(bot_state.paused)


async def test_going_on_in_plain_words_waits_for_its_code_and_ends_no_later_pause(talk):
    await talk.tell("op", "pause all")
    asked = await talk.tell("op", "seguir con todo")
    assert "It has been paused since" in asked
    assert await talk.database.read(bot_state.paused)
    await talk.tell("op2", "resume all")
    talk.clock.at += timedelta(minutes=2)
    await talk.tell("op2", "pause all")
    assert "not valid" in await talk.tell("op", code_in(asked))
    assert await talk.database.read(bot_state.paused)
    talk.rung.clear()
    await talk.do("op", "seguir con todo")
    assert not await talk.database.read(bot_state.paused)
    assert {*talk.rung} == {"poll", "payouts"}


async def test_going_on_with_a_doubted_clock_says_so_before_the_code(talk):
    later = talk.clock.now() + timedelta(days=2)
    await talk.database.transact(lambda tx: clock.note(tx, later))
    await talk.database.transact(lambda tx: clock.note(tx, talk.clock.now()))
    asked = await talk.tell("op", "seguir con todo")
    assert "The clock then counts as right." in asked
    assert "Going on" in await talk.tell("op", code_in(asked))
    assert not await talk.database.read(clock.is_doubted)


async def test_nothing_to_stop_or_to_resume_gets_no_code(talk):
    assert await talk.tell("op", "seguir con todo") == "Nothing is paused."
    await talk.tell("op", "pause all")
    assert "paused already" in await talk.tell("op", "paren todo")
    assert await talk.count("confirmation") == 0

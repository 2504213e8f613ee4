"""What is said in Spanish has no English in it, in the catalogue as in answers put together from it."""

import re

import pytest
from talk import FULL, code_in
from test_commission_commands import SCENES as COMMISSION_SCENES
from test_scenes import SCENES
from test_texts import ENGLISH, TEXTS

SPANISH = TEXTS.catalogues["es"]
WORD = re.compile(r"[^\W\d_]+")
NO_PROSE = re.compile(
    r"\{\w+\}|\w+(?:[._]\w+)+|journalctl -u \S+|dca-bot (?:audit|check)|fixed:\S+"
)
"""Fields, settings and addresses, and the command lines."""
TYPED = "amount command destination fiat knock low machine name percent sats sat msat text"
NAMES = (
    "actions amethyst bolt btc com config coracle csv day dispense dns enabled example http id lamassu"
    " lightning journalctl kind lnbits lnurl max maxsendable minsendable nip nostr nprofile npub nsec tls"
    " toml xchat cointracker ctc koinly hash dca rehearse restore"
)
"""Programs, formats, columns and settings."""
SHARED = (
    "a active app bitcoin bot bots d e emojis error es español final internet me no plan real relay relays"
    " f s sale t u use web y z admin invoice key cash ins out outs compare english in en es language idioma"
)
"""Words of both languages, those that Spanish has for these things, and what tells of English in it."""
ALLOWED = frozenset().union(*(words.split() for words in (TYPED, NAMES, SHARED)))
ONLY_ENGLISH = (
    "about after again already also and are as at because been before but by can cannot could every"
    " for from had has have here how if into is it its more must nobody not nothing now of on once only"
    " or other please send should since some so still than that the their them then there they this to"
    " took until was were what when where which who why will with write yet you your"
)


def words(text):
    """Return the words of a text's prose."""
    return {word.lower() for word in WORD.findall(NO_PROSE.sub(" ", text))}


def is_prose(key):
    return not key.endswith(".example") and not key.startswith(("alias.", "locale."))


def test_spanish_catalogue_has_no_word_of_the_english_one_but_names_and_commands():
    english = set().union(*(words(text) for key, text in ENGLISH.items() if is_prose(key)))
    found = {
        key: words(text) & (english - ALLOWED) for key, text in SPANISH.items() if is_prose(key)
    }
    assert {key: left for key, left in found.items() if left} == {}


@pytest.mark.parametrize(
    "scene", [*SCENES.values(), *COMMISSION_SCENES.values()], ids=[*SCENES, *COMMISSION_SCENES]
)
async def test_nothing_that_is_said_in_a_spanish_scene_has_english_in_it(spanish, scene):
    reply, typed = "", words(FULL)  # what a server says is told as the server says it
    for who, written, _ in scene:
        text = f"confirm {code_in(reply)}" if written == "confirm" else written
        typed |= words(text)
        reply = await spanish.tell(who, text)
    said = [row["text"] for row in await spanish.sql("SELECT text FROM outbox")]
    assert said
    only_english = {*ONLY_ENGLISH.split()}
    english = {text: words(text) & only_english - typed for text in said}
    assert {text: left for text, left in english.items() if left} == {}

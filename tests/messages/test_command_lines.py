"""Each command line that people are shown, in any text of any language, is understood as that command."""

import re
import tomllib
from collections import Counter
from importlib import resources

import pytest
from scaffold import programme

from dca_bot.chat.understanding.grammar import grammar
from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS
from dca_bot.messages.render import load_texts
from dca_bot.messages.say import Say, Typed
from dca_bot.messages.typed import command_words, marked_lines

ROLES = ("client", "operator")
COMMANDS = {role: {one.name: one for one in grammar(role).table} for role in ROLES}
SAMPLES = {
    "NAME": "ana",
    "NEW_NAME": "eva",
    "NPUB": "npub1" + "q" * 58,
    "AMOUNT": "50",
    "NOTE": "sobre",
    "ID": "3",
    "IDS": "3",
    "MACHINE": "Zona10",
    "FIAT": "200",
    "SATS": "24000",
    "PERCENT": "12.5",
    "DESTINATION": "ana@example.com",
    "TEXT": "xyz",
    "PAGE": "2",
    "MONTH": "2026-03",
    "RANGE": "30d",
    "CODE": "7K2Q",
    "COMMAND": "cancel",
    "FILTER": "all",
    "KNOCK-…": "KNOCK-7K2QXM",
    "npub1…": "npub1" + "q" * 58,
    "name@example.com": "ana@example.com",
    "{address}": "ana@example.com",
    "{amount}": "50",
    "{cash_out}": "3f9a01bc",
    "{code}": "7K2Q",
    "{id}": "3",
    "{machine}": "Zona10",
    "{name}": "ana",
    "{newest}": "3f9a01bc",
    "{next}": "2",
    "{note}": "sobre",
    "{part}": "200",
    "{payout_id}": "9c41d2aa",
    "{payout}": "9c41d2aa",
    "{range}": "30d",
    "{typed}": "50",
}
NAMES = {"ana", "maria", "rosa"}


def flat(table, prefix=""):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def catalogue(language):
    """Return the texts of a language as they stand, with the marks of command lines."""
    path = resources.files("dca_bot.messages") / "texts" / f"{language}.toml"
    return dict(flat(tomllib.loads(path.read_text(encoding="utf-8"))))


CATALOGUES = {language: catalogue(language) for language in LEXICONS}


def filled(line, key=""):
    """Yield a command line with samples in place of its placeholders and fields, once for each choice."""
    if key == "language.line":
        line = line.replace("{code}", "es")
    words = [SAMPLES.get(word, word) for word in re.sub(r"[\[\]\"]", "", line).split()]
    choices = next((word for word in words if "|" in word), "")
    for choice in choices.split("|"):
        yield " ".join(choice if word == choices else word for word in words)


@pytest.mark.parametrize("language", [one for one in LEXICONS if one != "en"])
def test_no_text_of_another_language_has_an_example_in_english(language):
    shown = command_words(language).placeholders
    english = {*shown} - {*shown.values()}
    wrong = {
        key: sorted(found)
        for key, text in CATALOGUES[language].items()
        if (found := english & {*re.split(r"[^\w@.]+", re.sub("<[^<>]*>", "", text))})
    }
    assert wrong == {}


def command_of(role, line):
    """Return the command of a role that an English line begins with; empty without such a command."""
    words = line.split()
    found = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    return next((name for name in found if name in COMMANDS[role]), "")


def read(role, language, line):
    """Return the command and the arguments that a line surely means."""
    meant = understand(line, vocabulary_of(role, (language,)), NAMES)
    is_sure = meant.certainty is Certainty.SURE and len(meant.intents) == 1
    return (meant.first.intent, meant.first.arguments) if is_sure else None


def readings(language, line):
    """Yield (role, meaning of the English line, shown line, its meaning) for each role with the command."""
    for role in ROLES:
        name = command_of(role, line)
        meant = read(role, "en", line) if name else None
        if meant is not None and meant[0] == name:
            shown = command_words(language).line(line)
            yield role, meant, shown, read(role, language, shown)


@pytest.mark.parametrize("language", LEXICONS)
def test_every_command_line_in_a_text_is_understood_as_that_command(language):
    found, wrong = 0, []
    for key, text in CATALOGUES[language].items():
        for marked in marked_lines(text):
            for line in filled(marked, key):
                if not any(command_of(role, line) for role in ROLES):
                    continue  # a value or a placeholder by itself
                results = list(readings(language, line))
                found += 1
                wrong += [] if results else [(key, line, "nobody understands this in English")]
                wrong += [(key, *one) for one in results if one[1] != one[3]]
    assert wrong == []
    assert found > 200


@pytest.mark.parametrize("language", LEXICONS)
@pytest.mark.parametrize("role", ROLES)
def test_every_usage_is_understood_as_its_command(role, language):
    wrong = []
    for command in COMMANDS[role].values():
        for usage in {command.usage, command.shortest}:
            for line in filled(usage):
                shown = command_words(language).line(line)
                meant, expected = read(role, language, shown), read(role, "en", line)
                if expected is None or meant != expected:
                    wrong.append((line, expected, shown, meant))
    assert wrong == []


@pytest.mark.parametrize("language", LEXICONS)
@pytest.mark.parametrize("role", ROLES)
def test_every_command_is_understood_by_its_shown_name_alone(role, language):
    shown = {name: command_words(language).line(name) for name in COMMANDS[role]}
    wrong = {}
    for name, line in shown.items():
        meant = understand(line, vocabulary_of(role, (language,)), NAMES)
        if meant.first.intent != name:
            wrong[name] = (line, meant)
    assert wrong == {}
    assert len(set(shown.values())) == len(shown)


@pytest.mark.parametrize("language", LEXICONS)
def test_texts_of_all_languages_show_the_same_command_lines(language):
    wrong = []
    for key, text in CATALOGUES[language].items():
        other = f"{key.rpartition('.')[0]}.other"
        english = CATALOGUES["en"].get(key, CATALOGUES["en"].get(other, ""))
        if key == "locale.offer":  # Each language offers itself.
            assert marked_lines(text) == [f"language {language}"]
        elif not key.endswith(".example") and Counter(marked_lines(text)) != Counter(
            marked_lines(english)
        ):
            wrong.append((key, marked_lines(text), marked_lines(english)))
    assert wrong == []


@pytest.mark.parametrize("language", LEXICONS)
@pytest.mark.parametrize("role", ROLES)
def test_every_example_shows_its_own_command(role, language):
    for command in COMMANDS[role].values():
        example = CATALOGUES[language].get(f"{command.key}.example")
        if example is not None:
            lines = marked_lines(example)
            assert lines, command.name
            assert {command_of(role, line) for line in lines} == {command.name}


@pytest.mark.parametrize("language", [one for one in LEXICONS if one != "en"])
def test_commands_and_placeholders_have_words_in_every_language(language):
    words = command_words(language)
    everyone = {name for role in ROLES for name in COMMANDS[role]}
    assert everyone - set(words.names) == set()
    placeholders = {
        word
        for role in ROLES
        for command in COMMANDS[role].values()
        for param in command.params
        for word in re.findall(r"[A-Z_]+", param.name)
    }
    assert placeholders - set(words.placeholders) == set()
    choices = {
        word
        for role in ROLES
        for command in COMMANDS[role].values()
        for param in command.params
        for word in param.choices
    }
    assert choices - set(words.values) - set(words.languages) == set()


@pytest.mark.parametrize("language", [one for one in LEXICONS if one != "en"])
def test_a_command_of_both_roles_has_one_name(language):
    shown = {}
    for role in ROLES:
        for name in COMMANDS[role]:
            shown.setdefault(name, set()).add(command_words(language).line(name))
    assert [name for name, lines in shown.items() if len(lines) > 1] == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pause", "pausar"),
        ("wallet DESTINATION", "billetera DIRECCIÓN"),
        ("mode fixed 50", "modo fijo 50"),
        ("mode flow|fixed [AMOUNT]", "modo ventas|fijo [CANTIDAD]"),
        ("notify weekly", "avisos semanal"),
        ("help all", "ayuda todo"),
        ("help wallet", "ayuda billetera"),
        ("limit AMOUNT", "límite CANTIDAD"),
        ("deposit NAME AMOUNT [NOTE]", "depósito NOMBRE CANTIDAD [NOTA]"),
        ("client add NAME NPUB [AMOUNT]", "cliente agregar NOMBRE NPUB [CANTIDAD]"),
        ("language en", "idioma inglés"),
        ("deposit confirm {id} MACHINE", "depósito confirmar {id} MÁQUINA"),
        ("tx fixed:2026-11-24T09:00", "venta fixed:2026-11-24T09:00"),
        ("AMOUNT", "CANTIDAD"),
        ("unheard of", "unheard of"),
    ],
)
def test_command_line_in_spanish(line, shown):
    assert command_words("es").line(line) == shown


def test_command_lines_are_shown_in_the_readers_language():
    texts = load_texts(programme(()))
    typed = Say("unknown.nearest", usage=Typed("limit AMOUNT", "pause"))
    assert texts.render(typed, "en").endswith("limit AMOUNT, pause")
    assert texts.render(typed, "es").endswith("límite CANTIDAD, pausar")
    assert "resume" in texts.render(Say("pause.done"), "en")
    assert "reanudar" in texts.render(Say("pause.done"), "es")
    assert not any("<" in text for one in texts.catalogues.values() for text in one.values())

"""Every text that the program names is in every catalogue, with the fields that it is given."""

import ast
import string
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from talk import START, make_programme

from dca_bot.chat.client_commands import CLIENT_COMMANDS
from dca_bot.chat.command import COMMAND_WORDS
from dca_bot.chat.operator_commands import OPERATOR_COMMANDS
from dca_bot.chat.render import TEXT_BYTES_MAX, Texts, load_texts
from dca_bot.chat.say import Fiat, Moment, Rate, Sat, Say, Word
from dca_bot.core.cash_out import Reason
from dca_bot.core.payout import PayoutState
from dca_bot.core.rate import RateProblem
from dca_bot.ledger import fixed_runs, holds

PACKAGE = Path(__file__).parents[2] / "dca_bot"
TEXTS = load_texts(make_programme())
ENGLISH = TEXTS.catalogues["en"]
COMMANDS = (*CLIENT_COMMANDS, *OPERATOR_COMMANDS)
SAYINGS = {"Say", "refuse"}


def templates(key, catalogue=ENGLISH):
    return [catalogue[k] for k in (key, f"{key}.one", f"{key}.other") if k in catalogue]


def fields_of(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def keys_of(node):
    """Return the literal keys that an expression can have; None if it is not a literal."""
    match node:
        case ast.Constant(value=str(key)):
            return [key]
        case ast.IfExp(body=body, orelse=other):
            return keys_of(body) + keys_of(other)
        case _:
            return None


def sayings():
    """Yield (place, keys, field names) of each Say made with literal keys."""
    for path in sorted([*PACKAGE.glob("chat/*.py"), *PACKAGE.glob("jobs/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYINGS:
                keys = keys_of(node.args[0]) if node.args else None
                names = [keyword.arg for keyword in node.keywords]
                if keys is not None:
                    yield f"{path.name}:{node.lineno}", keys, names


def named_keys():
    """Return the keys named anywhere in the package, as constants."""
    return {
        node.value
        for path in [*PACKAGE.glob("chat/*.py"), *PACKAGE.glob("jobs/*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize(("place", "keys", "names"), list(sayings()))
def test_each_saying_has_its_text_and_the_fields_it_needs(place, keys, names):
    for key in keys:
        found = templates(key)
        assert found, f"{place} names {key}, which is missing"
        if None in names:  # fields given as a mapping
            continue
        for template in found:
            assert fields_of(template) <= set(names), f"{place}: {key} lacks a field"
        if key not in ENGLISH:
            assert "n" in names, f"{place}: {key} is chosen by n"


def test_each_text_is_used():
    used = named_keys()
    commands = {f"{c.key}.{part}" for c in COMMANDS for part in ("summary", "example")}
    for key in ENGLISH:
        base = key.removesuffix(".one").removesuffix(".other")
        assert key in commands or base in used or key.startswith("word."), key


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_summary_and_an_example_of_its_own(command):
    assert ENGLISH[f"{command.key}.summary"]
    assert ENGLISH[f"{command.key}.example"].startswith(command.name)


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_language_has_the_same_keys_and_fields(language):
    catalogue = TEXTS.catalogues[language]
    assert set(catalogue) == set(ENGLISH)
    for key, template in catalogue.items():
        assert fields_of(template) == fields_of(ENGLISH[key]), key


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("payout", PayoutState),
        ("own_payout", PayoutState),
        ("reason", [reason for reason in Reason if reason]),
        ("reason", [holds.CEILING_PAYOUT, holds.CEILING_DAY, holds.KNOWN_PAYOUT]),
        ("reason", [holds.KNOWN_DISTRIBUTION, holds.ALERTED]),
        ("deposit", ["pending", "confirmed", "voided"]),
        ("client", ["active", "paused", "stopped", "closed"]),
        ("mode", ["flow", "fixed"]),
        ("reason", RateProblem),
        ("reason", [fixed_runs.PAUSED, fixed_runs.MISSED, fixed_runs.UNKNOWN_PAID]),
        ("fixed_run", ["waiting", "lapsed", "held"]),
        ("rate_source", ["lnbits", "lamassu"]),
        ("cash_out", ["waiting", "held", "distributed", "ignored"]),
    ],
)
def test_each_term_has_a_word(group, values):
    for value in values:
        assert f"word.{group}.{value}" in ENGLISH


def test_no_command_word_can_be_a_name():
    assert {word for command in COMMANDS for word in command.words} <= COMMAND_WORDS


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (Fiat(150_000), "1,500.00 GTQ"),
        (Fiat(-5), "-0.05 GTQ"),
        (Sat(1234), "1,234 sats"),
        (Sat(1), "1 sat"),
        (Rate(20_000, 24_000), "833,333 GTQ"),
        (Rate(0, 0), "0 GTQ"),
        (Moment(START), "2026-03-01 06:00"),
        (Word("payout", "VOID"), "proven unpaid"),
        (Word("payout", "never heard of"), "never heard of"),
        (Say("cancel.nothing"), "There is nothing waiting to be confirmed."),
        ((Say("nothing"), Say("poll.done"), Say("nothing")), ENGLISH["poll.done"]),
        ("{braces}", "{braces}"),
        (7, "7"),
    ],
)
def test_fields_are_written_exactly(field, text):
    assert TEXTS.render(Say("lines", lines=field), "en") == text


def test_unknown_language_falls_back_to_english():
    assert TEXTS.render(Say("poll.done"), "xx") == ENGLISH["poll.done"]


def test_second_language_is_just_another_catalogue():
    texts = Texts({"en": {"hello": "Hello"}, "es": {"hello": "Hola"}}, "GTQ", ZoneInfo("UTC"))
    assert texts.render(Say("hello"), "es") == "Hola"


@pytest.mark.parametrize("unit", ["x" * 99 + "\n", "ñ" * 5000, "a\n"])
def test_text_is_never_longer_than_relays_take(unit):
    text = TEXTS.render(Say("lines", lines=unit * 3000), "en")
    assert len(text.encode()) <= TEXT_BYTES_MAX
    assert text.endswith("\n…")


def test_missing_field_is_an_error():
    with pytest.raises(KeyError):
        TEXTS.render(Say("help.line"), "en")
    with pytest.raises(KeyError):
        TEXTS.render(Say("no such key"), "en")

"""Every text that the program names is in every catalogue, with the fields that it is given."""

import ast
import re
import sqlite3
import string
from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from talk import START, make_programme
from test_command_lines import CATALOGUES

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.general import CONFIRM
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.chat.params import RANGE_DAYS
from dca_bot.chat.parsing import parse
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.core.cash_out import Reason
from dca_bot.core.change import Change
from dca_bot.core.clients import LimitPeriod
from dca_bot.core.delivery import Undelivered
from dca_bot.core.destination_text import PAYABLE, Form
from dca_bot.core.files import FilesWish
from dca_bot.core.freshness import STANDBY
from dca_bot.core.health import Condition, HealthPart
from dca_bot.core.lease import DisputeReason
from dca_bot.core.obstacles import Obstacle
from dca_bot.core.payout import COLLECTING, PayoutState, Wait, Waiting
from dca_bot.core.ports import PaymentStatus, RowFault
from dca_bot.core.rate import RateProblem
from dca_bot.core.reach import Part
from dca_bot.core.relay_state import RelayTrouble
from dca_bot.core.witness import Witness
from dca_bot.errors import Changed, LedgerFault, Refusal
from dca_bot.faults import LnbitsFault, OffsiteFault, SourceFault
from dca_bot.jobs.error_boundary import Guarded
from dca_bot.ledger.audit.findings import FindingCode
from dca_bot.ledger.distributions import fixed_runs
from dca_bot.ledger.distributions.fixed_runs import RunReason
from dca_bot.ledger.payouts.holds import HoldKind, HoldReason
from dca_bot.ledger.reports.statement import CASH_KINDS, WITHDRAWN
from dca_bot.ledger.store.database import migrate
from dca_bot.messages import describe
from dca_bot.messages.language import plural_form, plural_forms
from dca_bot.messages.render import LANGUAGES, TEXT_BYTES_MAX, Texts, load_texts
from dca_bot.messages.say import (
    Bolt11,
    Code,
    Fiat,
    LanguageName,
    Moment,
    Npub,
    Rate,
    Sat,
    Say,
    Tenths,
    Word,
    expiry,
)
from dca_bot.messages.typed import marked_lines

PACKAGE = Path(__file__).parents[2] / "dca_bot"
TEXTS = load_texts(make_programme())
ENGLISH = TEXTS.catalogues["en"]
MARKED = CATALOGUES["en"]
"""The English texts with the marks of command lines."""
COMMANDS = (*CLIENT_COMMANDS, *OPERATOR_COMMANDS)
SAYINGS = {"Say", "refuse"}
FORMS = ("zero", "one", "two", "few", "many", "other")
"""CLDR's names of plural forms."""
TRANSLATIONS = [language for language in LANGUAGES if language != "en"]


def templates(key, catalogue=ENGLISH):
    return [catalogue[k] for k in (key, *(f"{key}.{form}" for form in FORMS)) if k in catalogue]


def form_of(key):
    """Return the plural form that a key of a catalogue is, if any."""
    base, _, last = key.rpartition(".")
    return last if last in FORMS and f"{base}.other" in ENGLISH else ""


def base_of(key):
    """Return a key as the code names it, without the plural form."""
    return key.removesuffix(f".{form_of(key)}")


def english_of(key):
    """Return the English text that a text of another language translates."""
    return ENGLISH[key] if key in ENGLISH else ENGLISH[f"{base_of(key)}.other"]


def numbers_by_form(catalogue):
    """Return the whole numbers from 0 to 999 by the plural form that the language gives them."""
    found = {}
    for n in range(1000):
        found.setdefault(plural_form(catalogue["locale.cldr"], n), []).append(n)
    return found


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


@cache
def sources():
    """Return the text of each file of the package, by path."""
    return {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def nodes_of(path):
    """Return (file name, node) of each call and constant in a file."""
    return [
        (path.name, node)
        for node in ast.walk(ast.parse(sources()[path]))
        if isinstance(node, ast.Call | ast.Constant)
    ]


@cache
def nodes():
    """Return (file name, node) of each call and constant in the package."""
    return [node for path in sources() for node in nodes_of(path)]


def nodes_beside(*words):
    """Yield (file name, node) as `nodes` does, of the files only that have one of the words.

    Each worker asks at its start, and a whole package takes a second to parse.
    """
    for path, text in sources().items():
        if any(word in text for word in words):
            yield from nodes_of(path)


def calls(*names):
    """Yield the calls of functions and methods of these names."""
    for _, node in nodes():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name in names:
                yield node


def sayings():
    """Yield (place, keys, field names) of each Say made with literal keys."""
    for name, node in nodes_beside(*SAYINGS):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYINGS:
            keys = keys_of(node.args[0]) if node.args else None
            if keys is not None:
                yield f"{name}:{node.lineno}", keys, [keyword.arg for keyword in node.keywords]


def named_keys():
    """Return the keys named anywhere in the package, as constants."""
    return {
        node.value
        for _, node in nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def schema():
    """Return the ledger's tables as SQL, by name."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        migrate(ledger)
        return dict(ledger.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))


def allowed(table, column):
    """Return the values that the schema lets into a column."""
    (listed,) = re.findall(rf"CHECK \({column} IN \((.*?)\)\)", SCHEMA[table])
    return re.findall("'(.*?)'", listed)


SCHEMA = schema()
TERMS = {
    "advice": Undelivered,
    "period": LimitPeriod,
    "cash_out": allowed("cash_out", "state"),
    "client": allowed("client", "state"),
    "condition": Condition,
    "copy": [STANDBY],
    "deposit": [*allowed("deposit", "state"), WITHDRAWN],
    "files": FilesWish,
    "fixed_run": set(allowed("fixed_run", "state")) - {fixed_runs.DONE},
    "form": set(Form) - PAYABLE - {Form.UNKNOWN},
    "job": Guarded,
    "health_part": HealthPart,
    "hold": [*HoldKind],
    "lease": DisputeReason,
    "mode": allowed("client", "mode"),
    "obstacle": Obstacle,
    "own_payout": [*PayoutState, COLLECTING],
    "part": Part,
    "payment": set(PaymentStatus) - {PaymentStatus.SUCCESS},
    "payout": [*PayoutState, COLLECTING],
    "range": RANGE_DAYS,
    "reach": Part,
    "rate_source": allowed("fixed_run", "price_source"),
    "reason": [*Reason, *Change, *HoldReason, *RateProblem, *Refusal, *RunReason, *Waiting],
    "row": ["no_id"],
    "shown": [*PaymentStatus, "none"],
    "statement": [*allowed("distribution", "kind"), *CASH_KINDS],
    "undelivered": allowed("delivery", "reason"),
    "witness": set(Witness) - {Witness.LNBITS},
}
"""What the program can name in each group of terms: all that stands in an enum or the schema."""
TERM_KEYS = {f"word.{group}.{value}" for group in TERMS for value in TERMS[group] if value}
FAULTS = {
    "lnbits_fault": LnbitsFault,
    "offsite_fault": OffsiteFault,
    "source_fault": SourceFault,
}
"""The codes of outside parts' failures."""
CODES = {
    "audit_finding": FindingCode,
    "ledger_fault": LedgerFault,
    "relay_trouble": RelayTrouble,
    "row_fault": RowFault,
    "state_changed": Changed,
    **FAULTS,
}
"""The codes with a text of their own: by the first part of the text's key."""
DETAILED = {key for key, text in ENGLISH.items() if text == "{detail}"}
"""Texts that are an error's own English sentence; a translation words the error's code and fields."""
CODE_KEYS = {f"{group}.{code}" for group in CODES for code in CODES[group]}


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
        named = {*commands, "locale.name", "locale.offer"}
        assert key in named or base_of(key) in used or key in TERM_KEYS | CODE_KEYS, key


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_summary_and_an_example_of_its_own(command):
    assert ENGLISH[f"{command.key}.summary"]
    assert ENGLISH[f"{command.key}.example"].startswith(command.name)


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_language_has_the_same_keys_and_fields(language):
    catalogue = TEXTS.catalogues[language]
    assert {base_of(key) for key in catalogue} == {base_of(key) for key in ENGLISH}
    for key, template in catalogue.items():
        if key in DETAILED:
            continue
        free = {"n"} if form_of(key) else set()
        assert fields_of(template) - free == fields_of(english_of(key)) - free, key


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_plural_form_of_the_language_is_there_and_names_the_number_unless_it_is_of_one(
    language,
):
    catalogue = TEXTS.catalogues[language]
    plurals = {base_of(key) for key in catalogue if form_of(key)}
    assert plurals == {base_of(key) for key in ENGLISH if form_of(key)}
    for key in plurals:
        assert key not in catalogue
        for form, numbers in numbers_by_form(catalogue).items():
            assert f"{key}.{form}" in catalogue, f"{key}.{form}, for {numbers[:9]}"
            names_n = "n" in fields_of(catalogue[f"{key}.{form}"])
            assert names_n or len(numbers) == 1, f"{key}.{form} lacks n, for {numbers[:9]}"


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_language_has_no_plural_form_that_cldr_does_not_know_for_it(language):
    catalogue = TEXTS.catalogues[language]
    given = {form_of(key) for key in catalogue} - {""}
    assert given <= plural_forms(catalogue["locale.cldr"])


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_translation_has_the_shape_of_the_english_text(language):
    for key, text in TEXTS.catalogues[language].items():
        english = english_of(key)
        assert bool(text) == bool(english), key
        assert text.count("\n") == english.count("\n"), key
        assert text[:1].isspace() == english[:1].isspace(), key
        assert text[-1:].isspace() == english[-1:].isspace(), key
        assert key in DETAILED or len(text) <= len(english) * 14 // 10 + 20, key


def test_amount_to_be_typed_is_written_the_same_in_each_language():
    found = set()
    for _, node in nodes():
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in SAYINGS:
            continue
        typed = set()
        keys = (keys_of(node.args[0]) if node.args else None) or []
        for text in (text for key in keys for text in templates(key, MARKED)):
            typed |= set().union(*map(fields_of, marked_lines(text)))
        for keyword in node.keywords:
            if keyword.arg in typed and isinstance(keyword.value, ast.Call):
                found.add(getattr(keyword.value.func, "id", ""))
    assert "Plain" in found
    assert not found & {"Fiat", "Sat", "Percent", "Rate", "Tenths", "Moment", "Day", "Times"}


def test_whole_npubs_and_invoices_are_links():
    links = {"npub": "Npub", "invoice": "Bolt11"}
    found = set()
    for _, node in nodes():
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYINGS:
            for keyword in node.keywords:
                if keyword.arg in links:
                    assert getattr(keyword.value, "func", None), ast.unparse(node)
                    found.add((keyword.arg, keyword.value.func.id))
    assert found <= set(links.items())
    assert ("npub", "Npub") in found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_example_can_be_typed_as_it_stands(command):
    table = CLIENT_COMMANDS if command in CLIENT_COMMANDS else OPERATOR_COMMANDS
    example = ENGLISH[f"{command.key}.example"]
    assert parse(example, CommandSet(table), "GTQ").command is command


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_code_is_asked_for_with_the_command_itself(language):
    text = TEXTS.render(
        Say("confirm.asked", effect=Say("nothing"), code="7K2Q", open=Say("nothing")), language
    )
    typed = next(line for line in text.splitlines() if "7K2Q" in line).partition(": ")[2]
    meant = understand(typed.partition(" (")[0], vocabulary_of("client", (language,))).first
    assert (meant.intent, meant.arguments) == (CONFIRM.name, {"code": "7K2Q"})


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_language_has_its_name_and_a_word_that_is_no_clients_name(language):
    name = TEXTS.catalogues[language]["locale.name"]
    assert TEXTS.render(Say("lines", lines=LanguageName(language)), "en") == name
    assert [c["locale.name"] for c in TEXTS.catalogues.values()].count(name) == 1
    assert language in COMMAND_WORDS


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_language_has_its_terms_and_no_others(language):
    words = {key for key in TEXTS.catalogues[language] if key.startswith("word.")}
    assert words == TERM_KEYS


def test_each_group_of_terms_is_known():
    assert {group for call in calls("Word") for group in keys_of(call.args[0])} == set(TERMS)


def test_reason_for_waiting_is_never_written_where_it_is_given():
    for call in calls("defer", "_step_aside", "_back_to_submitted", "_alert", "over"):
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = [one.value for one in given if isinstance(one, ast.Constant)]
        assert not any(isinstance(text, str) for text in texts), ast.unparse(call)


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("why", [*Waiting, *HoldReason, *Refusal])
def test_why_a_payout_waits_is_told_whole_in_the_readers_language(why, language):
    told = Say("payout.waiting", why=describe.waiting(Wait(str(why))))
    assert TEXTS.render(told, language) == f" ({TEXTS.catalogues[language][f'word.reason.{why}']})"


def test_what_a_destination_answers_is_cut_and_told_as_it_is():
    assert describe.waiting(Wait("said", "full")) == "full"
    assert describe.waiting(Wait("said", "x" * 999)) == "x" * (describe.NAME_LENGTH_MAX - 1) + "…"


def test_no_command_word_can_be_a_name():
    assert {word for command in COMMANDS for word in command.words} <= COMMAND_WORDS


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (Fiat(150_000), "Q1,500.00"),
        (Fiat(-5), "-Q0.05"),
        (Sat(1234), "1,234 sats"),
        (Sat(1), "1 sat"),
        (Rate(20_000, 24_000), "Q833,333"),
        (Rate(0, 0), "Q0"),
        (Tenths(0), "0.0"),
        (Tenths(7), "0.7"),
        (Tenths(25), "2.5"),
        (Tenths(1000), "100.0"),
        (Moment(START), "1 Mar 2026 06:00"),
        (Word("payout", "VOID"), "proven unpaid"),
        (Word("payout", "never heard of"), "never heard of"),
        (Say("cancel.nothing"), "There is nothing waiting to be confirmed."),
        ((Say("nothing"), Say("poll.done"), Say("nothing")), ENGLISH["poll.done"]),
        (Code("7K2Q", START), "7K2Q"),
        (Npub("npub1abc"), "nostr:npub1abc"),
        (Bolt11("LNBC1PJ"), "lightning:lnbc1pj"),
        ("{braces}", "{braces}"),
        (7, "7"),
    ],
)
def test_fields_are_written_exactly(field, text):
    assert TEXTS.render(Say("lines", lines=field), "en") == text


def test_saying_is_worthless_when_its_first_code_is():
    later = START + timedelta(hours=1)
    inner = Say("lines", lines=(Say("nothing"), Say("lines", lines=Code("A", START))))
    assert expiry(Say("lines", lines=(Say("lines", lines=Code("B", later)), inner))) == START
    assert expiry(Say("lines", lines=(Say("nothing"),), at=Moment(START))) is None


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

"""Each code has words in each language, and what stands in the ledger is a code."""

import ast
import re
from enum import Enum, StrEnum
from importlib import import_module
from pkgutil import walk_packages

import pytest
from talk import START
from test_half_translated import ONLY_ENGLISH, words
from test_texts import CODES, DETAILED, TEXTS, calls, fields_of, keys_of

import dca_bot
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import LeftOut, RowFault
from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.errors import Changed, LedgerError, LedgerFault, StateChanged
from dca_bot.ledger.audit.findings import Finding, FindingCode
from dca_bot.messages import describe
from dca_bot.messages.say import Say

SLUG = re.compile(r"[a-z0-9]*([_-][a-z0-9]+)*")
SAMPLE = {
    "state": PayoutState.VOID,
    "name": "ana",
    "id": "4f9a01bc",
    "other": "9c41d2aa",
    "sats": 1_234,
    "paid_msat": 7,
    "got_msat": 7,
    "fee_msat": 7,
    "taken_msat": 8,
    "count": 3,
    "key": "0123…",
    "status": "pending",
    "witness": "operator",
    "shown": "none",
    "unit": "sat",
    "day": "2026-03-01",
    "said": "row 3",
    "table": "share",
    "missing": "payout",
    "path": "/srv/dca-bot",
    "command": "chmod 700 /srv/dca-bot",
    "columns": "created, fiat",
    "value": "3.2.2026 10:00",
    "counted": "GTQ",
    "currency": "USD",
}
DETAILED_IN = {
    language: {key for key in DETAILED if "{detail}" in texts[key]}
    for language, texts in TEXTS.catalogues.items()
}


def enums():
    """Return all enums of the package whose values are texts."""
    for module in walk_packages(dca_bot.__path__, "dca_bot."):
        if not module.name.endswith("__main__"):
            for one in vars(import_module(module.name)).values():
                if (
                    isinstance(one, type)
                    and issubclass(one, Enum)
                    and one.__module__ == module.name
                ):
                    yield one


def test_each_value_of_an_enum_is_a_slug():
    """States of payouts are in capitals, as in the schema and in what operators read."""
    found = [one for one in enums() if issubclass(one, StrEnum) and one is not PayoutState]
    assert len(found) > 20
    wrong = {
        f"{one.__name__}.{member.name}"
        for one in found
        for member in one
        if not SLUG.fullmatch(member)
    }
    assert wrong == set()


def fields_by_code(call):
    """Return (code's name, names of the fields) of a call that raises or makes a code with fields."""
    given = {keyword.arg for keyword in call.keywords}
    return [
        (node.attr, given) for node in ast.walk(call.args[0]) if isinstance(node, ast.Attribute)
    ]


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_code_has_a_text_with_the_fields_that_it_is_raised_with(language):
    catalogue = TEXTS.catalogues[language]
    raised = dict(pair for call in calls("StateChanged") for pair in fields_by_code(call))
    assert set(raised) == set(Changed.__members__)
    for name, given in raised.items():
        assert fields_of(catalogue[f"state_changed.{Changed[name]}"]) <= given, name


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("code", Changed)
def test_each_change_is_told_in_words(code, language):
    wanted = fields_of(TEXTS.catalogues["en"][f"state_changed.{code}"])
    error = StateChanged(code, **{name: SAMPLE[name] for name in wanted})
    text = TEXTS.render(Say("changed", why=describe.state_changed(error)), language)
    assert code not in text
    assert "VOID" not in text
    if language == "es":  # other languages have some of these words too: "so" and "will" are German
        typed = {"client", "wallet", "holds"}
        assert words(text) & {*ONLY_ENGLISH.split()} - typed == set()


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("code", LedgerFault)
def test_each_fault_of_the_ledger_is_told_in_words(code, language):
    wanted = fields_of(TEXTS.catalogues[language][f"ledger_fault.{code}"]) - {"detail"}
    error = LedgerError("This isn't the cause.", code, **{name: SAMPLE[name] for name in wanted})
    text = TEXTS.render(Say("export.failed", why=describe.ledger_fault(error)), language)
    assert all(SAMPLE[name] in text for name in wanted)
    assert ("This isn't the cause." in text) == (f"ledger_fault.{code}" in DETAILED_IN[language])
    if language == "es":
        assert words(text) & {*ONLY_ENGLISH.split()} == set()


@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_fault_of_the_ledger_is_raised_with_the_fields_of_its_text(language):
    """The code and the fields of a FileRefused are passed on whole; each has a path."""
    texts = TEXTS.catalogues[language]
    for call in calls("LedgerError", "LedgerOutdated", "FileRefused"):
        given = {keyword.arg for keyword in call.keywords} | {"detail"}
        is_file = getattr(call.func, "id", "") == "FileRefused"
        for node in call.args:
            match node:
                case ast.Attribute(value=ast.Name("LedgerFault"), attr=name):
                    needed = fields_of(texts[f"ledger_fault.{LedgerFault[name]}"])
                    assert needed <= given | ({"path"} if is_file else set()), ast.unparse(call)
                case ast.Call(func=ast.Name("fault_of")):
                    assert "path" in given, ast.unparse(call)


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("code", RowFault)
def test_each_fault_of_a_row_is_told_in_words(code, language):
    wanted = fields_of(TEXTS.catalogues[language][f"row_fault.{code}"]) - {"detail"}
    one = LeftOut(code, "This isn't the cause.", {name: SAMPLE[name] for name in wanted})
    told = Say("notice.rows_unreadable", n=1, first=describe.left_out(one))
    text = TEXTS.render(told, language)
    assert all(SAMPLE[name] in text for name in wanted)
    assert ("This isn't the cause." in text) == (f"row_fault.{code}" in DETAILED_IN[language])
    if language == "es":
        assert words(text) & {*ONLY_ENGLISH.split()} == set()


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("code", FindingCode)
def test_each_finding_is_told_in_words(code, language):
    wanted = fields_of(TEXTS.catalogues["en"][f"audit_finding.{code}"])
    one = Finding(code, {name: SAMPLE[name] for name in wanted})
    text = TEXTS.render(Say("audit.finding", text=describe.finding(one)), language)
    assert code not in text
    if language != "en":
        assert words(text) & {*ONLY_ENGLISH.split()} == set()
        assert "pending" not in text


@pytest.mark.parametrize("language", TEXTS.catalogues)
@pytest.mark.parametrize("code", RelayTrouble)
def test_each_trouble_of_a_relay_is_told_in_words_with_those_of_the_relay(code, language):
    state = RelayState(
        "wss://r",
        listening=False,
        detail="Not this.",
        since=START,
        trouble=code,
        words="row 3",
        status=502,
    )
    text = TEXTS.render(describe.relay(state), language)
    wanted = fields_of(TEXTS.catalogues["en"][f"relay_trouble.{code}"])
    assert ("502" in text) == ("status" in wanted)
    assert ("row 3" in text) == ("said" in wanted)
    assert "Not this." not in text
    if language == "es":
        assert words(text) & {*ONLY_ENGLISH.split()} == set()


def test_findings_are_made_with_the_fields_that_their_texts_have():
    """Those of a query carry its first column alone, as `id`, `unit` or `day`."""
    made = dict(pair for call in calls("found") if call.args for pair in fields_by_code(call))
    assert len(made) > 15
    for name, given in made.items():
        template = TEXTS.catalogues["en"][f"audit_finding.{FindingCode[name]}"]
        assert fields_of(template) <= given, name
    for code in set(FindingCode) - {FindingCode[name] for name in made}:
        assert len(fields_of(TEXTS.catalogues["en"][f"audit_finding.{code}"])) == 1, code


@pytest.mark.parametrize("group", CODES)
@pytest.mark.parametrize("language", TEXTS.catalogues)
def test_each_language_has_a_text_for_each_code_and_no_others(language, group):
    keys = {key for key in TEXTS.catalogues[language] if key.startswith(f"{group}.")}
    assert keys == {f"{group}.{code}" for code in CODES[group]}


def test_keys_of_codes_are_never_written_where_a_text_is_said():
    for call in calls("Say", "refuse"):
        for key in keys_of(call.args[0]) or () if call.args else ():
            assert key.partition(".")[0] not in CODES, ast.unparse(call)

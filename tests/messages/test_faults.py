"""Why Lamassu or LNbits is out of reach is told in each language, and no code is without its fields."""

import ast
import re
from dataclasses import replace

import pytest
from talk import START
from test_half_translated import ONLY_ENGLISH, words
from test_texts import FAULTS, TEXTS, TRANSLATIONS, fields_of, nodes_beside

from dca_bot.core.reach import Part, Reach
from dca_bot.errors import LnbitsUnavailable, SourceUnavailable
from dca_bot.faults import LnbitsFault, OffsiteFault, SourceFault
from dca_bot.messages import describe
from dca_bot.messages.say import Say

TEXT_CHARS_MAX = 400
SENTENCE = "The door is shut: open it."
QUOTED = re.compile("«[^»]*»")
SAMPLE = {
    "address": "lamassu.example:22",
    "columns": "to_address, created",
    "command": "ssh-keyscan -p 22 lamassu.example",
    "database": "lamassu",
    "grant": "GRANT SELECT ON cash_out_txs TO dca;",
    "host": "lamassu.example",
    "place": "ssh://dca@nas.example/copies",
    "path": "/home/dca/lamassu.key",
    "said": "you are not allowed",
    "status": 502,
    "table": "cash_out_txs",
    "target": "127.0.0.1:5432",
    "user": "dca",
    "version": "0.12.12",
}


def raised():
    """Yield (code, names of the fields) of each error that the package makes with a code of a fault."""
    for _, node in nodes_beside("SourceFault", "LnbitsFault", "OffsiteFault"):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        match given.get("fault"):
            case ast.Attribute(value=ast.Name(id="SourceFault"), attr=name):
                yield SourceFault[name], set(given)
            case ast.Attribute(value=ast.Name(id="LnbitsFault"), attr=name):
                yield LnbitsFault[name], set(given)
            case ast.Attribute(value=ast.Name(id="OffsiteFault"), attr=name):
                yield OffsiteFault[name], set(given)


RAISED = list(raised())
EACH_FAULT = [fault for group in FAULTS.values() for fault in group]


def ids(fault):
    return f"{type(fault).__name__}-{fault}"


def key_of(fault):
    return next(f"{group}.{fault}" for group, kind in FAULTS.items() if isinstance(fault, kind))


def error_of(fault):
    """Make the error of a fault, with each field that any error of the fault has."""
    names = set().union(*(given for one, given in RAISED if one is fault)) & set(SAMPLE)
    kind = SourceUnavailable if isinstance(fault, SourceFault) else LnbitsUnavailable
    return kind(SENTENCE, fault=fault, **{name: SAMPLE[name] for name in names})


def reach_of(error):
    part = Part.LAMASSU if isinstance(error, SourceUnavailable) else Part.LNBITS
    return Reach(
        part,
        reachable=False,
        since=START,
        detail=str(error),
        fault=error.fault,
        fields=error.fields,
    )


def english_words(text, error):
    """Return the English words of a text, but for what the error's fields say, and for quotations."""
    for value in sorted(map(str, error.fields.values()), key=len, reverse=True):
        text = QUOTED.sub("", text).replace(value, "")
    return words(text) & {*ONLY_ENGLISH.split()}


def test_each_fault_is_raised_somewhere():
    assert {fault for fault, _ in RAISED} == {*EACH_FAULT}


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_each_fault_is_raised_with_the_fields_of_its_text(language):
    for fault, given in RAISED:
        text = TEXTS.catalogues[language][key_of(fault)]
        assert fields_of(text) - {"detail"} <= given, fault
        assert len(text) <= TEXT_CHARS_MAX, fault


@pytest.mark.parametrize("fault", EACH_FAULT, ids=ids)
def test_english_repeats_the_errors_own_sentence(fault):
    why = describe.failure(reach_of(error_of(fault)))
    assert TEXTS.render(Say("status.why", detail=why), "en") == f"  Why: {SENTENCE}"


@pytest.mark.parametrize("language", TRANSLATIONS)
@pytest.mark.parametrize("fault", EACH_FAULT, ids=ids)
def test_other_languages_word_each_fault(fault, language):
    error = error_of(fault)
    text = TEXTS.render(Say("status.why", detail=describe.failure(reach_of(error))), language)
    assert SENTENCE not in text
    assert english_words(text, error) == set()


def test_language_without_a_text_for_a_fault_repeats_the_errors_own_sentence():
    polish = {"locale.name": "polski", "locale.cldr": "pl"}
    texts = replace(TEXTS, catalogues={**TEXTS.catalogues, "pl": polish})
    why = describe.failure(reach_of(error_of(SourceFault.KEY_REFUSED)))
    assert texts.render(Say("status.why", detail=why), "pl") == f"  Why: {SENTENCE}"


def test_words_of_the_other_program_are_quoted_and_silence_is_not():
    loud = LnbitsUnavailable(SENTENCE, fault=LnbitsFault.SERVER_FAULT, status=500, said="Oh no")
    mute = LnbitsUnavailable(SENTENCE, fault=LnbitsFault.SERVER_FAULT, status=500, said="")
    heard, unheard = (
        TEXTS.render(Say("status.why", detail=describe.failure(reach_of(error))), "es")
        for error in (loud, mute)
    )
    assert "HTTP 500 (dijo: «Oh no»)." in heard
    assert "HTTP 500." in unheard

"""Months, spans and machines in what operators and clients write; none is lost, and none is invented."""

import pytest

from dca_bot.chat.understanding.meaning import Certainty
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.lexicon import LEXICONS

CLIENT, OPERATOR = (vocabulary_of(role, LEXICONS) for role in ("client", "operator"))
MACHINES = frozenset({"zona 10", "market", "antigua"})


def read(text, machines=()):
    found = understand(text, OPERATOR, machines=machines).first
    return found.intent, found.arguments


@pytest.mark.parametrize(
    ("text", "span"),
    [
        *(("earnings this month", "month"), ("ganancias este mes", "month")),
        *(("how much did we earn this month", "month"), ("earnings last month", "last")),
        *(("ganancias del mes pasado", "last"), ("earnings november", "november")),
        *(("ganancias octubre", "october"), ("earnings 7d", "7d"), ("earnings this week", "7d")),
    ],
)
def test_span_of_earnings(text, span):
    assert read(text) == ("earnings", {"range": span})


@pytest.mark.parametrize(
    ("text", "month"),
    [
        *(
            ("month november", "november"),
            ("mes octubre", "october"),
            ("month noviembre", "november"),
        ),
        *(("last month", "last"), ("mes pasado", "last"), ("cómo nos fue en octubre", "october")),
        ("month 2026-03", "2026-03"),
    ],
)
def test_month_takes_its_name(text, month):
    assert read(text) == ("month", {"month": month})


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        *(("txs november", "november"), ("txs noviembre", "november"), ("ventas mayo", "may")),
        *(("ventas de noviembre", "november"), ("sales in november", "november")),
        *(("txs antigua november", "antigua november"), ("txs Market 2026-03", "Market 2026-03")),
        ("ventas de antigua en noviembre", "antigua november"),
        *(
            ("ventas de ayer", "yesterday"),
            ("ventas del mes", "month"),
        ),
        *(("ventas de hoy en antigua", "today antigua"), ("txs held today", "held today")),
    ],
)
def test_filters_of_sales_are_kept_together(text, filters):
    assert read(text) == ("txs", {"filter": filters})


def test_client_sees_the_history_of_the_last_month():
    for text in ("history last month", "historial del mes pasado"):
        assert understand(text, CLIENT).first.arguments == {"page": "last"}


@pytest.mark.parametrize("vocabulary", [CLIENT, OPERATOR], ids=["client", "operator"])
@pytest.mark.parametrize("text", ["history 2026-03 - 2026-04", "historial 2026-03 a 2026-04"])
def test_two_months_are_not_sure(text, vocabulary):
    found = understand(text, vocabulary)
    assert (found.first.arguments, found.certainty) == ({}, Certainty.ASK)


def test_month_that_a_command_cannot_take_is_not_sure():
    for text, vocabulary in (("log de noviembre", OPERATOR), ("mi saldo de noviembre", CLIENT)):
        assert understand(text, vocabulary).certainty is not Certainty.SURE


def test_two_filters_of_payouts_are_not_sure():
    assert understand("txs maria failed november", OPERATOR, {"maria"}).certainty is Certainty.ASK


@pytest.mark.parametrize(
    ("text", "machine"),
    [
        *(("cuánto hay en antigua", "antigua"), ("cuanto hay en la z10", "z10")),
        *(("how much is in zona10", "zona10"), ("efectivo en antigua", "antigua")),
        *(("cuanto hay en la zona 10", "zona 10"), ("cash antigua", "antigua")),
    ],
)
def test_cash_of_a_machine_whose_name_is_guessed(text, machine):
    assert read(text) == ("cash", {"machine": machine})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("how much cash in market", ("cash", {"machine": "market"})),
        ("cuánto hay en Zona 10", ("cash", {"machine": "Zona 10"})),
        ("qué hay en market", ("cash", {"machine": "market"})),
        ("sales at market in november", ("txs", {"filter": "market november"})),
        ("conté 12000 en zona 10", ("cash count", {"machine_amount": "zona 10 12000"})),
    ],
)
def test_machine_is_known_by_its_name(text, expected):
    assert read(text, MACHINES) == expected


def test_machine_is_no_client():
    found = understand("pausar market", OPERATOR, machines=MACHINES)
    assert "name" not in found.first.arguments


@pytest.mark.parametrize("text", ["q hay pendiente", "k hay pendiente", "que hay pendiente"])
def test_short_words_are_read_as_the_whole_word(text):
    assert read(text) == ("status", {})

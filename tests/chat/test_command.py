"""Reading a message: the longest words win, units may stand apart, and nothing crashes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.chat.client_commands import CLIENT_COMMANDS
from dca_bot.chat.command import COMMAND_WORDS, Known, parse
from dca_bot.chat.operator_commands import OPERATOR_COMMANDS
from dca_bot.chat.say import CommandRefused

ALIASES = {"saldo": "balance", "ayuda": "help"}
CLIENTS = Known(CLIENT_COMMANDS, ALIASES)
OPERATORS = Known(OPERATOR_COMMANDS, ALIASES, CLIENT_COMMANDS)
WORDS = st.sampled_from(
    [*sorted(COMMAND_WORDS), "maria", "1500", "1.500", "#5", "GTQ", "/", "²", "Ayuda!"]
)


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("client pause", "client pause", None),
        ("client maria", "client", {"NAME": "maria"}),
        ("CLIENT Pause Maria", "client pause", {"NAME": "Maria"}),
        ("/deposits", "deposits", {}),
        ("deposits 2", "deposits", {"PAGE": 2}),
        ("deposits pending 99999", "deposits pending", {"PAGE": 1000}),
        ("deposit  maria\n1,500.00", "deposit", {"NAME": "maria", "AMOUNT": 150_000}),
        ("deposit maria 1500 GTQ", "deposit", {"NAME": "maria", "AMOUNT": 150_000}),
        ("client add m n 5 gtq", "client add", {"NAME": "m", "NPUB": "n", "AMOUNT": 500}),
        ("deposit m Q5 of  May", "deposit", {"NAME": "m", "AMOUNT": 500, "NOTE": "of May"}),
        ("deposit confirm #5 The Market", "deposit confirm", {"ID": 5, "MACHINE": "The Market"}),
        ("topup 120,000 sats", "topup", {"AMOUNT": 120_000}),
        (
            "deposit m 1500 500 more",
            "deposit",
            {"NAME": "m", "AMOUNT": 150_000, "NOTE": "500 more"},
        ),
        ("deposit m 1 5000", "deposit", {"NAME": "m", "AMOUNT": 100, "NOTE": "5000"}),
        ("deposit m 1.00 500", "deposit", {"NAME": "m", "AMOUNT": 100, "NOTE": "500"}),
        ("deposit confirm 5 500", "deposit confirm", {"ID": 5, "MACHINE": "500"}),
        ("¡Ayuda! deposit", "help", {"COMMAND": "deposit"}),
        ("deposit m 1 500", "wrong.amount_split", None),
        ("deposit m Q1 500 GTQ", "wrong.amount_split", None),
        ("deposit m 1 500.00 note", "wrong.amount_split", None),
        ("withdraw m 12 500", "wrong.amount_split", None),
        ("tx add Market 200 24 000", "wrong.amount_split", None),
        ("saldo ana", "unknown.of_client", None),
        ("deposit confirm 0", "deposit confirm", None),
        ("deposit confirm five", "deposit confirm", None),
        ("status now", "status", None),
        ("client", "client", None),
    ],
)
def test_message_is_read(text, name, values):
    if values is None:
        with pytest.raises(CommandRefused) as refused:
            parse(text, OPERATORS, "GTQ")
        assert name in str(refused.value.say)
        return
    order = parse(text, OPERATORS, "GTQ")
    assert (order.command.name, order.args.values) == (name, values)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=6).map(" ".join)))
def test_whatever_is_written_is_read_or_refused(text):
    for known in (CLIENTS, OPERATORS):
        try:
            order = parse(text, known, "GTQ")
        except CommandRefused:
            continue
        again = parse(order.line, known, "GTQ")
        assert (again.command, again.args) == (order.command, order.args)

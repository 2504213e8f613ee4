"""Reading a message: the longest words win, units may stand apart, and nothing crashes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.chat.client_commands import CLIENT_COMMANDS
from dca_bot.chat.command import COMMAND_WORDS, parse
from dca_bot.chat.operator_commands import OPERATOR_COMMANDS
from dca_bot.chat.say import CommandRefused

WORDS = st.sampled_from([*sorted(COMMAND_WORDS), "maria", "1500", "1.500", "#5", "GTQ", "/", "²"])


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
        ("deposit confirm 0", "deposit confirm", None),
        ("deposit confirm five", "deposit confirm", None),
        ("status now", "status", None),
        ("client", "client", None),
    ],
)
def test_message_is_read(text, name, values):
    if values is None:
        with pytest.raises(CommandRefused) as refused:
            parse(text, OPERATOR_COMMANDS, "GTQ")
        assert name in str(refused.value.say)
        return
    order = parse(text, OPERATOR_COMMANDS, "GTQ")
    assert (order.command.name, order.args.values) == (name, values)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=6).map(" ".join)))
def test_whatever_is_written_is_read_or_refused(text):
    for table in (CLIENT_COMMANDS, OPERATOR_COMMANDS):
        try:
            order = parse(text, table, "GTQ")
        except CommandRefused:
            continue
        again = parse(order.line, table, "GTQ")
        assert (again.command, again.args) == (order.command, order.args)

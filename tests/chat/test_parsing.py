"""Reading a message: the longest words win, units may stand apart, and nothing crashes it."""

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import CommandSet
from dca_bot.chat.command_sets import COMMAND_WORDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.chat.parsing import parse
from dca_bot.core.currencies import SHOWN_SIGNS
from dca_bot.core.money import typed_fiat
from dca_bot.messages.say import CommandRefused

CLIENTS = CommandSet(CLIENT_COMMANDS)
OPERATORS = CommandSet(OPERATOR_COMMANDS, CLIENT_COMMANDS)
WORDS = st.sampled_from(
    [*sorted(COMMAND_WORDS), "maria", "1500", "1.500", "#5", "GTQ", "/", "²", "Help!"]
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
        ("deposit  maria 1,500.00 \n \n", "deposit", {"NAME": "maria", "AMOUNT": 150_000}),
        ("deposit maria 1500 GTQ", "deposit", {"NAME": "maria", "AMOUNT": 150_000}),
        ("client add m n 5 gtq", "client add", {"NAME": "m", "NPUB": "n", "AMOUNT": 500}),
        ("deposit m Q 1,500 x", "deposit", {"NAME": "m", "AMOUNT": 150_000, "NOTE": "x"}),
        ("deposit m Q. 5", "deposit", {"NAME": "m", "AMOUNT": 500}),
        ("deposit m 5 quetzales", "deposit", {"NAME": "m", "AMOUNT": 500}),
        ("deposit m 5 GTQ (second)", "deposit", {"NAME": "m", "AMOUNT": 500, "NOTE": "(second)"}),
        ("deposit m 5 q. all", "deposit", {"NAME": "m", "AMOUNT": 500, "NOTE": "all"}),
        (
            "deposit m 5 paid as 1 USD",
            "deposit",
            {"NAME": "m", "AMOUNT": 500, "NOTE": "paid as 1 USD"},
        ),
        ("deposit m 5 y ya", "deposit", {"NAME": "m", "AMOUNT": 500, "NOTE": "y ya"}),
        ("topup Satoshis 120,000", "topup", {"AMOUNT": 120_000}),
        (
            "commission set m 12.5 % a@b.c",
            "commission set",
            {"NAME": "m", "PERCENT": 1250, "DESTINATION": "a@b.c"},
        ),
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
        ("/HELP deposit", "help", {"COMMAND": "deposit"}),
        ("deposit m 1 500", "wrong.amount_split", None),
        ("deposit m Q1 500 GTQ", "wrong.amount_split", None),
        ("deposit m 1 500.00 note", "wrong.amount_split", None),
        ("withdraw m 12 500", "wrong.amount_split", None),
        ("balance ana", "unknown.of_client", None),
        ("deposit confirm 0", "deposit confirm", None),
        ("deposit confirm 5x", "deposit confirm", None),
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
    invocation = parse(text, OPERATORS, "GTQ")
    assert (invocation.command.name, invocation.args.values) == (name, values)


BESIDE = [
    *(
        "100 USD",
        "USD 100",
        "100USD",
        "USD100",
        "usd 100",
        "100 usd",
        "$100",
        "$ 100",
        "100$",
        "100 $",
    ),
    *("US$100", "100 US$", "€100", "100 €", "100 dólares", "100 dolares", "dollars 100", "100 L"),
    *("L100", "100 MXN", "100 pesos", "100 bs", "100 btc", "0.1 BTC", "100 sats", "sats 100"),
    *("100 (USD)", "100 USD.", "100 usd, cash", "100 en dólares", "100 in USD", "100 US dollars"),
    *("100 Q USD", "100 centavos", "100 cents", "100 GTQ dollars"),
]


@pytest.mark.parametrize("amount", BESIDE)
@pytest.mark.parametrize(
    "command", ["deposit m {}", "withdraw m {}", "hold accept 3 {}", "limit {}"]
)
def test_another_unit_beside_an_amount_is_refused(command, amount):
    known = CLIENTS if command.startswith("limit") else OPERATORS
    with pytest.raises(CommandRefused) as refused:
        parse(command.format(amount), known, "GTQ")
    assert "wrong.other_unit" in str(refused.value.say)


@pytest.mark.parametrize("currency", sorted({*SHOWN_SIGNS, "BOB", "JPY"}))
@pytest.mark.parametrize(
    ("command", "name"), [("hold accept 1 {}", "FIAT"), ("withdraw maria {}", "AMOUNT")]
)
def test_amount_that_the_bot_proposes_to_type_is_read_in_each_currency(currency, command, name):
    read = parse(command.format(typed_fiat(123_456_700, currency)), OPERATORS, currency)
    assert read.args.values[name] == 123_456_700


@pytest.mark.parametrize(
    "amount", ["500 GTQ", "GTQ 500", "Q500", "500 Q", "0.1 btc", "₿ 1", "500 usd"]
)
def test_fiat_where_sats_are_asked_for_is_refused(amount):
    with pytest.raises(CommandRefused) as refused:
        parse(f"topup {amount}", OPERATORS, "GTQ")
    assert "wrong.other_unit_sats" in str(refused.value.say)


@pytest.mark.parametrize(
    "amount",
    [
        "5 mil",
        "5 k",
        "5k",
        "5 thousand",
        "2 millones",
        "100 + 50",
        "100 y 50",
        "100 x 3",
        "100 x2",
        "100 ½",
        "100 1/2",
        "100 con 50 centavos",
        "100 Q50",
        "100 50Q",
    ],
)
def test_amount_that_goes_on_in_words_is_refused(amount):
    with pytest.raises(CommandRefused) as refused:
        parse(f"deposit m {amount}", OPERATORS, "GTQ")
    assert "wrong.amount" in str(refused.value.say)


BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\n\n \n"]
ONE_LINERS = [
    *("deposit maria 100", "deposit confirm 5", "withdraw maria 100 Market", "cash count Market 5"),
    *(
        "tx add Market 200 24000 note",
        "confirm 7K2Q",
        "cancel",
        "client maria",
        "status",
        "pause all",
    ),
    *("client wallet maria a@b.example", "commission set rosa 5 a@b.example", "topup 5", "help"),
]


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("line", ONE_LINERS)
def test_second_line_is_never_swallowed(line, line_break):
    for text in (
        f"{line}{line_break}deposit juan 200",
        f"{line}{line_break}x",
        f"help{line_break}{line}",
    ):
        with pytest.raises(CommandRefused) as refused:
            parse(text, OPERATORS, "GTQ")
        assert refused.value.say.key == "wrong.lines"
    with pytest.raises(CommandRefused) as refused:
        parse(line.replace(" ", line_break) + f"{line_break}x", OPERATORS, "GTQ")
    assert refused.value.say.key == "wrong.lines"
    assert parse(f"{line_break}{line}{line_break}", OPERATORS, "GTQ") == parse(
        line, OPERATORS, "GTQ"
    )


@pytest.mark.parametrize("line_break", BREAKS)
def test_text_for_all_keeps_its_lines(line_break):
    invocation = parse(f"broadcast{line_break}One{line_break}two", OPERATORS, "GTQ")
    assert invocation.args.text("TEXT") == f"One{line_break}two"


@pytest.mark.parametrize(
    "mark", ["\u200b", "\u200e", "\u200f", "\ufeff", "\u2060", "\u2068", "\u202a"]
)
def test_marks_of_no_width_around_what_is_copied_dont_count(mark):
    plain = parse("deposit maria 1500 note", OPERATORS, "GTQ")
    for text in (
        f"{mark}deposit maria 1500 note{mark}",
        f"deposit{mark} {mark}maria {mark}1500{mark} note\n{mark}",
        f"{mark} /deposit maria 1{mark}500 note",
    ):
        assert parse(text, OPERATORS, "GTQ") == plain
    invocation = parse(f"{mark}broadcast one{mark}\ntwo", OPERATORS, "GTQ")
    assert invocation.args.text("TEXT") == f"one{mark}\ntwo"


def test_amount_that_is_written_backwards_is_refused():
    with pytest.raises(CommandRefused, match=r"wrong\.argument"):
        parse("deposit maria \u202e001", OPERATORS, "GTQ")


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=6).map(" ".join)))
def test_whatever_is_written_is_read_or_refused(text):
    for known in (CLIENTS, OPERATORS):
        try:
            invocation = parse(text, known, "GTQ")
        except CommandRefused:
            continue
        again = parse(invocation.line, known, "GTQ")
        assert (again.command, again.args) == (invocation.command, invocation.args)


@pytest.mark.parametrize(
    "command",
    [*CLIENT_COMMANDS, *OPERATOR_COMMANDS],
    ids=lambda command: command.usage,
)
def test_command_without_a_look_is_given_nothing_that_was_found(command):
    handlers = (command.answer, command.plan, command.apply)
    takes_found = [
        handler
        for handler in handlers
        if handler and [*get_type_hints(handler).values()][3] is not object
    ]
    assert command.look is not None or not takes_found


@pytest.mark.parametrize("word", [*sorted(COMMAND_WORDS), "Weekly", "p\u0430use"])
def test_nobody_new_is_named_like_a_word_of_a_command(word):
    with pytest.raises(CommandRefused) as refused:
        parse(f"client add {word} npub1x", OPERATORS, "GTQ")
    assert refused.value.say.fields["why"].key == "wrong.name_taken_by_command"


def test_words_of_commands_are_those_of_the_tables_and_of_choices():
    assert {"client", "stuck", "flow", "each", "en", "all"} < COMMAND_WORDS
    assert not {"7d", "npub1x", "name", "flow|fixed"} & COMMAND_WORDS

"""Each client's command can be completed, and what is completed is read as that command."""

import pytest
from scaffold import programme

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.command import Command, CommandSet
from dca_bot.chat.parsing import parse
from dca_bot.chat.slash_commands import _arguments, slash_commands
from dca_bot.core.slash_commands import ArgumentKind
from dca_bot.messages.render import LANGUAGES, load_texts

TEXTS = load_texts(programme(()))
CLIENTS = CommandSet(CLIENT_COMMANDS)
SAMPLES = {
    "ID": "1",
    "PAGE": "2",
    "RANGE": "30d",
    "AMOUNT": "1,500.00",
    "DESTINATION": "ana@example.com",
    "COMMAND": "wallet",
    "CODE": "7K2Q",
    "TEXT": "Where is my deposit?",
}


def sample(argument):
    return argument.choices[0] if argument.choices else SAMPLES[argument.label]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_of_clients_is_there_with_its_summary(language):
    found = slash_commands(TEXTS, language)
    assert [one.word for one in found] == list(dict.fromkeys(c.words[0] for c in CLIENT_COMMANDS))
    assert all(one.description for one in found)
    assert len({one.description for one in found}) == len(found)


@pytest.mark.parametrize("command", slash_commands(TEXTS, "en"), ids=lambda one: one.word)
def test_completed_command_is_read_as_that_command(command):
    """With the required arguments alone, and with all of them."""
    needed = [one for one in command.arguments if one.required]
    for arguments in (needed, command.arguments):
        text = " ".join([f"/{command.word}", *map(sample, arguments)])
        read = parse(text, CLIENTS, "GTQ")
        assert read.command.words[0] == command.word
        assert len(read.args.values) == len(arguments)


def test_operators_commands_are_not_published():
    words = {one.word for one in slash_commands(TEXTS, "en")}
    assert not words & {"client", "payouts", "funds", "poll", "status", "audit"}


def test_kinds_of_arguments():
    found = {one.word: one.arguments for one in slash_commands(TEXTS, "en")}
    (page,) = found["history"]
    assert (page.kind, page.label, page.required) == (ArgumentKind.WORD, "PAGE", False)
    which, amount, period = found["mode"]
    assert (which.kind, which.choices) == (ArgumentKind.CHOICE, ("flow", "fixed"))
    assert (amount.kind, amount.required) == (ArgumentKind.WORD, False)
    assert period.choices == ("daily", "weekly", "monthly")
    assert found["wallet"][0].kind is ArgumentKind.TEXT
    assert found["confirm"][0].required


def test_word_of_several_commands_takes_a_text():
    commands = [Command(("export",)), Command(("export", "koinly")), Command(("export", "ctc"))]
    (argument,) = _arguments(commands)
    assert (argument.kind, argument.label) == (ArgumentKind.TEXT, "koinly / ctc")
    assert not argument.required
    assert _arguments(commands[1:])[0].required

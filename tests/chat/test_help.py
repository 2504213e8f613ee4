"""`help` fits a phone screen and names the usual commands; `help all` and `help COMMAND` have the rest."""

import textwrap

import pytest

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS
from dca_bot.messages.typed import command_words

PHONE_COLUMNS, PHONE_LINES = 40, 12


def screen(text):
    return [row for line in text.splitlines() for row in textwrap.wrap(line, PHONE_COLUMNS)]


@pytest.fixture
async def maria(talk):
    await talk.add_client("maria")
    return talk


@pytest.mark.parametrize("language", ["en", "es"])
async def test_help_of_clients_has_eight_lines_at_most(maria, language):
    await maria.tell("maria", f"language {language}")
    said = await maria.tell("maria", "help")
    assert len(said.splitlines()) <= 8
    assert len(screen(said)) <= PHONE_LINES
    for name in ("balance", "history", "deposits", "mode", "pause", "wallet", "help all"):
        assert command_words(language).line(name) in said


def assert_fits_a_phone(said, first):
    assert len(said.splitlines()) <= 8
    assert len(screen(said)) <= PHONE_LINES
    assert first in said.splitlines()[0]


async def test_help_of_operators_fits_a_phone(talk):
    assert_fits_a_phone(await talk.tell("op", "help"), "status")


async def test_help_of_operators_fits_a_phone_in_spanish(spanish):
    assert_fits_a_phone(await spanish.tell("op", "help"), "estado")


async def test_help_all_names_every_command(maria):
    said = await maria.tell("maria", "help all")
    assert [name for name in (c.name for c in CLIENT_COMMANDS) if f"\n{name}" not in said] == []
    joined = await maria.tell("op", "help all")
    for command in OPERATOR_COMMANDS:
        assert all(word in joined for word in command.words), command.name


@pytest.mark.parametrize(
    ("who", "typed", "expected"),
    [
        ("maria", "help walet", "Did you mean: help wallet"),
        ("maria", "help xqzw", "I don't know that command. Send help"),
        ("op", "help client ad", "Did you mean: help client add"),
        ("op", "help wallet", "a command for clients"),
        ("maria", "help wallet", "For example: wallet maria@example.com"),
    ],
)
async def test_help_of_a_command_that_is_not_known_names_the_nearest(maria, who, typed, expected):
    assert expected in await maria.tell(who, typed)


async def test_help_of_client_add_tells_what_it_takes_in_place_of_an_npub(talk):
    said = await talk.tell("op", "help client add")
    assert "nprofile" in said
    assert "KNOCK-" in said

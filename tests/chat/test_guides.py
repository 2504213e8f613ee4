"""The clients' guides: each word to write is understood, each reply is one that the bot gives."""

import re
from pathlib import Path

import pytest

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.messages.render import LANGUAGES

ROOT = Path(__file__).parents[2]
NO_MESSAGE = {"dca-bot init"}
"""What a guide names for the operator."""
A_CODE = re.compile("confirmar …|confirm …")


def guide(language: str) -> str:
    return (ROOT / "docs" / f"guide-{language}.md").read_text(encoding="utf-8")


def golden(language: str) -> str:
    """The conversation that the texts are tested with."""
    path = ROOT / "tests" / "data" / "golden" / language / "saver.txt"
    return path.read_text(encoding="utf-8")


def shown(language: str) -> list[str]:
    """The lines of the conversations in a guide."""
    blocks = re.findall(r"```text\n(.*?)```", guide(language), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def to_write(language: str) -> list[str]:
    """What a guide has people write, in conversations and in the text."""
    text = re.sub(r"```.*?```", "", guide(language), flags=re.DOTALL)
    inline = [one for one in re.findall(r"`([^`]+)`", text) if not A_CODE.fullmatch(one)]
    written = [line.removeprefix("> ") for line in shown(language) if line.startswith("> ")]
    return [one for one in (*inline, *written) if one not in NO_MESSAGE]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_word_to_write_means_one_command(language):
    vocabulary = vocabulary_of("client", (language,))
    names = {command.name for command in CLIENT_COMMANDS} | {"greeting"}
    for text in to_write(language):
        meant = understand(text, vocabulary)
        assert [one.intent for one in meant.intents if one.intent in names], text
        assert (meant.certainty, len(meant.intents)) == ("sure", 1), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reply_is_one_that_the_bot_gives(language):
    lines = golden(language).splitlines()
    replies = [line for line in shown(language) if not line.startswith("> ")]
    assert len(replies) > 40
    assert [line for line in replies if line not in lines] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_list_of_all_that_can_be_written_is_the_bots(language):
    answer = golden(language).split("=== maria: help all\n--- to maria\n")[1].split("===")[0]
    assert f"\n{answer}```\n" in guide(language)
    assert answer.count("\n") == len(CLIENT_COMMANDS) + 2


def test_guides_say_the_same_in_both_languages():
    headings, meant = [], []
    for language in ("en", "es"):
        vocabulary = vocabulary_of("client", (language,))
        headings.append(re.findall(r"^#+ \d?", guide(language), re.MULTILINE))
        meant.append(
            [
                one.intent
                for text in to_write(language)
                for one in understand(text, vocabulary).intents
            ]
        )
    assert headings[0] == headings[1]
    assert meant[0] == meant[1]

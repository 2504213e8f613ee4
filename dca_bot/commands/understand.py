r"""`dca-bot understand`: what messages mean, without configuration, ledger or network.

Each line of stdin is a message, in which the two characters `\n` stand for a line break; an empty line is an
empty message. Each message becomes a JSON object on a line of its own.
"""

import json
import sys
from collections.abc import Iterator

import typer

from dca_bot.chat.understanding.meaning import Understanding
from dca_bot.chat.understanding.reading import understand, vocabulary_of
from dca_bot.commands.console import can_write, say
from dca_bot.core.money import checked_currency
from dca_bot.messages.lexicon import LEXICONS


def print_understood(*, is_operator: bool, language: str | None, currency: str) -> None:
    """Print what each line of stdin means.

    Raise BadParameter for a language without a lexicon, and DcaBotError for an unknown currency.
    """
    if language is not None and language not in LEXICONS:
        raise typer.BadParameter(f"There are words for these languages: {', '.join(LEXICONS)}.")
    languages = LEXICONS if language is None else (language,)
    role = "operator" if is_operator else "client"
    vocabulary = vocabulary_of(role, languages, checked_currency(currency))
    for text in _messages():
        say(as_json(text, understand(text, vocabulary)))


def as_json(text: str, understood: Understanding) -> str:
    """Return a message with its meaning as a JSON object."""
    values = {
        "text": text,
        "intents": [
            {"intent": one.intent, "arguments": one.arguments} for one in understood.intents
        ],
        "certainty": understood.certainty,
        "asked": list(understood.asked),
    }
    line = json.dumps(values, ensure_ascii=False)
    return line if can_write(line) else json.dumps(values)


def _messages() -> Iterator[str]:
    """Yield the messages on stdin; bytes that are no UTF-8 become replacement characters."""
    stream = getattr(sys.stdin, "buffer", None)
    for line in sys.stdin if stream is None else stream:
        text = line if isinstance(line, str) else line.decode(errors="replace")
        yield text.removesuffix("\n").removesuffix("\r").replace("\\n", "\n")

"""Reads a message: the commands that are meant, with arguments, and how sure the reading is.

The invariants: a secret is refused before anything else is read. A change is never guessed.
Where a line among several can't be read, the message is asked back if any line changes something.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache

from dca_bot.chat.understanding.answers import is_no
from dca_bot.chat.understanding.arguments import OPERATOR, Names, is_media
from dca_bot.chat.understanding.exact import called, names_nobody
from dca_bot.chat.understanding.examples import examples_of
from dca_bot.chat.understanding.grammar import lists_of_words, row_of
from dca_bot.chat.understanding.intents import Effect, intent_of
from dca_bot.chat.understanding.lines import SOFT, does_change, read_line, without_courtesy
from dca_bot.chat.understanding.meaning import (
    NOTHING,
    Certainty,
    Intended,
    Understanding,
    refused,
    sure,
)
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.normaliser import CHARS_MAX, Line, Token, lines_of, plain_text
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.secrets import Secret, find_secret
from dca_bot.messages.lexicon import load_lexicon

LINES_MAX = 40
_TOKENS_MAX = 400
"""Bounds on the time that a message takes; a text that is passed on may have more lines."""
_BRACKETED = re.compile(r"\[[^\]]*\]")
_ADMIN = re.compile(r"(?i)\badmin")


@cache
def vocabulary_of(role: str, languages: tuple[str, ...], currency: str = "GTQ") -> Vocabulary:
    """Return the vocabulary of a role in some languages; raise OSError for a language without a lexicon."""
    lexicons = [load_lexicon(language) for language in languages]
    return Vocabulary(role, lexicons, currency, examples_of(role, languages))


def understand(
    text: str, vocabulary: Vocabulary, names: Collection[str] = (), machines: Collection[str] = ()
) -> Understanding:
    """Return the meaning of a message.

    `names`, `machines`: the names of clients and machines, folded, never read as words.

    >>> understand("cuánto tengo?", vocabulary_of("client", ("es",))).first
    Intended(intent='balance', arguments={})
    """
    secret = _secret(text, vocabulary)
    if secret is not None:
        return refused(f"secret.{secret}")
    lines = lines_of(text) if len(text) <= CHARS_MAX else []
    is_long = any(len(line.tokens) > _TOKENS_MAX for line in lines)
    if is_long or is_media(text) or _BRACKETED.fullmatch(plain_text(text).strip()) or not lines:
        return NOTHING
    known = Names(names, machines)
    passed_on = _passed_on(text, lines, vocabulary, known)
    if passed_on is not None:
        return passed_on
    if len(lines) > LINES_MAX:
        return NOTHING
    readings = [read_line(line, vocabulary, known) for line in lines]
    return readings[0] if len(readings) == 1 else _joined(lines, readings, vocabulary)


def _secret(text: str, vocabulary: Vocabulary) -> Secret | None:
    """Return the secret in a message; a key that may name a wallet or a person is none."""
    found = find_secret(text)
    if found is Secret.WALLET_KEY:
        return found if _ADMIN.search(text) else None
    return None if found is Secret.HEX_KEY and vocabulary.role == OPERATOR else found


def _passed_on(
    text: str, lines: Sequence[Line], vocabulary: Vocabulary, names: Names
) -> Understanding | None:
    """Read a command that passes on all further lines; None for other messages."""
    first = lines[0]
    name, length = called(first.tokens, vocabulary)
    row = row_of(vocabulary.role, name)
    if row is None or not row.params or not row.params[-1].verbatim or first.is_quoted:
        return None
    before = [param.name.lower() for param in row.params[:-1]]
    typed = plain_text(text).splitlines()
    start = next(n for n, line in enumerate(typed) if line.strip() and line.strip()[0] != ">")
    own = "\n".join(typed[start:]).rstrip().splitlines()
    to_whom = first.tokens[length : length + 1] if before else ()
    if to_whom and to_whom[0].word in vocabulary.list_of("mood", "introducing"):
        length += 1
    if names_nobody(row, first.tokens[length:], vocabulary, names):
        return None
    is_text = vocabulary.role == OPERATOR and len(first.tokens) > length
    if not is_text and not _said(first.tokens[length:], vocabulary) and len(own) == 1:
        return sure(name, {}, is_exact=True)
    given = "\n".join([first.text, *own[1:]]).split(maxsplit=length + len(before))[length:]
    if len(given) > len(before):
        values = vocabulary.values_of(lists_of_words(name, row.params[0])) if before else {}
        given[:-1] = [values.get(one.lower(), one) for one in given[:-1]]
        return sure(name, dict(zip([*before, "text"], given, strict=True)), is_exact=True)
    return None


def _said(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Token]:
    return without_courtesy(tokens, vocabulary, ())


def _joined(
    lines: Sequence[Line], readings: Sequence[Understanding], vocabulary: Vocabulary
) -> Understanding:
    """Join the readings of several lines, in order.

    A line of courtesy is left out beside others, and a command without arguments before the same command
    with some. A line that can't be read is left out only where all lines just tell something.
    """
    role = vocabulary.role
    is_change = any(does_change(reading, role) for reading in readings)
    stopping = (
        number
        for number, (line, reading) in enumerate(zip(lines, readings, strict=True), 1)
        if is_no(without_courtesy(line.tokens, vocabulary, ()), vocabulary)
        or _begins_a_sentence(vocabulary, line, reading)
    )
    if is_change and (stopped := next(stopping, 0)):
        return replace(NOTHING, unread=stopped)
    pairs: list[tuple[Intended, Understanding]] = []
    for number, (line, reading) in enumerate(zip(lines, readings, strict=True), 1):
        before = pairs[-1][0] if pairs else None
        if before and before.intent == reading.first.intent and _only_names(before, role):
            pairs.pop()
        is_courtesy = not without_courtesy(line.tokens, vocabulary, ())
        if not is_courtesy and (is_change or reading.first.intent not in SOFT):
            pairs += [(replace(one, line=number), reading) for one in reading.intents]
    if not pairs:
        return readings[0]
    intents = tuple(one for one, _ in pairs)
    doubted = [pair for pair in pairs if pair[1].certainty is not Certainty.SURE]
    if not doubted:
        return Understanding(intents, Certainty.SURE)
    asked = doubted[0][1].asked or (intents[0].intent,)
    return Understanding(intents, Certainty.ASK, asked, unread=doubted[0][0].line)


def _only_names(one: Intended, role: str) -> bool:
    """Tell whether a line only names a command, for the next line to go on with, with nothing unread."""
    intent = intent_of(role, one.intent)
    is_harmless = intent.effect is Effect.TELLS or intent.bare_tells
    return not one.arguments and (one.is_exact or is_harmless)


def _begins_a_sentence(vocabulary: Vocabulary, line: Line, reading: Understanding) -> bool:
    """Tell whether a line denies, asks or puts a condition on what stands in another line: `No quiero`."""
    tokens = without_courtesy(line.tokens, vocabulary, ())
    if reading.is_exact or not tokens:
        return False
    mood = mood_of(line, tokens, vocabulary)
    is_whole = reading.certainty is Certainty.SURE and reading.first.intent not in SOFT
    if is_whole:
        return mood in (Mood.CONDITIONAL, Mood.QUOTATION)
    return mood not in (Mood.PLAIN, Mood.REQUEST)

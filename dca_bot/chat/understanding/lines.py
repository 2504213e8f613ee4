"""Reads a line: an answer with a code, an exact command, plain words, or several commands in one line."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from dca_bot.chat.understanding.arguments import Names
from dca_bot.chat.understanding.code_answers import code_in_answer
from dca_bot.chat.understanding.dictated import with_dictated
from dca_bot.chat.understanding.exact import Refused, called, read_exact
from dca_bot.chat.understanding.exactness import with_exact_amount
from dca_bot.chat.understanding.grammar import Exact, is_code
from dca_bot.chat.understanding.intents import HELP, NONE, REFUSED, THANKS, changes, intent_of
from dca_bot.chat.understanding.meaning import Certainty, Understanding, refused, sure
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.normaliser import Line, Token, line_of
from dca_bot.chat.understanding.plain import read_plain
from dca_bot.chat.understanding.vocabulary import Vocabulary

SOFT = frozenset({HELP, THANKS, NONE})
"""Meanings that count only where a message has no other."""
_PARTS_MAX, _PARTS_TOKENS_MAX = 8, 60
"""A longer line is a story, no list of commands."""


def read_line(line: Line, vocabulary: Vocabulary, names: Names) -> Understanding:
    """Return the meaning of a line; several commands in a line are read as several."""
    whole = _read_part(line, vocabulary, names)
    is_settled = whole.is_exact and "note" not in whole.first.arguments
    is_long = len(line.tokens) > _PARTS_TOKENS_MAX
    if is_settled or is_long or whole.first.intent == REFUSED:
        return whole
    for parts in (_separated(line, vocabulary), _words_apart(line, vocabulary)):
        several = _several(parts, vocabulary, names)
        tokens = without_courtesy(line.tokens, vocabulary, names)
        is_meant = mood_of(line, tokens, vocabulary) is Mood.PLAIN
        if several and (is_meant or not does_change(several, vocabulary.role)):
            return several
    return whole


def does_change(understood: Understanding, role: str) -> bool:
    """Tell whether a meaning has a command that changes something or passes a text on."""
    return any(changes(role, one.intent) for one in understood.intents)


def without_courtesy(
    tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> list[Token]:
    """Return tokens without greetings, polite words, forms of address and emoji."""
    found: list[Token] = []
    words = [token.word for token in tokens]
    place = 0
    while place < len(tokens):
        phrases = vocabulary.courtesy.get(words[place], frozenset())
        said = (len(p) for p in phrases if tuple(words[place : place + len(p)]) == p)
        length = 0 if words[place] in names else max(said, default=0)
        if not length and any(map(str.isalnum, words[place])):
            found.append(tokens[place])
        place += max(length, 1)
    return found


def _read_part(line: Line, vocabulary: Vocabulary, names: Names) -> Understanding:
    line = replace(line, tokens=tuple(with_dictated(line.tokens, vocabulary, names)))
    return with_exact_amount(_as_said(line, vocabulary, names), line, vocabulary)


def _as_said(line: Line, vocabulary: Vocabulary, names: Names) -> Understanding:
    """Read a line; an amount is read as if the amount were exact."""
    tokens = without_courtesy(line.tokens, vocabulary, names)
    if not tokens:
        greeting = read_plain(line, line.tokens, vocabulary, names)
        is_clear = greeting.asked[:1] in ((HELP,), (THANKS,))
        return sure(greeting.first.intent, {}) if is_clear else greeting
    code = "" if line.is_question else _code_in(tokens, vocabulary)
    if code:
        return sure("confirm", {"code": code}, is_exact=True)
    exact = read_exact(tokens, vocabulary, names)
    if isinstance(exact, Refused) and not line.is_question:
        return refused(exact.why, exact.name)
    if isinstance(exact, Exact) and (
        not (line.is_question or line.is_quoted) or not _changes(exact, vocabulary.role)
    ):
        return sure(exact.name, exact.arguments, is_exact=True)
    found = read_plain(line, tokens, vocabulary, names)
    if found.certainty is Certainty.NONE and len(tokens) < len(line.tokens):
        whole = read_plain(line, line.tokens, vocabulary, names)
        return found if whole.certainty is Certainty.NONE else whole
    return found


def _changes(exact: Exact, role: str) -> bool:
    only_tells = intent_of(role, exact.name).bare_tells and not exact.arguments
    return changes(role, exact.name) and not only_tells


def _code_in(tokens: Sequence[Token], vocabulary: Vocabulary) -> str:
    """Return the code of an answer like `sí, 7K2Q`; empty for other messages."""
    code = code_in_answer(tokens, vocabulary)
    if not is_code(code):
        return ""
    is_mixed = not code.isalpha() and not code.isdecimal()
    is_loud = code.isupper() and len(tokens) > 1
    return code.upper() if is_mixed or is_loud else ""


def _several(parts: Sequence[Line], vocabulary: Vocabulary, names: Names) -> Understanding | None:
    """Read a line as several commands; None unless each part is sure, and each change exact.

    A line that changes something and cancels is none.
    """
    if not 2 <= len(parts) <= _PARTS_MAX:
        return None
    readings = list(_each(parts, vocabulary, names))
    firm = [one for one in readings if one.first.intent not in SOFT]
    meant = {one.first.intent for one in firm}
    is_complete = all(one.first.intent != NONE for one in readings)
    is_sure = all(one.certainty is Certainty.SURE and one.first.intent != REFUSED for one in firm)
    is_change = any(changes(vocabulary.role, name) for name in meant)
    is_safe = all(one.is_exact or not changes(vocabulary.role, one.first.intent) for one in firm)
    is_safe = is_safe and not (is_change and "cancel" in meant)
    exact = [one for one in firm if one.is_exact]
    is_list = len(exact) == len(firm) or (len(meant) > 1 and len(exact) > 0)
    if len(firm) > 1 and is_complete and is_sure and is_safe and is_list:
        return Understanding(tuple(one.first for one in firm), Certainty.SURE)
    return None


def _each(parts: Sequence[Line], vocabulary: Vocabulary, names: Names) -> Iterator[Understanding]:
    """Read each part of a line; a part without a command has the command before: `deposit ana 5, eva 7`."""
    command = ""
    for part in parts:
        reading = _read_part(part, vocabulary, names)
        # Where clients are known to be named, a part without a name is no list's.
        is_listed = not names or any(token.word in names for token in part.tokens)
        is_open = is_listed and not reading.is_exact
        if command and is_open and reading.first.intent not in (HELP, THANKS):
            again = _read_part(line_of(f"{command} {part.text}"), vocabulary, names)
            reading = again if again.is_exact else reading
        command = reading.first.intent if reading.is_exact else command
        yield reading


def _separated(line: Line, vocabulary: Vocabulary) -> list[Line]:
    """Return the parts between commas, semicolons and words like `y`."""
    joining = "|".join(sorted(map(re.escape, vocabulary.list_of("joining", "words"))))
    parts = re.split(rf"\s*[;,.]\s+|\s*;\s*|(?i:\s+(?:{joining})\s+)", line.text)
    return [line_of(part) for part in parts if part.strip()] if len(parts) <= _PARTS_MAX else []


def _words_apart(line: Line, vocabulary: Vocabulary) -> list[Line]:
    """Return the words of a line that has nothing but commands that tell something: `balance history`."""
    for token in line.tokens:
        name, _ = called([token], vocabulary)
        if not name or name in SOFT or changes(vocabulary.role, name):
            return []
    return [line_of(token.word) for token in line.tokens]

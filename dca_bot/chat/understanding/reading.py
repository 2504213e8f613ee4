"""Reads a message: the commands that are meant, with arguments, and how sure the reading is.

The invariants: a secret is refused before anything else is read. A change is never guessed.
Where a line among several can't be read, the message is asked back if any line changes something.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache, partial

from dca_bot.chat.understanding.arguments import OPERATOR, is_media
from dca_bot.chat.understanding.exact import Refused, called, read_exact
from dca_bot.chat.understanding.grammar import Exact, is_code, row_of
from dca_bot.chat.understanding.intents import HELP, NONE, REFUSED, THANKS, changes, intent_of
from dca_bot.chat.understanding.meaning import (
    NOTHING,
    Certainty,
    Intended,
    Understanding,
    refused,
    sure,
)
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.normaliser import (
    CHARS_MAX,
    Line,
    Token,
    line_of,
    lines_of,
    plain_text,
)
from dca_bot.chat.understanding.plain import read_plain
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.secrets import Secret, find_secret
from dca_bot.messages.lexicon import load_lexicon

_TOKENS_MAX = 400
_PARTS_MAX, _PARTS_TOKENS_MAX = 8, 60
"""A longer line is a story, no list of commands."""
_BRACKETED = re.compile(r"\[[^\]]*\]")
_ADMIN = re.compile(r"(?i)\badmin")
_SOFT = frozenset({HELP, THANKS, NONE})
"""Meanings that count only where a message has no other."""


@cache
def vocabulary_of(role: str, languages: tuple[str, ...], currency: str = "GTQ") -> Vocabulary:
    """Return the vocabulary of a role in some languages; raise OSError for a language without a lexicon."""
    return Vocabulary(role, [load_lexicon(language) for language in languages], currency)


def understand(text: str, vocabulary: Vocabulary, names: Collection[str] = ()) -> Understanding:
    """Return the meaning of a message; `names`: the clients' names, folded, never read as words.

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
    passed_on = _passed_on(text, lines, vocabulary)
    if passed_on is not None:
        return passed_on
    readings = [_read_line(line, vocabulary, names) for line in lines]
    return readings[0] if len(readings) == 1 else _joined(lines, readings, vocabulary)


def _secret(text: str, vocabulary: Vocabulary) -> Secret | None:
    """Return the secret in a message; a key that may name a wallet or a person is none."""
    found = find_secret(text)
    if found is Secret.WALLET_KEY:
        return found if _ADMIN.search(text) else None
    return None if found is Secret.HEX_KEY and vocabulary.role == OPERATOR else found


def _passed_on(text: str, lines: Sequence[Line], vocabulary: Vocabulary) -> Understanding | None:
    """Read a command that passes on all further lines; None for other messages."""
    first = lines[0]
    name, length = called(first.tokens, vocabulary)
    row = row_of(vocabulary.role, name)
    if row is None or not row.params or not row.params[-1].verbatim or first.is_quoted:
        return None
    before = [param.name.lower() for param in row.params[:-1]]
    kept = [line for line in plain_text(text).splitlines() if line.strip()]
    own = [line for line in kept if not line.startswith(">")]
    to_whom = first.tokens[length : length + 1] if before else ()
    if to_whom and to_whom[0].word in vocabulary.list_of("mood", "introducing"):
        length += 1
    given = "\n".join([first.text, *own[1:]]).split(maxsplit=length + len(before))[length:]
    if len(given) > len(before):
        return sure(name, dict(zip([*before, "text"], given, strict=True)), is_exact=True)
    is_bare = len(first.tokens) == length and len(lines) == 1
    return sure(name, {}, is_exact=True) if is_bare else None


def _joined(
    lines: Sequence[Line], readings: Sequence[Understanding], vocabulary: Vocabulary
) -> Understanding:
    """Join the readings of several lines, in order.

    A line of courtesy is left out beside others, and a command without arguments before the same command
    with some. A line that can't be read is left out only where all lines just tell something.
    """
    role = vocabulary.role
    does_change = any(_does_change(reading, role) for reading in readings)
    if does_change and any(map(partial(_begins_a_sentence, vocabulary), lines, readings)):
        return NOTHING
    pairs: list[tuple[Intended, Understanding]] = []
    for line, reading in zip(lines, readings, strict=True):
        before = pairs[-1][0] if pairs else None
        if before and before.intent == reading.first.intent and not before.arguments:
            pairs.pop()
        is_courtesy = not _without_courtesy(line.tokens, vocabulary, ())
        if not is_courtesy and (does_change or reading.first.intent not in _SOFT):
            pairs += [(one, reading) for one in reading.intents]
    if not pairs:
        return readings[0]
    intents = tuple(one for one, _ in pairs)
    doubted = [one for _, one in pairs if one.certainty is not Certainty.SURE]
    if not doubted:
        return Understanding(intents, Certainty.SURE)
    return Understanding(intents, Certainty.ASK, doubted[0].asked or (intents[0].intent,))


def _begins_a_sentence(vocabulary: Vocabulary, line: Line, reading: Understanding) -> bool:
    """Tell whether a line denies, asks or puts a condition on what stands in another line: `No quiero`."""
    tokens = _without_courtesy(line.tokens, vocabulary, ())
    if reading.is_exact or not tokens:
        return False
    mood = mood_of(line, tokens, vocabulary)
    is_whole = reading.certainty is Certainty.SURE and reading.first.intent not in _SOFT
    if is_whole:
        return mood in (Mood.CONDITIONAL, Mood.QUOTATION)
    return mood not in (Mood.PLAIN, Mood.REQUEST)


def _read_line(line: Line, vocabulary: Vocabulary, names: Collection[str]) -> Understanding:
    whole = _read_part(line, vocabulary, names)
    is_settled = whole.is_exact and "note" not in whole.first.arguments
    is_long = len(line.tokens) > _PARTS_TOKENS_MAX
    if is_settled or is_long or whole.first.intent == REFUSED:
        return whole
    for parts in (_separated(line, vocabulary), _words_apart(line, vocabulary)):
        several = _several(parts, vocabulary, names)
        tokens = _without_courtesy(line.tokens, vocabulary, names)
        is_meant = mood_of(line, tokens, vocabulary) is Mood.PLAIN
        if several and (is_meant or not _does_change(several, vocabulary.role)):
            return several
    return whole


def _read_part(line: Line, vocabulary: Vocabulary, names: Collection[str]) -> Understanding:
    tokens = _without_courtesy(line.tokens, vocabulary, names)
    if not tokens:
        greeting = read_plain(line, line.tokens, vocabulary, names)
        return sure(greeting.first.intent, {}) if greeting.asked[:1] == (HELP,) else greeting
    code = "" if line.is_question else _code_in(tokens, vocabulary)
    if code:
        return sure("confirm", {"code": code}, is_exact=True)
    exact = read_exact(tokens, vocabulary)
    if isinstance(exact, Refused) and not line.is_question:
        return refused(exact.why, exact.name)
    if isinstance(exact, Exact) and (
        not (line.is_question or line.is_quoted) or not _changes(exact, vocabulary.role)
    ):
        return sure(exact.name, exact.arguments, is_exact=True)
    found = read_plain(line, tokens, vocabulary, names)
    if found is NOTHING and len(tokens) < len(line.tokens):
        return read_plain(line, line.tokens, vocabulary, names)
    return found


def _changes(exact: Exact, role: str) -> bool:
    only_tells = intent_of(role, exact.name).bare_tells and not exact.arguments
    return changes(role, exact.name) and not only_tells


def _does_change(understood: Understanding, role: str) -> bool:
    return any(changes(role, one.intent) for one in understood.intents)


def _code_in(tokens: Sequence[Token], vocabulary: Vocabulary) -> str:
    """Return the code of an answer like `sí, 7K2Q`; empty for other messages."""
    yes = vocabulary.list_of("yes", "words")
    others = [token.raw for token in tokens if token.word not in yes]
    if len(others) != 1 or not is_code(others[0]):
        return ""
    code = others[0]
    is_mixed = not code.isalpha() and not code.isdecimal()
    is_loud = code.isupper() and len(tokens) > 1
    return code.upper() if is_mixed or is_loud else ""


def _without_courtesy(
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


def _several(
    parts: Sequence[Line], vocabulary: Vocabulary, names: Collection[str]
) -> Understanding | None:
    """Read a line as several commands; None unless each part is sure, and each change exact."""
    if not 2 <= len(parts) <= _PARTS_MAX:
        return None
    readings = list(_each(parts, vocabulary, names))
    firm = [one for one in readings if one.first.intent not in _SOFT]
    meant = {one.first.intent for one in firm}
    is_complete = all(one.first.intent != NONE for one in readings)
    is_sure = all(one.certainty is Certainty.SURE and one.first.intent != REFUSED for one in firm)
    is_safe = all(one.is_exact or not changes(vocabulary.role, one.first.intent) for one in firm)
    exact = [one for one in firm if one.is_exact]
    is_list = len(exact) == len(firm) or (len(meant) > 1 and len(exact) > 0)
    if len(firm) > 1 and is_complete and is_sure and is_safe and is_list:
        return Understanding(tuple(one.first for one in firm), Certainty.SURE)
    return None


def _each(
    parts: Sequence[Line], vocabulary: Vocabulary, names: Collection[str]
) -> Iterator[Understanding]:
    """Read each part of a line; a part without a command has the command before: `deposit ana 5, eva 7`."""
    command = ""
    for part in parts:
        reading = _read_part(part, vocabulary, names)
        if command and not reading.is_exact and reading.first.intent not in (HELP, THANKS):
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
        if not name or name in _SOFT or changes(vocabulary.role, name):
            return []
    return [line_of(token.word) for token in line.tokens]

"""Reads a message: which commands it means, with which arguments, and how sure that is.

The invariants: what changes something is never guessed, and never read from a question, a negation, a
quotation or a conditional. A setting is sure only as an exact command. Where one line of several can't be
read, the whole message is asked back if any line changes something.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, partial

from dca_bot.chat.understanding.arguments import OPERATOR, is_media, places_of
from dca_bot.chat.understanding.exact import Refused, begins_with, command_words, read_exact
from dca_bot.chat.understanding.grammar import Exact, is_code, row_of
from dca_bot.chat.understanding.intents import (
    HELP,
    NONE,
    OF_NAMED_CLIENT,
    REFUSED,
    THANKS,
    Effect,
    changes,
    intent_of,
)
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.normaliser import Line, Token, line_of, lines_of, plain_text
from dca_bot.chat.understanding.numbers import in_digits
from dca_bot.chat.understanding.scoring import Candidate, Word, rank
from dca_bot.chat.understanding.slots import Said, fill
from dca_bot.chat.understanding.vocabulary import NO_MATCH, Match, Vocabulary
from dca_bot.core.secrets import Secret, find_secret
from dca_bot.messages.lexicon import load_lexicon

_SURE_MIN, _MARGIN_MIN, _ASK_MIN = 10, 4, 3
_SEPARATOR = re.compile(r"\s*[;,]\s+|\s*;\s*")
_BRACKETED = re.compile(r"\[[^\]]*\]")
_NUMBERS = frozenset(
    {"AMOUNT", "FIAT", "PAGE", "RANGE", "ID", "IDS", "PERCENT", "FILTER", "COUNTED"}
)
_SOFT = frozenset({HELP, THANKS, NONE})


class Certainty(StrEnum):
    """How sure a reading is: SURE runs, ASK is asked back, NONE is not understood."""

    SURE = "sure"
    ASK = "ask"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Intended:
    """A command that a message means, with its arguments."""

    intent: str
    arguments: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a message means. `asked`: the likeliest commands, for a question back."""

    intents: tuple[Intended, ...]
    certainty: Certainty
    asked: tuple[str, ...] = ()
    is_exact: bool = False


NOTHING = Understanding((Intended(NONE, {}),), Certainty.NONE)


@cache
def vocabulary_of(role: str, languages: tuple[str, ...], currency: str = "GTQ") -> Vocabulary:
    """Return the vocabulary of a role in some languages; raise OSError for a language without a lexicon."""
    return Vocabulary(role, [load_lexicon(language) for language in languages], currency)


def understand(
    text: str, vocabulary: Vocabulary, names: Collection[str] = ()
) -> Understanding:
    """Tell what a message means; `names`: the clients' names, which are never read as words."""
    secret = _secret(text, vocabulary)
    if secret is not None:
        return _refused(f"secret.{secret}")
    lines = lines_of(text)
    if not lines or is_media(text) or _BRACKETED.fullmatch(plain_text(text).strip()):
        return NOTHING
    passed_on = _passed_on(text, lines, vocabulary)
    if passed_on is not None:
        return passed_on
    readings = [_read_line(line, vocabulary, names) for line in lines]
    return readings[0] if len(readings) == 1 else _of_lines(readings, vocabulary.role)


def _secret(text: str, vocabulary: Vocabulary) -> Secret | None:
    """Return the secret in a message; a key that stands where a wallet or a person is named is none."""
    found = find_secret(text)
    if found not in (Secret.WALLET_KEY, Secret.HEX_KEY):
        return found
    is_admin = re.search(r"(?i)\badmin", text) is not None
    if found is Secret.WALLET_KEY:
        return found if is_admin else None
    return None if vocabulary.role == OPERATOR else found


def _refused(why: str, command: str = "") -> Understanding:
    arguments: dict[str, str | int] = {"why": why}
    if command:
        arguments["command"] = command
    return Understanding((Intended(REFUSED, arguments),), Certainty.SURE)


def _sure(found: Exact, *, is_exact: bool = False) -> Understanding:
    intended = Intended(found.name, found.arguments)
    return Understanding((intended,), Certainty.SURE, is_exact=is_exact)


def _passed_on(text: str, lines: Sequence[Line], vocabulary: Vocabulary) -> Understanding | None:
    """Read a command that takes all further lines as its text; None for other messages."""
    first = lines[0]
    if first.is_question and first.is_quoted:
        return None
    name, length = begins_with(first.tokens, command_words(vocabulary))
    row = row_of(vocabulary.role, name)
    if row is None or not row.params or not row.params[-1].verbatim:
        return None
    before = [param.name.lower() for param in row.params[:-1]]
    kept = [line for line in plain_text(text).splitlines() if line.strip() and not line.startswith(">")]
    parts = "\n".join([first.text, *kept[1:]]).split(maxsplit=length + len(before))
    given = parts[length:]
    if len(given) <= len(before):
        if len(first.tokens) > length or len(lines) > 1:
            return None
        return _sure(Exact(name, {}), is_exact=True)
    arguments = dict(zip([*before, "text"], given, strict=False))
    return _sure(Exact(name, {**arguments}), is_exact=True)


def _of_lines(readings: Sequence[Understanding], role: str) -> Understanding:
    """Join the readings of several lines, in order."""
    intents: list[Intended] = []
    kept: list[Understanding] = []
    for reading in readings:
        last = intents[-1] if intents else None
        if last and not last.arguments and [last.intent] == [one.intent for one in reading.intents]:
            intents.pop()
            kept.pop()
        intents += reading.intents
        kept += [reading] * len(reading.intents)
    firm = [place for place, one in enumerate(intents) if one.intent not in _SOFT]
    does_change = any(changes(role, one.intent) for one in intents)
    if does_change:
        firm = [p for p, one in enumerate(intents) if one.intent not in (THANKS, HELP)] or firm
    if not firm:
        return readings[0]
    chosen = tuple(intents[place] for place in firm)
    certainties = {kept[place].certainty for place in firm}
    if certainties == {Certainty.SURE}:
        return Understanding(chosen, Certainty.SURE)
    asked = next((kept[p].asked for p in firm if kept[p].certainty is not Certainty.SURE), ())
    return Understanding(chosen, Certainty.ASK, asked or (chosen[0].intent,))


def _read_line(line: Line, vocabulary: Vocabulary, names: Collection[str]) -> Understanding:
    whole = _read_part(line, vocabulary, names)
    has_note = "note" in whole.intents[0].arguments
    if (whole.is_exact and not has_note) or whole.intents[0].intent == REFUSED:
        return whole
    for parts in (_separated(line, vocabulary), _words_apart(line, vocabulary)):
        several = _several(parts, vocabulary, names)
        if several is not None:
            return several
    return whole


def _several(
    parts: Sequence[Line], vocabulary: Vocabulary, names: Collection[str]
) -> Understanding | None:
    """Read a line as several commands; None unless each part is sure by itself."""
    if len(parts) < 2:
        return None
    readings = []
    command = ""
    for part in parts:
        reading = _read_part(part, vocabulary, names)
        if command and not reading.is_exact:
            again = _read_part(line_of(f"{command} {part.text}"), vocabulary, names)
            reading = again if again.is_exact else reading
        if reading.is_exact:
            command = reading.intents[0].intent
        readings.append(reading)
    firm = [one for one in readings if one.intents[0].intent not in _SOFT]
    if len(firm) < 2 or any(one.certainty is not Certainty.SURE for one in firm):
        return None
    if any(one.intents[0].intent == REFUSED for one in firm):
        return None
    if len(firm) < len(readings) and any(
        one.intents[0].intent == NONE for one in readings
    ):
        return None
    if len({one.intents[0].intent for one in firm}) < 2 and not firm[0].is_exact:
        return None
    if any(changes(vocabulary.role, one.intents[0].intent) and not one.is_exact for one in firm):
        return None
    return Understanding(tuple(one.intents[0] for one in firm), Certainty.SURE)


def _separated(line: Line, vocabulary: Vocabulary) -> list[Line]:
    """Return the parts between commas, semicolons and words like `y`."""
    joining = "|".join(sorted(map(re.escape, vocabulary.list_of("joining", "words"))))
    pattern = re.compile(rf"{_SEPARATOR.pattern}|\s+(?:{joining})\s+", re.IGNORECASE)
    return [line_of(part) for part in pattern.split(line.text) if part.strip()]


def _words_apart(line: Line, vocabulary: Vocabulary) -> list[Line]:
    """Return the words of a line that has nothing but names of commands: `balance history`."""
    commands = command_words(vocabulary)
    words = [token.word for token in line.tokens]
    if not all(word in commands and word not in _SOFT for word in words):
        return []
    if any(changes(vocabulary.role, commands[word]) for word in words):
        return []
    return [line_of(word) for word in words]


def _read_part(line: Line, vocabulary: Vocabulary, names: Collection[str]) -> Understanding:
    tokens = _without_courtesy(line.tokens, vocabulary, names)
    if not tokens:
        return _plain(line, line.tokens, vocabulary, names)
    code = _code_in(tokens, vocabulary)
    if code:
        return _sure(Exact("confirm", {"code": code}), is_exact=True)
    exact = read_exact(tokens, vocabulary)
    if isinstance(exact, Refused) and not line.is_question:
        return _refused(exact.why, exact.name)
    if isinstance(exact, Exact):
        does_change = changes(vocabulary.role, exact.name) and bool(
            exact.arguments or not intent_of(vocabulary.role, exact.name).bare_tells
        )
        if not does_change or not (line.is_question or line.is_quoted):
            return _sure(exact, is_exact=True)
    found = _plain(line, tokens, vocabulary, names)
    if found is NOTHING and len(tokens) < len(line.tokens):
        return _plain(line, line.tokens, vocabulary, names)
    return found


def _code_in(tokens: Sequence[Token], vocabulary: Vocabulary) -> str:
    """Return the code of an answer like `sí, 7K2Q`; empty for other messages."""
    yes = vocabulary.list_of("yes", "words")
    others = [token for token in tokens if token.word not in yes]
    if len(others) != 1 or not is_code(others[0].raw):
        return ""
    raw = others[0].raw
    is_mixed = not raw.isalpha() and not raw.isdecimal()
    is_loud = raw.isupper() and len(tokens) > 1
    return raw.upper() if is_mixed or is_loud else ""


def _without_courtesy(
    tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> list[Token]:
    """Return tokens without greetings, polite words and forms of address."""
    found: list[Token] = []
    place = 0
    while place < len(tokens):
        length = next(
            (
                length
                for length in (5, 4, 3, 2, 1)
                if tuple(t.word for t in tokens[place : place + length]) in vocabulary.polite
                and tokens[place].word not in names
            ),
            0,
        )
        if not length:
            found.append(tokens[place])
        place += max(length, 1)
    return found


def _plain(
    line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> Understanding:
    """Read plain words by the phrases of the lexicons."""
    role = vocabulary.role
    tokens = in_digits(tokens, vocabulary)
    said, words = [], []
    before = ""
    for token in tokens:
        places = places_of(token, before, role, vocabulary, names)
        is_fixed = bool(places.places) and places.places != {"NAME"}
        match = NO_MATCH if is_fixed else vocabulary.match(token.word)
        words.append(
            Word(
                Match(match.words | places.places, match.corrected),
                token.word not in vocabulary.small,
                is_number=bool(places.places & {"AMOUNT", "ID"}),
            )
        )
        is_guess = "NAME" in places.places and not (
            token.word in names or token.raw in names or any(map(str.isdigit, token.word))
        )
        said.append(Said(token, places, is_sure=not is_guess))
        before = token.word
    ranked = _allowed(_with_called(rank(words, vocabulary, partial(_takes_number, role)), tokens, vocabulary), said, role)
    if not ranked or ranked[0].points < _ASK_MIN:
        return NOTHING
    best = ranked[0]
    used = [tokens[place].word for place in best.used]
    heard = tokens
    if intent_of(role, best.intent).effect is Effect.TEXT and role == OPERATOR:
        heard = tokens[: max(best.used) + 1]
    mood = mood_of(line, heard, vocabulary, used)
    return _judged(best, ranked, mood, said, vocabulary)


def _takes_number(role: str, name: str) -> bool:
    row = row_of(role, name)
    return row is not None and any(param.name in _NUMBERS for param in row.params)


def _with_called(
    ranked: Sequence[Candidate], tokens: Sequence[Token], vocabulary: Vocabulary
) -> list[Candidate]:
    """Put the command first that a line calls by two words or more: `client add nueva1`."""
    name, length = begins_with(tokens, command_words(vocabulary))
    if length < 2 or row_of(vocabulary.role, name) is None:
        return list(ranked)
    points = max((one.points for one in ranked), default=0) + _MARGIN_MIN
    called = Candidate(name, max(points, _SURE_MIN), frozenset(range(length)), is_corrected=False)
    return [called, *(one for one in ranked if one.intent != name)]


def _allowed(ranked: Sequence[Candidate], said: Sequence[Said], role: str) -> list[Candidate]:
    """Return the candidates without those for the whole programme, where a client is named."""
    has_name = role == OPERATOR and any("NAME" in one.places.places for one in said)
    return [one for one in ranked if not (has_name and one.intent in OF_NAMED_CLIENT)]


def _judged(
    best: Candidate,
    ranked: Sequence[Candidate],
    mood: Mood,
    said: Sequence[Said],
    vocabulary: Vocabulary,
) -> Understanding:
    role = vocabulary.role
    if best.intent == NONE:
        return replace(NOTHING)
    if best.intent == REFUSED:
        return _refused("destination.unreadable", "wallet")
    if _is_forbidden(best.intent, mood, role) and not intent_of(role, best.intent).bare_tells:
        others = [one for one in ranked[1:] if not changes(role, one.intent)]
        if mood is not Mood.QUESTION and others and others[0].intent not in (NONE, THANKS):
            told = _judged(others[0], others, mood, said, vocabulary)
            return replace(told, certainty=Certainty.ASK, asked=(others[0].intent,))
    asked = tuple(one.intent for one in ranked if one.points >= _ASK_MIN and one.intent != NONE)[:2]
    rival = ranked[1].points if len(ranked) > 1 else 0
    is_sure = best.points >= _SURE_MIN and best.points - rival >= _MARGIN_MIN
    is_sure = is_sure and all(said[place].is_sure for place in best.used)
    if changes(role, best.intent):
        if _is_forbidden(best.intent, mood, role):
            return _told_instead(best.intent, mood, asked, role, is_sure=is_sure)
        if intent_of(role, best.intent).effect in (Effect.SETTING, Effect.TEXT):
            bare = intent_of(role, best.intent).bare_tells
            filled = fill(best.intent, said, vocabulary)
            if isinstance(filled, Refused):
                return _refused(filled.why, filled.name)
            is_sure = is_sure and bare and not filled.arguments
        elif best.is_corrected or mood is Mood.REQUEST:
            is_sure = False
    filled = fill(best.intent, said, vocabulary)
    if isinstance(filled, Refused):
        return _refused(filled.why, filled.name)
    found = _sure(filled)
    if is_sure:
        return found
    asked = tuple(
        one for one in asked if one == best.intent or not changes(role, one)
    ) or (best.intent,)
    return replace(found, certainty=Certainty.ASK, asked=asked)


def _is_forbidden(name: str, mood: Mood, role: str) -> bool:
    return changes(role, name) and mood not in (Mood.PLAIN, Mood.REQUEST)


def _told_instead(
    name: str, mood: Mood, asked: tuple[str, ...], role: str, *, is_sure: bool
) -> Understanding:
    """Return what only tells, in place of a command that the mood of the line forbids."""
    intent = intent_of(role, name)
    if intent.bare_tells:
        found = _sure(Exact(name, {}))
    elif mood is Mood.QUESTION:
        found = _sure(Exact(intent.tells, {}) if intent.tells else Exact(HELP, {"command": name}))
    else:
        return NOTHING
    if is_sure and mood is Mood.QUESTION:
        return found
    return replace(found, certainty=Certainty.ASK, asked=(found.intents[0].intent,))

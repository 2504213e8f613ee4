"""Hears a line of plain words: the arguments that each token can be, and the commands, the likeliest first.

The invariant: a line with a client's name never means the whole programme.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from dca_bot.chat.understanding.arguments import NO_PLACES, OPERATOR, Names, Places, Said, places_of
from dca_bot.chat.understanding.exact import called
from dca_bot.chat.understanding.grammar import row_of
from dca_bot.chat.understanding.intents import HELP, OF_ALL, REFUSED, changes
from dca_bot.chat.understanding.normaliser import Line, Token
from dca_bot.chat.understanding.numbers import in_digits, with_mark
from dca_bot.chat.understanding.scoring import Candidate, Spoken, joined, rank
from dca_bot.chat.understanding.vocabulary import NO_MATCH, Vocabulary

SURE_MIN, MARGIN_MIN, ASK_MIN = 10, 4, 3
"""The points of a sure command, its lead over the next, and the points that are worth a question."""
_NUMBERS = frozenset({"AMOUNT", "FIAT", "PAGE", "RANGE", "ID", "PERCENT", "FILTER"})
_COUNTED = "MACHINE AMOUNT"
_MACHINE = Places(frozenset({"MACHINE", "NAME"}))
_MACHINE_WORDS_MAX = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of plain words, with the arguments that each token can be."""

    line: Line
    said: Sequence[Said]
    vocabulary: Vocabulary

    @property
    def role(self) -> str:
        """Return the sender's role."""
        return self.vocabulary.role

    @property
    def tokens(self) -> list[Token]:
        """Return the tokens of the line."""
        return [one.token for one in self.said]


def hear(line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, names: Names) -> Heard:
    """Return a line as heard; `tokens` are the line's without greetings and courtesy."""
    said = []
    before = ""
    is_named = any(token.word in names for token in tokens)
    joined = _with_machines(tokens, names)
    for token in in_digits(with_mark(joined, vocabulary.currency), vocabulary):
        one = _said(token, before, vocabulary, names)
        if is_named and not one.is_sure:  # No other word is taken for a name by guess.
            one = Said(token, NO_PLACES)
        said.append(one)
        before = token.word
    return Heard(line, _without_verb(said, vocabulary), vocabulary)


def ranked_by_both(heard: Heard) -> list[Candidate]:
    """Return the commands of a line by phrases and examples; empty for words that neither has."""
    words = [_word(one, heard.vocabulary) for one in heard.said]
    by_phrases = rank(words, heard.vocabulary, partial(_takes_numbers, heard.role))
    found = _without_all(_by_both(by_phrases, heard), heard)
    is_said = any(one.points >= ASK_MIN for one in found) or _is_heard(heard)
    return found if is_said else []


def _with_machines(tokens: Sequence[Token], names: Names) -> list[Token]:
    """Return tokens with a token for each machine's name, as `Zona 10`."""
    found: list[Token] = []
    left = list(tokens)
    while left:
        lengths = range(min(len(left), _MACHINE_WORDS_MAX), 1, -1)
        named = (n for n in lengths if _word_of(left[:n]) in names.machines)
        count = next(named, 1)
        raw = " ".join(one.raw for one in left[:count])
        found.append(Token(raw, _word_of(left[:count])))
        left = left[count:]
    return found


def _word_of(tokens: Sequence[Token]) -> str:
    return " ".join(one.word for one in tokens)


def _said(token: Token, before: str, vocabulary: Vocabulary, names: Names) -> Said:
    if token.word in names.machines and token.word not in names:
        return Said(token, _MACHINE)
    places = places_of(token, before, vocabulary, names)
    is_name = "NAME" in places.places
    is_sure = token.word in names or any(char.isdigit() for char in token.word)
    return Said(token, places, is_sure=is_sure or not is_name)


def _without_verb(said: Sequence[Said], vocabulary: Vocabulary) -> list[Said]:
    """Take no first word for a name by guess if a later name is introduced: `cóbrele 500 a ana`."""
    introducing = vocabulary.list_of("mood", "introducing")
    is_introduced = any(
        "NAME" in one.places.places and before.token.word in introducing
        for before, one in pairwise(said)
    )
    first = [
        one if one.is_sure or not is_introduced else Said(one.token, NO_PLACES) for one in said[:1]
    ]
    return [*first, *said[1:]]


def _word(one: Said, vocabulary: Vocabulary) -> Spoken:
    places = one.places.places
    is_word = not places or (places == {"NAME"} and not one.is_sure)
    match = vocabulary.match(one.token.word) if is_word else NO_MATCH
    return Spoken(
        replace(match, words=match.words | places),
        says_something=one.token.word not in vocabulary.small
        and any(map(str.isalnum, one.token.word)),
        is_number=bool(places & {"AMOUNT", "ID"}),
    )


def _takes_numbers(role: str, name: str) -> bool:
    row = row_of(role, name)
    return row is not None and any(param.name in (*_NUMBERS, _COUNTED) for param in row.params)


def _by_both(ranked: Sequence[Candidate], heard: Heard) -> list[Candidate]:
    """Rank by phrases and examples; a refusal and a command that is called by name need no examples."""
    name, length = called(heard.tokens, heard.vocabulary)
    if length > 1:
        return _with_called(ranked, name, length)
    if ranked and ranked[0].intent == REFUSED:
        return list(ranked)
    words = [token.word for token in heard.line.tokens]
    found = joined(ranked, heard.vocabulary.examples.scores(words))
    # A question about a change is answered by the help on the change.
    is_topic = ranked and changes(heard.role, ranked[0].intent) and found[0].intent == HELP
    return [*ranked] if is_topic else found


def _with_called(ranked: Sequence[Candidate], name: str, length: int) -> list[Candidate]:
    """Put the command first that a line calls by two words or more: `client add nueva1`."""
    points = max((one.points for one in ranked), default=0) + MARGIN_MIN
    first = Candidate(name, max(points, SURE_MIN), frozenset(range(length)))
    return [first, *(one for one in ranked if one.intent != name)]


def _without_all(ranked: Sequence[Candidate], heard: Heard) -> list[Candidate]:
    """Return the candidates, without commands for the whole programme if a client may be named.

    The first word may be a misspelt command: `pausr todo`.
    """
    named = {place for place, one in enumerate(heard.said) if "NAME" in one.places.places}
    if heard.role != OPERATOR or not named:
        return list(ranked)
    return [one for one in ranked if one.intent not in OF_ALL or named <= (one.used & {0})]


def _is_heard(heard: Heard) -> bool:
    """Tell whether the examples have at least half of the words that say something."""
    said = {one.token.word for one in heard.said if one.token.word not in heard.vocabulary.small}
    known = sum(map(heard.vocabulary.examples.has_heard, said))
    return known > 0 and 2 * known >= len(said)

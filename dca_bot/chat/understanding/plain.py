"""Reads a line of plain words: ranks the possible commands, and decides how sure the reading is.

The invariants: a command that changes something is never read from a question, a negation, a quotation or a
conditional. A setting is asked back. A message with a client's name never means the whole programme.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from dca_bot.chat.understanding.arguments import NO_PLACES, OPERATOR, places_of
from dca_bot.chat.understanding.exact import Refused, called
from dca_bot.chat.understanding.examples import POINT
from dca_bot.chat.understanding.grammar import Exact, row_of, runs_at_once
from dca_bot.chat.understanding.intents import (
    HELP,
    NONE,
    OF_ALL,
    REFUSED,
    THANKS,
    Effect,
    changes,
    intent_of,
)
from dca_bot.chat.understanding.meaning import (
    NOTHING,
    Certainty,
    Understanding,
    in_doubt,
    refused,
    sure,
)
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.normaliser import Line, Token
from dca_bot.chat.understanding.numbers import in_digits, with_mark
from dca_bot.chat.understanding.scoring import Candidate, Spoken, joined, rank
from dca_bot.chat.understanding.slots import Said, fill
from dca_bot.chat.understanding.vocabulary import NO_MATCH, Vocabulary

_SURE_MIN, _MARGIN_MIN, _ASK_MIN = 10, 4, 3
_UNHEARD = 2
"""How many more points a sure command needs for each word that the command doesn't account for."""
_ASKED_MAX = 2
_NEAREST_MAX = 3
_TYPO_TOKENS_MAX = 2
_NUMBERS = frozenset({"AMOUNT", "FIAT", "PAGE", "RANGE", "ID", "IDS", "PERCENT", "FILTER"})
_COUNTED = "MACHINE AMOUNT"


@dataclass(frozen=True, slots=True)
class _Heard:
    """A line of plain words, with the arguments that each token can be."""

    line: Line
    said: Sequence[Said]
    vocabulary: Vocabulary

    @property
    def role(self) -> str:
        return self.vocabulary.role

    @property
    def tokens(self) -> list[Token]:
        return [one.token for one in self.said]


def read_plain(
    line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> Understanding:
    """Return the meaning of a line of plain words; `tokens` are the line's without greetings and courtesy."""
    said = []
    before = ""
    is_named = any(token.word in names for token in tokens)
    for token in in_digits(with_mark(tokens, vocabulary.currency), vocabulary):
        one = _said(token, before, vocabulary, names)
        if is_named and not one.is_sure:  # No other word is taken for a name by guess.
            one = Said(token, NO_PLACES)
        said.append(one)
        before = token.word
    heard = _Heard(line, _without_verb(said, vocabulary), vocabulary)
    words = [_word(one, vocabulary) for one in heard.said]
    ranked = rank(words, vocabulary, partial(_takes_numbers, vocabulary.role))
    ranked = _without_all(_by_both(ranked, heard), heard)
    is_said = any(one.points >= _ASK_MIN for one in ranked) or _is_heard(heard)
    found = _judged(ranked, heard) if ranked and is_said else NOTHING
    if found.certainty is not Certainty.NONE:
        return found
    tells = (one.intent for one in ranked if one.points > 0 and not changes(heard.role, one.intent))
    return replace(found, nearest=tuple(tells)[:_NEAREST_MAX])


def _said(token: Token, before: str, vocabulary: Vocabulary, names: Collection[str]) -> Said:
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


def _by_both(ranked: Sequence[Candidate], heard: _Heard) -> list[Candidate]:
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
    points = max((one.points for one in ranked), default=0) + _MARGIN_MIN
    first = Candidate(name, max(points, _SURE_MIN), frozenset(range(length)))
    return [first, *(one for one in ranked if one.intent != name)]


def _without_all(ranked: Sequence[Candidate], heard: _Heard) -> list[Candidate]:
    """Return the candidates, without commands for the whole programme if a client may be named.

    The first word may be a misspelt command: `pausr todo`.
    """
    named = {place for place, one in enumerate(heard.said) if "NAME" in one.places.places}
    if heard.role != OPERATOR or not named:
        return list(ranked)
    return [one for one in ranked if one.intent not in OF_ALL or named <= (one.used & {0})]


def _is_heard(heard: _Heard) -> bool:
    """Tell whether the examples have at least half of the words that say something."""
    said = {one.token.word for one in heard.said if one.token.word not in heard.vocabulary.small}
    known = sum(map(heard.vocabulary.examples.has_heard, said))
    return known > 0 and 2 * known >= len(said)


def _judged(ranked: Sequence[Candidate], heard: _Heard) -> Understanding:
    best, role = ranked[0], heard.role
    if best.intent == NONE:
        return NOTHING
    if best.intent == REFUSED:
        return refused("destination.unreadable", "wallet")
    mood = _mood(best, heard)
    if changes(role, best.intent) and mood not in (Mood.PLAIN, Mood.REQUEST):
        return _told_instead(ranked, mood, heard)
    filled = fill(best.intent, heard.said, _rest(best, heard), heard.vocabulary)
    if isinstance(filled, Refused):
        return refused(filled.why, filled.name)
    if intent_of(role, best.intent).bare_tells and _is_denied(best, heard):
        filled = Exact(filled.name, {})
    found = sure(filled.name, filled.arguments)
    is_bare = intent_of(role, best.intent).bare_tells and not filled.arguments
    may_run = _may_run(best, mood, role) and not _is_uncoded(filled, heard)
    if _is_clear(ranked, heard) and (is_bare or may_run):
        return found
    asked = [
        one.intent
        for one in ranked[:_ASKED_MAX]
        if one is best or (one.points >= _ASK_MIN and not changes(role, one.intent))
    ]
    return in_doubt(found, tuple(name for name in asked if name != NONE))


def _mood(best: Candidate, heard: _Heard) -> Mood:
    """Return the mood of a line, without the text that a command would pass on."""
    tokens = heard.tokens
    used = [tokens[place].word for place in best.used]
    is_text = heard.role == OPERATOR and intent_of(OPERATOR, best.intent).effect is Effect.TEXT
    if is_text and best.used:
        tokens = tokens[: max(best.used) + 1]
    return mood_of(heard.line, tokens, heard.vocabulary, used)


def _is_denied(best: Candidate, heard: _Heard) -> bool:
    """Tell whether a negation belongs to the words of a command: `no me escriba tanto`."""
    negations = heard.vocabulary.list_of("mood", "negations")
    return any(heard.said[place].token.word in negations for place in best.used)


def _is_clear(ranked: Sequence[Candidate], heard: _Heard) -> bool:
    """Tell whether the likeliest command is far ahead, and names no client by guess.

    A command that accounts for all words of another, and for more, needs to be only a little ahead. None is
    clear beside words that are enough to be certain of another.
    """
    best, *others = ranked
    name, length = called(heard.tokens, heard.vocabulary)
    if length > 1 and name == best.intent:
        return True
    if others and best.weight - others[0].weight < _MARGIN_MIN * POINT:
        return False
    is_ahead = all(
        best.points - one.points >= (1 if one.used < best.used else _MARGIN_MIN) for one in others
    )
    is_alone = all(
        one.phrase_points < _SURE_MIN or one.used <= best.used or one.intent in (HELP, THANKS)
        for one in others
    )
    is_known = all(heard.said[place].is_sure for place in best.used)
    # In a sentence, a word that differs by a letter may well be another word: `salgo` isn't `saldo`.
    is_spelt = not best.is_typo or len(heard.said) <= _TYPO_TOKENS_MAX
    is_enough = best.points >= _SURE_MIN + _UNHEARD * best.left_over
    return is_enough and is_ahead and is_alone and is_known and is_spelt


def _may_run(best: Candidate, mood: Mood, role: str) -> bool:
    """Tell whether a command is carried out from plain words, or prepared for a code."""
    effect = intent_of(role, best.intent).effect
    if effect is Effect.TELLS:
        return True
    is_plain = mood is Mood.PLAIN and not best.is_corrected and not best.left_over
    return is_plain and effect in (Effect.CODED, Effect.CHANGES)


def _is_uncoded(filled: Exact, heard: _Heard) -> bool:
    """Tell whether plain words would change something at once: `withdraw 0` and `client close` have no code.

    Words in another order than a command's are plain words, unless the line begins with two of the command.
    """
    name, length = called(heard.tokens, heard.vocabulary)
    is_called = length > 1 and name == filled.name
    return not is_called and runs_at_once(filled, heard.role, heard.vocabulary.currency)


def _told_instead(ranked: Sequence[Candidate], mood: Mood, heard: _Heard) -> Understanding:
    """Return a command that only tells, in place of a command that the mood of the line forbids."""
    best, role = ranked[0], heard.role
    intent = intent_of(role, best.intent)
    others = [one for one in ranked[1:] if not changes(role, one.intent) and one.intent != NONE]
    if intent.bare_tells:
        found = sure(best.intent, {})
    elif mood is Mood.QUESTION:
        found = _asked_about(best.intent, intent.tells, heard)
    elif others and others[0].phrase_points >= _SURE_MIN:
        return in_doubt(sure(others[0].intent, {}))
    else:
        return NOTHING
    # `que siga comprando` is no question, though it begins like one.
    halves = heard.vocabulary.list_of("mood", "half_questions")
    is_half = not heard.line.is_question and heard.tokens[0].word in halves
    is_clear = mood is Mood.QUESTION and not is_half and _is_clear(ranked, heard)
    return found if is_clear else in_doubt(found)


def _asked_about(name: str, tells: str, heard: _Heard) -> Understanding:
    """Return the command that answers a question about a change."""
    if not tells:
        return sure(HELP, {"command": name})
    filled = fill(tells, heard.said, "", heard.vocabulary)
    return sure(tells, {} if isinstance(filled, Refused) else filled.arguments)


def _rest(best: Candidate, heard: _Heard) -> str:
    """Return an operator's text behind the words that name a command; a client's text isn't cut up."""
    if heard.role != OPERATOR or not best.used:
        return ""
    last = heard.said[max(best.used)].token.raw
    return heard.line.text.partition(last)[2].lstrip(" ,:;.-").strip()

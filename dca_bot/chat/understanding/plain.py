"""Judges a line of plain words: how sure the likeliest command is.

The invariants: a command that changes something is never read from a question, a negation, a quotation or a
conditional. A setting is asked back.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from dca_bot.chat.understanding.arguments import OPERATOR
from dca_bot.chat.understanding.exact import Refused, called
from dca_bot.chat.understanding.examples import POINT
from dca_bot.chat.understanding.grammar import Exact, runs_at_once
from dca_bot.chat.understanding.heard import (
    ASK_MIN,
    MARGIN_MIN,
    SURE_MIN,
    Heard,
    hear,
    ranked_by_both,
)
from dca_bot.chat.understanding.intents import (
    HELP,
    NONE,
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
from dca_bot.chat.understanding.scoring import Candidate
from dca_bot.chat.understanding.slots import fill
from dca_bot.chat.understanding.vocabulary import Vocabulary

_UNHEARD = 2
"""How many more points a sure command needs for each word that the command doesn't account for."""
_DENIED = 2
"""By how many points the examples may speak for another command beside a sure one."""
_LEAD_SURE, _LIKELY = 16, 6
"""The lead that makes a command sure that only tells something, and the least points by phrases."""
_ASKED_MAX = 2
_NEAREST_MAX = 3
_TYPO_TOKENS_MAX = 2


def read_plain(
    line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, names: Collection[str]
) -> Understanding:
    """Return the meaning of a line of plain words; `tokens` are the line's without greetings and courtesy."""
    heard = hear(line, tokens, vocabulary, names)
    ranked = ranked_by_both(heard)
    found = _judged(ranked, heard) if ranked else NOTHING
    if found.certainty is not Certainty.NONE:
        return found
    tells = (one.intent for one in ranked if one.points > 0 and not changes(heard.role, one.intent))
    return replace(found, nearest=tuple(tells)[:_NEAREST_MAX])


def _judged(ranked: Sequence[Candidate], heard: Heard) -> Understanding:
    best, role = ranked[0], heard.role
    if best.intent == NONE or _names_another(best, heard):
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
        if one is best or (one.points >= ASK_MIN and not changes(role, one.intent))
    ]
    return in_doubt(found, tuple(name for name in asked if name != NONE))


def _names_another(best: Candidate, heard: Heard) -> bool:
    """Tell whether a client's setting is said of somebody else: `pausar a juan`.

    Only operators set things for others, and `juan` is in no lexicon.
    """
    if heard.role == OPERATOR or intent_of(heard.role, best.intent).effect is not Effect.SETTING:
        return False
    whom = heard.vocabulary.list_of("mood", "whom")
    return any(
        before.token.word in whom and not heard.vocabulary.is_written(one.token.word)
        for before, one in pairwise(heard.said)
        if one.token.word.isalpha()
    )


def _mood(best: Candidate, heard: Heard) -> Mood:
    """Return the mood of a line, without the text that a command would pass on."""
    tokens = heard.tokens
    used = [tokens[place].word for place in best.used]
    is_text = heard.role == OPERATOR and intent_of(OPERATOR, best.intent).effect is Effect.TEXT
    if is_text and best.used:
        tokens = tokens[: max(best.used) + 1]
    return mood_of(heard.line, tokens, heard.vocabulary, used)


def _is_denied(best: Candidate, heard: Heard) -> bool:
    """Tell whether a negation belongs to the words of a command: `no me escriba tanto`."""
    negations = heard.vocabulary.list_of("mood", "negations")
    return any(heard.said[place].token.word in negations for place in best.used)


def _is_clear(ranked: Sequence[Candidate], heard: Heard) -> bool:
    """Tell whether the likeliest command is far ahead, and names no client by guess.

    A command that accounts for all words of another, and for more, needs to be only a little ahead. None is
    clear beside words that are enough to be certain of another, nor where the examples speak for another.
    What only tells something is clear where phrases and examples together are far ahead.
    """
    best, *others = ranked
    name, length = called(heard.tokens, heard.vocabulary)
    if length > 1 and name == best.intent:
        return True
    lead = (best.weight - others[0].weight) // POINT if others else MARGIN_MIN
    # A word alone is what its lexicon says: few examples have a single word.
    is_denied = len(heard.said) > 1 and any(
        one.score - best.score > _DENIED * POINT for one in others
    )
    if is_denied or (lead < MARGIN_MIN and any(one.score for one in ranked)):
        return False
    is_ahead = all(
        best.points - one.points >= (1 if one.used < best.used else MARGIN_MIN) for one in others
    )
    is_alone = all(
        one.phrase_points < SURE_MIN or one.used <= best.used or one.intent in (HELP, THANKS)
        for one in others
    )
    is_known = all(heard.said[place].is_sure for place in best.used)
    # In a sentence, a word that differs by a letter may well be another word: `salgo` isn't `saldo`.
    is_spelt = not best.is_typo or len(heard.said) <= _TYPO_TOKENS_MAX
    is_enough = is_ahead and best.points >= SURE_MIN + _UNHEARD * best.left_over
    is_telling = intent_of(heard.role, best.intent).effect is Effect.TELLS
    is_far_ahead = is_telling and lead >= _LEAD_SURE and best.points >= _LIKELY
    return (is_enough or is_far_ahead) and is_alone and is_known and is_spelt


def _may_run(best: Candidate, mood: Mood, role: str) -> bool:
    """Tell whether a command is carried out from plain words, or prepared for a code."""
    effect = intent_of(role, best.intent).effect
    if effect is Effect.TELLS:
        return True
    is_plain = mood is Mood.PLAIN and not best.is_corrected and not best.left_over
    return is_plain and effect in (Effect.CODED, Effect.CHANGES)


def _is_uncoded(filled: Exact, heard: Heard) -> bool:
    """Tell whether plain words would change something at once: `withdraw 0` and `client close` have no code.

    Words in another order than a command's are plain words, unless the line begins with two of the command.
    """
    name, length = called(heard.tokens, heard.vocabulary)
    is_called = length > 1 and name == filled.name
    return not is_called and runs_at_once(filled, heard.role, heard.vocabulary.currency)


def _told_instead(ranked: Sequence[Candidate], mood: Mood, heard: Heard) -> Understanding:
    """Return a command that only tells, in place of a command that the mood of the line forbids."""
    best, role = ranked[0], heard.role
    intent = intent_of(role, best.intent)
    others = [one for one in ranked[1:] if not changes(role, one.intent) and one.intent != NONE]
    if intent.bare_tells:
        found = sure(best.intent, {})
    elif mood is Mood.QUESTION:
        found = _asked_about(best.intent, intent.tells, heard)
    elif others and others[0].phrase_points >= SURE_MIN:
        return in_doubt(sure(others[0].intent, {}))
    else:
        return NOTHING
    # `que siga comprando` is no question, though it begins like one.
    halves = heard.vocabulary.list_of("mood", "half_questions")
    is_half = not heard.line.is_question and heard.tokens[0].word in halves
    is_clear = mood is Mood.QUESTION and not is_half and _is_clear(ranked, heard)
    return found if is_clear else in_doubt(found)


def _asked_about(name: str, tells: str, heard: Heard) -> Understanding:
    """Return the command that answers a question about a change."""
    if not tells:
        return sure(HELP, {"command": name})
    filled = fill(tells, heard.said, "", heard.vocabulary)
    return sure(tells, {} if isinstance(filled, Refused) else filled.arguments)


def _rest(best: Candidate, heard: Heard) -> str:
    """Return an operator's text behind the words that name a command; a client's text isn't cut up."""
    if heard.role != OPERATOR or not best.used:
        return ""
    last = heard.said[max(best.used)].token.raw
    return heard.line.text.partition(last)[2].lstrip(" ,:;.-").strip()

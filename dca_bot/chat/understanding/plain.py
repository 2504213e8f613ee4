"""Judges a line of plain words: how sure the likeliest command is.

The invariants: a command that changes something is never read from a question, a negation, a quotation or a
conditional. A setting is asked back.
"""

from collections.abc import Sequence
from dataclasses import replace

from dca_bot.chat.understanding.arguments import OPERATOR, Names
from dca_bot.chat.understanding.cash_out import paid_out, taken_back
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
from dca_bot.chat.understanding.others import ends_with_kin, is_of_another, owner_is_another
from dca_bot.chat.understanding.scoring import Candidate
from dca_bot.chat.understanding.slots import fill
from dca_bot.chat.understanding.values import months_lost
from dca_bot.chat.understanding.vocabulary import Vocabulary
from dca_bot.core.currencies import SATS, Mark, mark_of

_UNHEARD = 2
"""How many more points a sure command needs for each word that the command doesn't account for."""
_DENIED = 2
"""By how many points the examples may speak for another command beside a sure one."""
_LEAD_SURE, _LIKELY = 16, 6
"""The lead that makes a command sure that only tells something, and the least points by phrases."""
_ASKED_MAX = 2
_NEAREST_MAX = 3
_TYPO_TOKENS_MAX = 2
_LASTING = frozenset({"pause", "client pause"})
_SIGN_MAX = 2
"""Shorter words are signs of currencies, and parts of sentences too."""


def read_plain(
    line: Line, tokens: Sequence[Token], vocabulary: Vocabulary, names: Names
) -> Understanding:
    """Return the meaning of a line of plain words; `tokens` are the line's without greetings and courtesy."""
    heard = hear(line, tokens, vocabulary, names)
    back = taken_back(heard)
    if back is not None:
        return back
    ranked = ranked_by_both(heard)
    found = _judged(ranked, heard) if ranked else NOTHING
    if found.first.intent == "deposit":
        found = paid_out(heard) or found
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
    if _is_forbidden(best, mood, heard):
        return _told_instead(ranked, mood, heard)
    filled = fill(best.intent, heard.said, _rest(best, heard), heard.vocabulary)
    if isinstance(filled, Refused):
        return refused(filled.why, filled.name)
    if intent_of(role, best.intent).bare_tells and _is_denied(best, heard):
        filled = Exact(filled.name, {})
    found = sure(filled.name, filled.arguments)
    is_bare = intent_of(role, best.intent).bare_tells and not filled.arguments
    may_run = _may_run(best, mood, role) and not _is_uncoded(filled, heard)
    is_clear = (is_bare or may_run) and _is_clear(ranked, heard)
    if is_clear and not (
        _asks_of_dollars(best, heard) or months_lost(filled, heard.said, heard.vocabulary)
    ):
        return found
    asked = [
        one.intent
        for one in ranked[:_ASKED_MAX]
        if one is best or (one.points >= ASK_MIN and not changes(role, one.intent))
    ]
    return in_doubt(found, tuple(name for name in asked if name != NONE))


def _is_forbidden(best: Candidate, mood: Mood, heard: Heard) -> bool:
    """Tell whether the mood forbids a change, or a wallet is said to be somebody else's."""
    is_change = changes(heard.role, best.intent)
    is_anothers = best.intent == "wallet" and owner_is_another(heard.line.tokens, heard.vocabulary)
    return is_anothers or (is_change and mood not in (Mood.PLAIN, Mood.REQUEST))


def _names_another(best: Candidate, heard: Heard) -> bool:
    """Tell whether a client's setting is said of somebody else: `pausar a juan`, `pause my sister`.

    Only operators set things for others.
    """
    if heard.role == OPERATOR or intent_of(heard.role, best.intent).effect is not Effect.SETTING:
        return False
    return is_of_another(heard.tokens, best.used, heard.vocabulary) or ends_with_kin(
        heard.line.tokens, heard.vocabulary
    )


def _asks_of_dollars(best: Candidate, heard: Heard) -> bool:
    """Tell whether a question about a price names another currency, and no bitcoin: `a cuánto el dólar`."""
    if best.intent != "price":
        return False
    said = [one.raw for one in heard.tokens if len(one.raw) > _SIGN_MAX]
    is_bitcoin = any(mark_of(word, unit) is Mark.OWN for word in said for unit in (SATS, "BTC"))
    is_other = any(mark_of(word, heard.vocabulary.currency) is Mark.OTHER for word in said)
    return is_other and not is_bitcoin


def _mood(best: Candidate, heard: Heard) -> Mood:
    """Return the mood of a line, without the text that a command would pass on."""
    tokens = heard.tokens
    used = [tokens[place].word for place in best.used]
    if best.intent in _LASTING:  # `pause until monday`: the pause itself has no condition.
        untils = heard.vocabulary.list_of("mood", "untils")
        end = next((n for n, one in enumerate(tokens) if n and one.word in untils), len(tokens))
        tokens = tokens[:end]
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

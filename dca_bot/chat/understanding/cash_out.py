"""Reads of cash that is handed out, not brought: `gave ana 300`; or no longer wanted: `cancel my withdrawal`.

The order of the words decides: `gave ana 300` isn't `ana gave 300`. Phrases of a lexicon have no order.
Both readings are asked back.
"""

from collections.abc import Collection, Sequence

from dca_bot.chat.understanding.arguments import OPERATOR, Said
from dca_bot.chat.understanding.exact import Refused
from dca_bot.chat.understanding.heard import Heard
from dca_bot.chat.understanding.meaning import NOTHING, Understanding, in_doubt, sure
from dca_bot.chat.understanding.mood import Mood, mood_of
from dca_bot.chat.understanding.slots import fill
from dca_bot.chat.understanding.vocabulary import Vocabulary

_WITHDRAW = "withdraw"
_BETWEEN_MAX = 3
"""The words that may stand between `cancel` and `withdrawal`."""


def taken_back(heard: Heard) -> Understanding | None:
    """Read a line that takes a request for cash back, or declines a request; None for other lines.

    A client who names no amount, asks or says no is told how; an operator names the client.
    """
    if not _takes_back(heard.said, heard.vocabulary):
        return None
    is_meant = mood_of(heard.line, heard.tokens, heard.vocabulary) in (Mood.PLAIN, Mood.REQUEST)
    if heard.role != OPERATOR:
        has_amount = any("AMOUNT" in one.places.places for one in heard.said)
        return in_doubt(sure(_WITHDRAW, {"amount": "0"} if is_meant and has_amount else {}))
    named = _named(heard.said)
    if len(named) != 1 or not is_meant:
        return NOTHING
    name = heard.said[named[0]].token.raw
    return in_doubt(sure(_WITHDRAW, {"name": name, "amount": "0"}))


def paid_out(heard: Heard) -> Understanding | None:
    """Read a line that sounds like a deposit and hands cash to a client; None for other lines."""
    if not _client_gets(heard.said, heard.vocabulary):
        return None
    filled = fill(_WITHDRAW, heard.said, "", heard.vocabulary)
    return NOTHING if isinstance(filled, Refused) else in_doubt(sure(filled.name, filled.arguments))


def _takes_back(said: Sequence[Said], vocabulary: Vocabulary) -> bool:
    """Tell whether a word like `cancel` stands close before a word like `withdrawal`, or behind."""
    back, back_it, called = (
        vocabulary.list_of("cash", key) for key in ("back", "back_it", "withdrawals")
    )
    return _is_close(said, back, called, vocabulary) or _is_close(said, called, back_it, vocabulary)


def _is_close(
    said: Sequence[Said], first: Collection[str], second: Collection[str], vocabulary: Vocabulary
) -> bool:
    """Tell whether a word of `second` stands behind a word of `first`, close by."""
    for place, one in enumerate(said):
        behind = said[place + 1 : place + _BETWEEN_MAX + 2] if one.token.word in first else ()
        for count, later in enumerate(behind):
            if later.token.word in second:
                return all(_is_beside(other, vocabulary) for other in behind[:count])
    return False


def _client_gets(said: Sequence[Said], vocabulary: Vocabulary) -> bool:
    """Tell whether an amount goes to the client of a line: `dale 300 a ana`, `ana got 300`."""
    named = _named(said)
    if len(named) != 1:
        return False
    words = [one.token.word for one in said]
    before, behind = words[: named[0]], words[named[0] + 1 :]
    gives, gets, us = (vocabulary.list_of("cash", key) for key in ("gives", "gets", "us"))
    to, whom, theirs = (vocabulary.list_of("cash", key) for key in ("to", "whom", "theirs"))
    last = before[-1] if before else ""
    is_given = not gives.isdisjoint(before) and us.isdisjoint(before)
    # `unos 500 a ana` may be either.
    is_to = last in to or (last in whom and not theirs.isdisjoint(behind))
    is_bare = is_to and gets.isdisjoint(before) and all(_is_beside(one, vocabulary) for one in said)
    is_got = not gets.isdisjoint(behind[:2])
    return (is_given and last in gives | to | whom) or is_bare or is_got


def _named(said: Sequence[Said]) -> list[int]:
    """Return the places of clients' names."""
    return [n for n, one in enumerate(said) if one.is_sure and "NAME" in one.places.places]


def _is_beside(one: Said, vocabulary: Vocabulary) -> bool:
    """Tell whether a token is a name, a number or a word that says nothing when alone."""
    return bool(one.places.places) or one.token.word in vocabulary.small

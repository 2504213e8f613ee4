"""Describes reasons: the ledger has a code, and the catalogue of each language has the words of the code."""

from dca_bot.core.payout import Wait
from dca_bot.errors import Refusal
from dca_bot.messages.describe.layout import short
from dca_bot.messages.say import Field, Sat, Say, Word


def reason(code: str, said: str = "") -> Field:
    """Say the word of a code; `said`, if any, in place of the word: words for which there is no code."""
    return short(said) if said else Word("reason", code)


def waiting(why: Wait) -> Field:
    """Say why a payout waits: the word of the code, the broken limit, or the destination's own words."""
    match why:
        case Wait(Refusal.ABOVE_MAXIMUM, limit_sat=int(limit)):
            return Say("payout.above_maximum", limit=Sat(limit))
        case Wait(Refusal.BELOW_MINIMUM, limit_sat=int(limit)):
            return Say("payout.below_minimum", limit=Sat(limit))
    return reason(why.code, why.said)

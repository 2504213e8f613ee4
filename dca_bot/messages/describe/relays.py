"""Describes a relay's trouble: words for the code, and the relay's own words beside."""

from datetime import datetime

from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.messages.describe.layout import cut
from dca_bot.messages.say import NOTHING, Moment, Say

_SAID_LENGTH_MAX = 80


def said(words: str) -> Say:
    """Quote a relay's own words; NOTHING without words."""
    return Say("failure.said", said=cut(words, _SAID_LENGTH_MAX)) if words else NOTHING


def relay_lost(state: RelayState, since: datetime) -> Say:
    """Say on a line that a relay has been out of reach since a time, and why."""
    return Say("relay.lost", relay=state.url, since=Moment(since), why=_trouble(state))


def relay(state: RelayState) -> Say:
    """Say a relay's trouble on a line; NOTHING for a relay without trouble."""
    if not state.listening:
        return relay_lost(state, state.since)
    if state.trouble is None:
        return NOTHING
    return Say("relay.troubled", relay=state.url, why=_trouble(state))


def relay_trouble(code: RelayTrouble, words: str, status: int = 0) -> Say:
    """Say a trouble of a relay; `words`: the relay's own, `status`: the HTTP status."""
    return Say(f"relay_trouble.{code}", status=status, said=said(words))


def _trouble(state: RelayState) -> Say:
    return relay_trouble(state.trouble or RelayTrouble.NOT_TRIED, state.words, state.status)

"""How the running bot's relays are doing, for a command of another process to read."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dca_bot.core.relay_state import RelayState, RelayTrouble
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx


def note(tx: Tx, states: Sequence[RelayState]) -> None:
    """Record the states, if one has changed."""
    value = json.dumps([fields_of(state) for state in states])
    if value != bot_state.get(tx, bot_state.RELAY_STATES):
        bot_state.put(tx, bot_state.RELAY_STATES, value)


def read(tx: Tx) -> list[RelayState]:
    """Return the states as recorded last; empty if no bot has recorded any."""
    return [state_of(one) for one in json.loads(bot_state.get(tx, bot_state.RELAY_STATES) or "[]")]


def fields_of(state: RelayState) -> dict[str, Any]:
    """Return a state as values of JSON, without the English sentence."""
    return {
        "url": state.url,
        "listening": state.listening,
        "since": state.since.isoformat(),
        "trouble": state.trouble,
        "said": state.words,
        "http_status": state.status,
    }


def state_of(fields: Mapping[str, Any]) -> RelayState:
    """Return the state of `fields_of`."""
    return RelayState(
        fields["url"],
        listening=fields["listening"],
        detail="",
        since=datetime.fromisoformat(fields["since"]),
        trouble=RelayTrouble(fields["trouble"]) if fields["trouble"] else None,
        words=fields["said"],
        status=fields["http_status"],
    )

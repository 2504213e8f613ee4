"""Greets operators: all of them when a programme first starts, later on each new one, once each.

The invariant: the operators of a ledger that a bot has run on before count as greeted.
"""

import json
from datetime import datetime

from dca_bot.core.programme import Programme
from dca_bot.ledger.programme import client_names
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import NOTHING, Say


def greet_operators(
    tx: Tx, notices: Notices, programme: Programme, now: datetime, *, is_first_start: bool
) -> None:
    """Greet each operator whom no earlier start has greeted, and say what can be done first."""
    known = bot_state.get(tx, bot_state.GREETED)
    greeted = set(json.loads(known)) if known else set()
    if known is None and not is_first_start:
        greeted = set(programme.operators)
    for operator in sorted(programme.operators - greeted):
        notices.tell_operator(tx, operator, _greeting(tx, programme), now)
    bot_state.put(tx, bot_state.GREETED, json.dumps(sorted(greeted | programme.operators)))


def _greeting(tx: Tx, programme: Programme) -> Say:
    first = NOTHING
    if not client_names.names(tx):
        # Strangers get no answer in a rehearsal, so no code either.
        code = NOTHING if programme.is_rehearsal else Say("greeting.code")
        first = Say("greeting.first_client", code=code)
    return Say(
        "notice.greeting",
        currency=programme.currency,
        timezone=str(programme.timezone),
        rehearsal=Say("greeting.rehearsal") if programme.is_rehearsal else NOTHING,
        first=first,
    )

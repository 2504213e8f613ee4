"""What the last successful poll says of the reading itself: how old it is.

Kept, so that each command can show it, also while the bot is down.
"""

import json
from datetime import datetime

from dca_bot.core.ports import Copy
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx


def note(tx: Tx, oldest: Copy | None, newest_at: datetime | None) -> None:
    """Record the oldest copy that was read, if copies were, and when its newest transaction was."""
    if oldest is None:
        bot_state.drop(tx, bot_state.OLDEST_COPY)
    else:
        bot_state.put(
            tx, bot_state.OLDEST_COPY, json.dumps([oldest.name, oldest.as_of.isoformat()])
        )
    if newest_at is not None:
        bot_state.put(tx, bot_state.NEWEST_AT, newest_at.isoformat())


def oldest_copy(tx: Tx) -> Copy | None:
    """Return the oldest copy that the last poll has read; None if it read Lamassu itself."""
    value = bot_state.get(tx, bot_state.OLDEST_COPY)
    if value is None:
        return None
    name, as_of = json.loads(value)
    return Copy(name, datetime.fromisoformat(as_of))


def newest_transaction_at(tx: Tx) -> datetime | None:
    """Return when the newest transaction was created that a poll has read; None if there was none yet."""
    return bot_state.moment(tx, bot_state.NEWEST_AT)

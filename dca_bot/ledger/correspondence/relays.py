"""How far each of the bot's relays was heard.

The invariant: each message that a relay got before the relay's `heard_at` was received. So a relay that was
down for longer than the bot is read from further back than the other relays.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from dca_bot.core.ports import UNHEARD, PastReading, RelayHeard
from dca_bot.ledger.correspondence import refused_events
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, micros


def past_reading(tx: Tx, now: datetime, *, message_age_max: timedelta) -> PastReading:
    """Return until when each relay was heard, and which relays have ever worked, for a start.

    Of a relay that is new in the configuration nobody knows, nor of a relay whose `heard_at` lies in the
    future, because the clock was ahead: both count as heard until UNHEARD ago.
    A ledger without any relay has one time for all relays: LISTENED_AT
    of an older version, or now at the first start.
    """
    unknown = now - max(UNHEARD, message_age_max)
    rows = tx.execute("SELECT * FROM relay").fetchall()
    heard = {row["url"]: instant(row["heard_at"]) for row in rows}
    past = {url: at if at <= now else unknown for url, at in heard.items()}
    refused = refused_events.known(tx)
    if past:
        worked = frozenset(row["url"] for row in rows if row["worked_at"] is not None)
        return PastReading(unknown, past, worked, refused)
    listened_at = bot_state.moment(tx, bot_state.LISTENED_AT) or now
    return PastReading(listened_at if listened_at <= now else unknown, refused=refused)


def note_heard(tx: Tx, relays: Iterable[RelayHeard]) -> None:
    """Record how far each relay was heard, and when the relay last passed messages on."""
    tx.executemany(
        "INSERT INTO relay (url, heard_at, worked_at) VALUES (?, ?, ?)"
        " ON CONFLICT (url) DO UPDATE SET heard_at = excluded.heard_at,"
        " worked_at = coalesce(excluded.worked_at, worked_at)",
        [
            (relay.url, micros(relay.heard_at), relay.worked_at and micros(relay.worked_at))
            for relay in relays
        ],
    )

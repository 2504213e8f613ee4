"""Where people read, as far as the ledger knows: signed relay lists, and the hints of an nprofile.

The invariant: the newest signed list of each kind wins, so a relay with an old list can't bring the old
list back, also after a restart.
"""

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from dca_bot.core.relay_lists import HINTS_MAX, RelayList, RelayListKind, bounded, relays_of
from dca_bot.ledger.store.database import Tx

_LISTS_KEPT = 250
"""The events whose relays are remembered: a list is read at each look-up, and seldom changes."""


def keep_list(tx: Tx, found: RelayList) -> bool:
    """Record a list unless one as new is known; return whether other relays are named than before."""
    before = list_of(tx, found.pubkey, found.kind)
    done = tx.execute(
        "INSERT INTO relay_list (pubkey, kind, created_at, event) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (pubkey, kind) DO UPDATE SET created_at = excluded.created_at,"
        " event = excluded.event WHERE excluded.created_at > relay_list.created_at",
        (found.pubkey, found.kind, found.created_at, found.event),
    )
    is_newest = done.rowcount == 1
    return is_newest and (before is None or before.relays != found.relays)


def list_of(tx: Tx, pubkey: str, kind: RelayListKind) -> RelayList | None:
    """Return the newest list of a person; None if none is known."""
    row = tx.execute(
        "SELECT * FROM relay_list WHERE pubkey = ? AND kind = ?", (pubkey, kind)
    ).fetchone()
    return None if row is None else _list(row)


def keep_hints(tx: Tx, pubkey: str, urls: Sequence[str]) -> None:
    """Record the relays that an nprofile named for a person; without a relay, earlier hints stay."""
    hints = bounded(urls, HINTS_MAX)
    if not hints:
        return
    tx.execute("DELETE FROM relay_hint WHERE pubkey = ?", (pubkey,))
    for place, url in enumerate(hints):
        tx.execute(
            "INSERT INTO relay_hint (pubkey, place, url) VALUES (?, ?, ?)", (pubkey, place, url)
        )


def hints_of(tx: Tx, pubkey: str) -> tuple[str, ...]:
    """Return the relays that an nprofile named for a person."""
    rows = tx.execute("SELECT url FROM relay_hint WHERE pubkey = ? ORDER BY place", (pubkey,))
    return tuple(row["url"] for row in rows)


def places_of(tx: Tx, pubkey: str) -> tuple[str, ...]:
    """Return the relays where a person's lists are looked for: hints, write relays (NIP-65), inbox relays."""
    lists = [list_of(tx, pubkey, kind) for kind in (RelayListKind.WRITE, RelayListKind.INBOX)]
    listed = (url for found in lists if found is not None for url in found.relays)
    return tuple(dict.fromkeys((*hints_of(tx, pubkey), *listed)))


def _list(row: sqlite3.Row) -> RelayList:
    kind, event = RelayListKind(row["kind"]), row["event"]
    return RelayList(row["pubkey"], kind, row["created_at"], _relays_in(event, kind), event)


@lru_cache(maxsize=_LISTS_KEPT)
def _relays_in(event: str, kind: RelayListKind) -> tuple[str, ...]:
    """Return the relays that a recorded event names; the signature was verified before the recording."""
    return relays_of(kind, json.loads(event)["tags"])

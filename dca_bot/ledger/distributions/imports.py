"""Where clients were imported from, and the cash-outs that were processed there.

The invariants: each source is imported once. A cash-out that was processed there is never distributed here.
"""

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dca_bot.ledger.distributions.cash_outs import DISTRIBUTED
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros


class SourceKind(StrEnum):
    """Where clients were imported from."""

    SATMACHINE = "satmachine"
    CLIENTS = "clients"


@dataclass(frozen=True, slots=True)
class Past:
    """When cash-outs were last imported, None for never, and which ones of some were processed before."""

    imported_at: datetime | None
    processed: AbstractSet[str]


NOTHING_IMPORTED = Past(None, frozenset())


def imported_before(tx: Tx, source: str, processed: AbstractSet[str]) -> datetime | None:
    """Return when a source was imported, None for never; a common processed cash-out tells the source too."""
    row = tx.execute(
        "SELECT min(imported_at) AS at FROM import_source WHERE source = ?1 OR source IN"
        " (SELECT past.source FROM json_each(?2) JOIN imported_cash_out AS past ON past.id = value)",
        (source, json.dumps(sorted(processed))),
    ).fetchone()
    return instant_or_none(row["at"])


def add(
    tx: Tx, source: str, kind: SourceKind, processed: AbstractSet[str], *, now: datetime
) -> list[str]:
    """Record a source with the cash-outs that the source has processed; IntegrityError if imported before.

    Return the ids of those that were distributed here as well, which stay distributed.
    """
    tx.execute(
        "INSERT INTO import_source (source, kind, imported_at) VALUES (?, ?, ?)",
        (source, kind, micros(now)),
    )
    ids = json.dumps(sorted(processed))
    tx.execute(
        "INSERT INTO imported_cash_out (id, source) SELECT value, ? FROM json_each(?)",
        (source, ids),
    )
    both = tx.execute(
        "SELECT cash_out.id FROM json_each(?) JOIN cash_out ON cash_out.id = value WHERE state = ?"
        " ORDER BY 1",
        (ids, DISTRIBUTED),
    )
    return [str(row["id"]) for row in both]


def past(tx: Tx, ids: Sequence[str]) -> Past:
    """Return what imports say of some cash-outs."""
    row = tx.execute(
        "SELECT max(imported_at) AS at FROM import_source WHERE kind = 'satmachine'"
    ).fetchone()
    if row["at"] is None:
        return NOTHING_IMPORTED
    found = tx.execute(
        "SELECT past.id FROM json_each(?) JOIN imported_cash_out AS past ON past.id = value",
        (json.dumps([*ids]),),
    )
    return Past(instant(row["at"]), {str(one["id"]) for one in found})

"""What a source of Lamassu does with known rows, for servers of tests, which have rows and no records."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import TypeVar

from dca_bot.core.cash_out import CashOut
from dca_bot.core.ports import CashIn, Export, KnownRows, RowKind

_Row = TypeVar("_Row", CashOut, CashIn)


def without_known(export: Export, since: datetime, known: KnownRows) -> Export:
    """Return a reading with a digest of each row, and without the unchanged known rows."""
    return replace(
        export,
        cash_outs=_unknown(RowKind.CASH_OUT, export.cash_outs, since, known),
        cash_ins=_unknown(RowKind.CASH_IN, export.cash_ins, since, known),
    )


def _unknown(
    kind: RowKind, rows: Sequence[_Row], since: datetime, known: KnownRows
) -> tuple[_Row, ...]:
    digests = {row.id: blake2b(repr(row).encode()).digest() for row in rows}
    unchanged = known.unchanged(kind, digests)
    known.forget_others(kind, since)
    return tuple(replace(row, digest=digests[row.id]) for row in rows if row.id not in unchanged)

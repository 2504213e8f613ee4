"""Finds the distributed cash-outs that a full reading of Lamassu lacks, some at a time."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dca_bot.core.change import missing
from dca_bot.jobs.lamassu.judged import Judged
from dca_bot.jobs.lamassu.settled_rows import SettledRows
from dca_bot.jobs.threads import aside
from dca_bot.ledger.distributions import changes
from dca_bot.ledger.store.database import Database

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class MissingRows:
    """Compares the ledger with a full reading, once the reading's settled rows are known."""

    database: Database
    settled: SettledRows

    async def find(self, reading: Judged, since: datetime) -> list[str]:
        """Return the ids of the distributed cash-outs since then that a full reading lacks."""
        gone: list[str] = []
        if reading.span is None:
            return gone
        there = await aside(lambda _stop: self._unsettled(reading) | reading.export.unreadable_ids)
        query = partial(changes.shared_out, since=since, limit=_BATCH)
        known = await self.database.read(query)
        while known:
            gone += await self._lacking(known, reading, there)
            query = partial(query, after=known[-1][0])
            known = await self.database.read(query) if len(known) == _BATCH else []
        return gone

    def _unsettled(self, reading: Judged) -> set[str]:
        return {row.id for row in reading.export.cash_outs if not self.settled.has(row.id)}

    async def _lacking(
        self, known: Sequence[tuple[str, datetime]], reading: Judged, there: AbstractSet[str]
    ) -> list[str]:
        span, has = reading.span, self.settled.has
        assert span is not None
        return await aside(lambda _stop: missing(known, span, lambda id_: id_ in there or has(id_)))

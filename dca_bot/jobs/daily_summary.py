"""Writes the operators' daily summary.

The invariant: at most one summary for each local date, whatever crashes. After days without a running
bot only today's summary is written.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from dca_bot.core.calendar import due_date, last_due, local_date, next_due
from dca_bot.core.ports import Clock
from dca_bot.core.programme import Programme
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.daily_summary import daily_summary
from dca_bot.messages.notices import Notices
from dca_bot.messages.surroundings import Surroundings

_DAY = timedelta(days=1)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class DailySummary:
    """The writer of summaries."""

    database: Database
    clock: Clock
    look_around: Callable[[], Awaitable[Surroundings]]
    signals: Signals
    notices: Notices
    programme: Programme
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Look at each `summary_time` whether the summary is due; never return."""
        while True:
            await self.look_once()
            await self.signals.summary.wait(self.clock, self._pause_s())

    async def look_once(self) -> None:
        """Write today's summary from its hour on; LNbits is asked before the transaction."""
        async with self._boundary.over(Guarded.SUMMARY):
            await self._look()

    def _pause_s(self) -> float:
        now, at, zone = self.clock.now(), self.programme.summary_time, self.programme.timezone
        return pause_until(now, next_due(now, at, zone))

    async def _look(self) -> None:
        due = await self.database.transact(self._due)
        if due is None:
            return
        found = await self.look_around()

        def work(tx: Tx) -> None:
            now = self.clock.now()
            told = daily_summary(tx, self.programme, found, now, npub=self.notices.npub)
            self.notices.tell_operators(tx, told, now)
            bot_state.put(tx, bot_state.SUMMARY_DATE, due.isoformat())
            bot_state.put(tx, bot_state.SUMMARY_AT, now.isoformat())
            bot_state.drop(tx, bot_state.POLLS)

        await self.database.transact(work)
        self.signals.outbox.ring()
        _log.info("daily summary written")

    def _due(self, tx: Tx) -> date | None:
        """Return the local date whose summary is due now.

        A new bot has nothing to sum up: the first summary comes at the first `summary_time` after the start.
        """
        now, at, zone = self.clock.now(), self.programme.summary_time, self.programme.timezone
        noted, counted_at = (
            bot_state.get(tx, bot_state.SUMMARY_DATE),
            bot_state.moment(tx, bot_state.SUMMARY_AT),
        )
        if noted is None:
            bot_state.put(tx, bot_state.SUMMARY_DATE, (local_date(now, zone) - _DAY).isoformat())
            bot_state.put(tx, bot_state.SUMMARY_AT, now.isoformat())
            return None
        if counted_at is not None and last_due(now, at, zone) <= counted_at <= now:
            return None
        return due_date(now, at, zone, done=date.fromisoformat(noted))

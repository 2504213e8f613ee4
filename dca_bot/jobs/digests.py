"""Writes daily and weekly digests of payouts, and the monthly statements, for the clients who want them.

The invariant: a payout is in one digest at most, and a month in one statement at most, whatever crashes. What
fell due while the bot was down comes at the next look.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from dca_bot.core.calendar import SUNDAY, last_due, next_due
from dca_bot.core.clients import Notify
from dca_bot.core.periods import month_due
from dca_bot.core.ports import Clock
from dca_bot.core.programme import Programme
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.correspondence import payout_notices, statements
from dca_bot.ledger.correspondence.payout_notices import Waiting
from dca_bot.ledger.store.database import Database
from dca_bot.messages.notices import Notices

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Digests:
    """The writer of digests and statements."""

    database: Database
    notices: Notices
    programme: Programme
    clock: Clock
    signals: Signals
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Look at each `digest_time` whether digests or statements are due; never return."""
        while True:
            await self.look_once()
            await self.signals.digests.wait(self.clock, self._pause_s())

    async def look_once(self) -> None:
        """Write all digests and statements that are due, each in its own transaction."""
        async with self._boundary.over(Guarded.DIGEST):
            await self._write_due()
        async with self._boundary.over(Guarded.STATEMENT):
            await self._write_statements()

    def _pause_s(self) -> float:
        now, at, zone = self.clock.now(), self.programme.digest_time, self.programme.timezone
        return pause_until(now, next_due(now, at, zone))

    async def _write_due(self) -> None:
        now = self.clock.now()
        due = [
            one
            for one in await self.database.read(payout_notices.waiting)
            if self._is_due(one, now)
        ]
        written = 0
        for one in due:
            async with self._boundary.over(Guarded.DIGEST, one.client_id):
                work = partial(self.notices.clients.digest, client_id=one.client_id, now=now)
                written += await self.database.transact(work)
        if written:
            _log.info("digests written clients=%d", written)
            self.signals.outbox.ring()

    async def _write_statements(self) -> None:
        now = self.clock.now()
        month = month_due(now, self.programme.digest_time, self.programme.timezone)
        written = 0
        for client_id in await self.database.read(partial(statements.due, month=month.month)):
            async with self._boundary.over(Guarded.STATEMENT, client_id):
                work = partial(
                    self.notices.clients.statement, client_id=client_id, month=month, now=now
                )
                written += await self.database.transact(work)
        if written:
            _log.info("statements written clients=%d month=%s", written, month.month)
            self.signals.outbox.ring()
            self.signals.files.ring()

    def _is_due(self, one: Waiting, now: datetime) -> bool:
        """Tell whether the hour has come since the first payout that waits."""
        weekday = SUNDAY if one.notify is Notify.WEEKLY else None
        at, zone = self.programme.digest_time, self.programme.timezone
        return one.since < last_due(now, at, zone, weekday=weekday)

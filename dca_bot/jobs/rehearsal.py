"""The rehearsal of a programme: in place of the payments, a look at LNbits and a report each evening.

The invariant: nothing is paid, no invoice is made, and the ledger isn't changed but for the time of the
report.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from dca_bot.core.calendar import last_due, next_due
from dca_bot.core.ports import Clock
from dca_bot.core.programme import Programme
from dca_bot.core.reach import Part
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.rehearsal import report

_DAY = timedelta(days=1)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rehearsal:
    """The job that stands in for the payout worker while a programme is rehearsed."""

    database: Database
    funds: Funds
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
        """Look at LNbits every few minutes, and report at each `digest_time`; never return."""
        while True:
            await self.look_once()
            await self.signals.payouts.wait(self.clock, self._pause_s())

    async def look_once(self) -> None:
        """Note whether LNbits answers, and write the report that is due.

        Cash-outs are shared out as soon as LNbits has answered for the first time, as in a programme.
        """
        async with self._boundary.over(Guarded.REHEARSAL):
            balance_msat = await self._balance_msat()
            report_due = partial(self._report, balance_msat=balance_msat, now=self.clock.now())
            if await self.database.transact(report_due):
                _log.info("report of the rehearsal written")
                self.signals.outbox.ring()

    def _pause_s(self) -> float:
        now, at, zone = self.clock.now(), self.programme.digest_time, self.programme.timezone
        return pause_until(now, next_due(now, at, zone), most_s=self.signals.rest_s)

    async def _balance_msat(self) -> int | None:
        """Ask LNbits for the source wallet's balance; None if LNbits doesn't answer, or refuses the key."""
        failure: LnbitsUnavailable | LnbitsRefused | None = None
        balance_msat = None
        try:
            await self.funds.wallet.wallet_id()
            await self.funds.refresh()
            balance_msat = self.funds.left_msat
            self.signals.reconciled.set()
        except (LnbitsUnavailable, LnbitsRefused) as error:
            failure = error
        is_reachable, now = failure is None, self.clock.now()
        self.signals.stepped_at = now
        if self.signals.note(Part.LNBITS, reachable=is_reachable, now=now, failure=failure):
            _log.warning("LNbits reachable=%s detail=%s", is_reachable, failure or "")
        return balance_msat

    def _report(self, tx: Tx, balance_msat: int | None, now: datetime) -> bool:
        """Write the report if a `digest_time` has passed since the last one, or since the first look."""
        last = bot_state.moment(tx, bot_state.REHEARSED_AT)
        if last is None:
            bot_state.put(tx, bot_state.REHEARSED_AT, now.isoformat())
            return False
        due = last_due(now, self.programme.digest_time, self.programme.timezone)
        if due <= last <= now:
            return False
        since = (
            last if last < now else now - _DAY
        )  # A last report in the future is a wrong clock's.
        for told in report(tx, self.programme, since, balance_msat, now):
            self.notices.tell_operators(tx, told, now)
        bot_state.put(tx, bot_state.REHEARSED_AT, now.isoformat())
        return True

"""Keeps the record of the machines' cash in step with Lamassu, and compares the cash with the balances.

The invariant: however often a row is read, the row's cash is recorded once, with the row's present amount.
Nothing here moves a client's money.
"""

import logging
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from dca_bot.core.machine_cash import cash_in_minor, cash_out_minor
from dca_bot.core.ports import CashIn, Clock
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.lamassu.decisions import Decided
from dca_bot.ledger.programme import machine_cash, machines
from dca_bot.ledger.programme.machine_cash import CASH_IN, CASH_OUT, Flow
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Fiat, Say

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CashWatch:
    """Follows the cash of the rows that a poll has read."""

    database: Database
    notices: Notices
    clock: Clock
    boundary: ErrorBoundary
    _known: list[Machine] | None = field(default=None, init=False)

    async def follow(self, flows: Sequence[Flow]) -> AbstractSet[str]:
        """Record cash that was moved. Return the ids of the rows whose cash could not be recorded."""
        failed = set(flows)

        async def record(some: Sequence[Flow]) -> None:
            await self._record(some)
            failed.difference_update(some)

        await self.boundary.over_each(Guarded.CASH_ROW, flows, record, ref=lambda flow: flow.ref)
        return {flow.ref for flow in failed}

    async def find_places(self) -> None:
        """Give cash of no named machine to its machine, if the known machines have changed."""
        known = await self.database.read(machines.everything)
        if known != self._known:
            now = self.clock.now()
            await self.database.transact(lambda tx: machine_cash.find_places(tx, now=now))
            self._known = known

    async def _record(self, flows: Sequence[Flow]) -> None:
        now = self.clock.now()
        await self.database.transact(partial(machine_cash.follow, flows=flows, now=now))

    def warn(self, tx: Tx) -> bool:
        """Tell the operators, once each way, that the cash doesn't cover the balances, or does again.

        Return whether the operators were told.
        """
        beyond_minor = machine_cash.uncovered_minor(tx)
        was_told = bot_state.get(tx, bot_state.UNCOVERED) is not None
        if beyond_minor is None or bool(beyond_minor) == was_told:
            return False
        if beyond_minor:
            bot_state.put(tx, bot_state.UNCOVERED, str(beyond_minor))
            told = Say("notice.cash_uncovered", missing=Fiat(beyond_minor))
        else:
            bot_state.drop(tx, bot_state.UNCOVERED)
            told = Say("notice.cash_covered")
        self.notices.tell_operators(tx, told, self.clock.now())
        _log.warning("balances beyond the machines' cash minor=%d", beyond_minor)
        return True


def cash_left(decided: Iterable[Decided], currency: str) -> list[Flow]:
    """Return the cash that cash-outs have moved."""
    found = []
    for cash_out, decision in decided:
        left_minor = cash_out_minor(cash_out, currency)
        if left_minor is not None:
            found.append(Flow(CASH_OUT, cash_out.id, cash_out.device_id, -left_minor, decision.at))
    return found


def cash_paid_in(rows: Iterable[CashIn], currency: str, *, since: datetime) -> list[Flow]:
    """Return the cash that cash-ins since then have moved."""
    found = []
    for row in rows:
        came_minor = cash_in_minor(row, currency)
        if came_minor is not None and row.created_at >= since:
            found.append(Flow(CASH_IN, row.id, row.device_id, came_minor, row.created_at))
    return found

"""The payout worker: what was sent is resolved first, then what waits is paid, in order."""

import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core.payout import PayoutState
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LnbitsRefused,
    LnbitsUnavailable,
    StateChanged,
    place_of,
)
from dca_bot.jobs.pay import Payer
from dca_bot.jobs.reconcile import reconcile
from dca_bot.jobs.resolve import Resolver
from dca_bot.jobs.signals import LNBITS, Signals
from dca_bot.jobs.till import OutOfFunds, Till
from dca_bot.ledger import facts, payouts
from dca_bot.ledger.payouts import Payout

BATCH = 200
HEARTBEAT_S = 15
FIRST_RETRY_S = 5
RECONCILE_EVERY = timedelta(hours=1)
RECONCILE_LOOKBACK = timedelta(days=2)
_SENT = (PayoutState.SUBMITTED, PayoutState.IN_DOUBT, PayoutState.DEBITED, PayoutState.ALERT)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settler:
    """Serial on purpose: LNbits isn't faster with more at once, and order is kept."""

    till: Till
    signals: Signals

    async def run(self) -> None:
        """Catch up after the start, then pay whenever there is something; never ends."""
        caught_up_at: datetime | None = None
        while True:
            try:
                now = self.till.clock.now()
                if caught_up_at is None:
                    await self.catch_up()
                    self.signals.reconciled.set()
                    caught_up_at = now
                elif now - caught_up_at >= RECONCILE_EVERY:
                    await self._reconcile(since=now - RECONCILE_LOOKBACK)
                    caught_up_at = now
                if await self.work_once():
                    self.signals.settle.ring()
                self._note(reachable=True)
            except (LnbitsUnavailable, LnbitsRefused) as error:
                self._note(reachable=False, detail=str(error))
            self.signals.deliver.ring()
            await self.signals.settle.wait(
                self.till.clock, HEARTBEAT_S if caught_up_at else FIRST_RETRY_S
            )

    async def catch_up(self) -> None:
        """After a start: resolve every payout that was sent, then reconcile with LNbits."""
        till = self.till
        for payout in await till.database.read(payouts.open_payouts):
            if payout.state in _SENT:
                await self._one(payout, paying=False)
        await self._reconcile(since=None)

    async def _reconcile(self, *, since: datetime | None) -> None:
        till, now = self.till, self.till.clock.now()
        unknown = await reconcile(till.database, till.wallet, till.herald, now=now, since=since)
        _log.info("reconciled with LNbits unknown_payments=%d", unknown)

    async def work_once(self) -> bool:
        """Bring the payouts that are due as far as they go now; what can't be paid steps aside.

        Return whether there may be more of them.
        """
        till, now = self.till, self.till.clock.now()
        await till.database.transact(lambda tx: payouts.plan_all(tx, now=now))
        paying = not await till.database.read(facts.paused)
        due = await till.database.read(lambda tx: payouts.due(tx, now, limit=BATCH))
        await till.funds.refresh()
        for payout in sorted(due, key=lambda payout: payout.state not in _SENT):
            try:
                await self._one(payout, paying=paying)
            except OutOfFunds:
                paying = False
        await till.funds.report()
        return paying and len(due) >= BATCH

    async def _one(self, payout: Payout, *, paying: bool) -> None:
        try:
            await self._step(payout, paying=paying)
        except StateChanged:
            _log.info("payout changed meanwhile payout=%s", payout.id[:8])
        except DestinationUnavailable as error:
            await self._step_aside(payout, str(error), least_s=0)
        except DestinationRefused as error:
            await self._step_aside(payout, str(error), least_s=600)
        except (OutOfFunds, LnbitsUnavailable, LnbitsRefused, sqlite3.OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - one payout must not keep the others from being paid
            _log.error(
                "payout failed payout=%s error=%s at=%s",
                payout.id[:8],
                type(error).__name__,
                place_of(error),
            )
            await self._step_aside(payout, "an unexpected error; see the log", least_s=600)

    async def _step(self, payout: Payout, *, paying: bool) -> None:
        payer, resolver = Payer(self.till), Resolver(self.till)
        match payout.state:
            case PayoutState.SUBMITTED | PayoutState.IN_DOUBT:
                await resolver.resolve(payout, paying=paying)
            case PayoutState.DEBITED | PayoutState.ALERT:
                await resolver.verify_credit(payout)
            case PayoutState.PLANNED | PayoutState.INVOICED if paying:
                sent = await payer.pay(payout)
                if sent is not None:
                    await resolver.resolve(sent, paying=False)
            case PayoutState.VOID if payout.attempts < rules.ATTEMPTS_MAX:
                now = self.till.clock.now()
                await self.till.move(lambda tx: payouts.retry(tx, payout, now=now))
            case _:
                pass

    async def _step_aside(self, payout: Payout, why: str, *, least_s: int) -> None:
        try:
            await self.till.defer(await self.till.fresh(payout), why, least_s=least_s)
        except StateChanged:
            _log.info("payout changed meanwhile payout=%s", payout.id[:8])

    def _note(self, *, reachable: bool, detail: str = "") -> None:
        now = self.till.clock.now()
        if self.signals.note(LNBITS, reachable=reachable, now=now, detail=detail):
            _log.warning("LNbits reachable=%s detail=%s", reachable, detail)

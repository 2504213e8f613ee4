"""The payout worker: what was sent is resolved first, then what waits is paid, in order."""

import logging
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core.calendar import has_passed
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import ListMark
from dca_bot.core.reach import Part
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LnbitsRefused,
    LnbitsUnavailable,
    Refusal,
    StateChanged,
    place_of,
)
from dca_bot.jobs.error_boundary import Guard, Guarded
from dca_bot.jobs.payouts.context import OutOfFunds, Till
from dca_bot.jobs.payouts.lease import NotHeld
from dca_bot.jobs.payouts.reconcile import reconcile
from dca_bot.jobs.payouts.resolve import Resolver
from dca_bot.jobs.payouts.send import Payer
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.payouts import payouts, transitions
from dca_bot.ledger.payouts.payouts import Payout
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say

BATCH = 200
HEARTBEAT_S = 15
FIRST_RETRY_S = 5
RECONCILE_EVERY = timedelta(hours=1)
MINIMUM_RENEWED_EVERY = timedelta(days=1)
UNCLEAR_MAX = 3
MAY_BE_SENT = (*payouts.UNSENT, PayoutState.SUBMITTED, PayoutState.IN_DOUBT)
REFUSALS_MAX = 3
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pass:
    """One way through the payouts that are due.

    `refusals` counts by destination what it refused or did not answer, `unclear` the payouts in a
    row about which LNbits gave no clear answer, `sent` those whose pay request left.
    """

    paying: bool
    refusals: Counter[str] = field(default_factory=Counter)
    unclear: int = 0
    sent: int = 0


@dataclass(slots=True)
class Settler:
    """Serial on purpose: LNbits isn't faster with more at once, and order is kept."""

    till: Till
    signals: Signals
    minimum_seen_at: dict[int, datetime] = field(default_factory=dict)
    _reconciled_at: datetime | None = field(default=None, init=False)
    _mark: ListMark | None = field(default=None, init=False)
    _must_act: bool = field(default=False, init=False)
    _guard: Guard = field(init=False)

    def __post_init__(self) -> None:
        till = self.till
        self._guard = Guard(till.database, till.notices, till.clock, self.signals.deliver.ring)

    async def run(self) -> None:
        """Catch up after the start, then pay whenever there is something; never ends."""
        while True:
            async with self._guard.over(Guarded.PAYOUTS):
                await self.look_once()
            self.signals.deliver.ring()
            await self.signals.settle.wait(
                self.till.clock, HEARTBEAT_S if self._reconciled_at else FIRST_RETRY_S
            )

    async def look_once(self) -> None:
        """Do all that is to be done now, and note whether LNbits answers."""
        try:
            now = self.till.clock.now()
            if self._reconciled_at is None:
                await self.catch_up()
                self.signals.reconciled.set()
                self._reconciled_at = now
            if await self.work_once():
                self.signals.settle.ring()
            if has_passed(RECONCILE_EVERY, since=self._reconciled_at, now=now):
                await self._reconcile(since=self._mark)
                self._reconciled_at = now
            self._note(reachable=True)
        except (LnbitsUnavailable, LnbitsRefused) as error:
            must_act = isinstance(error, LnbitsRefused)
            self._note(reachable=False, detail=str(error), must_act=must_act)

    async def catch_up(self) -> None:
        """After a start: resolve every payout that was sent, then reconcile with LNbits."""
        till = self.till
        await self._know_source()
        pass_ = Pass(paying=False)
        for payout in await till.database.read(payouts.sent):
            await self._take(payout, pass_)
        await self._reconcile(since=None)

    async def work_once(self) -> bool:
        """Bring the payouts that are due as far as they go now; what can't be paid steps aside.

        Return whether there may be more of them to pay.
        """
        till, now = self.till, self.till.clock.now()
        await self._renew_minimums()
        await till.database.transact(lambda tx: self._plan_all(tx, now))
        paying = await self._may_pay(now)
        due = await till.database.read(lambda tx: payouts.due(tx, now, limit=BATCH))
        await till.funds.refresh()
        pass_ = Pass(paying=paying and not await till.database.read(bot_state.paused))
        for payout in due:
            await self._take(payout, pass_)
        await till.funds.report()
        progress = pass_.sent or pass_.refusals
        return bool(pass_.paying and progress and len(due) >= BATCH)

    def _plan_all(self, tx: Tx, now: datetime) -> None:
        clock.see(tx, now)
        transitions.plan_all(tx, now=now)

    async def _may_pay(self, now: datetime) -> bool:
        """Take the lease if something is to be sent; tell whether this bot may send it.

        What a rival may have paid before this bot took the lease is looked for at LNbits first.
        """
        till, lease = self.till, self.till.lease
        if await till.database.read(bot_state.paused):
            await lease.announce()
            return False
        due = await till.database.read(lambda tx: payouts.due(tx, now, limit=BATCH))
        if all(payout.state not in MAY_BE_SENT for payout in due):
            return True
        if not await lease.hold():
            return False
        if lease.must_reconcile:
            await self._reconcile(since=None)
            lease.must_reconcile = False
        return True

    async def _know_source(self) -> None:
        """Refuse to pay from another wallet than before while payouts of that one are unsettled.

        Their hashes are unknown to the new wallet, which would look as if they were unpaid. Else
        everything is paused: what an old copy of the ledger lacks, only the old wallet could tell.
        """
        wallet_id = await self.till.wallet.wallet_id()

        def is_safe(tx: Tx) -> bool:
            before = bot_state.get(tx, bot_state.SOURCE_WALLET)
            if before in (None, wallet_id) or not payouts.unsettled(tx):
                if before not in (None, wallet_id):
                    self._pause_for_new_source(tx)
                bot_state.put(tx, bot_state.SOURCE_WALLET, wallet_id)
                bot_state.drop(tx, bot_state.SOURCE_REFUSED)
                return True
            if bot_state.get(tx, bot_state.SOURCE_REFUSED) != wallet_id:
                bot_state.put(tx, bot_state.SOURCE_REFUSED, wallet_id)
                self.till.notices.alarms.source_changed(tx, self.till.clock.now())
            return False

        if not await self.till.database.transact(is_safe):
            raise LnbitsRefused(
                "The source wallet is another one than before, and payouts of the old one are not"
                " settled: put the old wallet's admin key back.",
                status=0,
            )

    def _pause_for_new_source(self, tx: Tx) -> None:
        now = self.till.clock.now()
        bot_state.put(tx, bot_state.PAUSED, now.isoformat())
        self.till.notices.tell_operators(tx, Say("notice.source_is_new"), now)
        _log.error("source wallet is another one: paused")

    async def _reconcile(self, *, since: ListMark | None) -> None:
        """Hold LNbits' list against the ledger, from a mark on; a mark is kept once all is recorded."""
        till, now = self.till, self.till.clock.now()
        done = await reconcile(till.database, till.wallet, till.notices, now=now, since=since)
        self._mark = done.mark
        _log.info("reconciled with LNbits unknown_payments=%d", done.unknown)

    async def _renew_minimums(self) -> None:
        """Ask addresses again, once a day, whose clients have shares that are too small for them."""
        till, now = self.till, self.till.clock.now()
        for client in await till.database.read(payouts.collecting_clients):
            last = self.minimum_seen_at.get(client.id)
            if not has_passed(MINIMUM_RENEWED_EVERY, since=last, now=now):
                continue
            self.minimum_seen_at[client.id] = now
            if client.destination is not None and client.destination.kind == ADDRESS:
                async with self._guard.over(Guarded.MINIMUM, client.id):
                    await self._renew_minimum(client.id, client.destination)

    async def _renew_minimum(self, client_id: int, destination: Destination) -> None:
        try:
            terms = await self.till.addresses.terms(destination.value)
            await self.till.move(
                lambda tx: clients.set_minimum(tx, client_id, destination, terms.min_sat)
            )
        except (DestinationRefused, DestinationUnavailable, StateChanged) as error:
            _log.info("minimum not renewed client=%d detail=%s", client_id, error)

    async def _take(self, payout: Payout, pass_: Pass) -> None:
        """Bring one payout further; a destination that fails keeps back only what goes there."""
        where = payout.destination.value if payout.destination else ""
        if pass_.refusals[where] >= REFUSALS_MAX and payout.state in payouts.UNSENT:
            return
        try:
            pass_.sent += await self._step(payout, paying=pass_.paying)
            pass_.unclear = 0
        except (OutOfFunds, NotHeld):
            pass_.paying = False
        except StateChanged:
            _log.info("payout changed meanwhile payout=%s", short_id(payout.id))
        except DestinationUnavailable as error:
            pass_.refusals[where] = REFUSALS_MAX
            _log.info("destination unavailable payout=%s detail=%s", short_id(payout.id), error)
            await self._step_aside(payout, error.why, least_s=0)
            await self.till.move(lambda tx: transitions.defer_like(tx, payout, where))
        except DestinationRefused as error:
            pass_.refusals[where] += 1
            await self._step_aside_refused(payout, error)
        except LnbitsUnavailable as error:
            pass_.unclear += 1
            if pass_.unclear >= UNCLEAR_MAX:
                raise
            _log.warning("no clear answer payout=%s detail=%s", short_id(payout.id), error)
            await self._step_aside(payout, rules.Waiting.NO_ANSWER, least_s=0)
            await Resolver(self.till).tell_if_slow(payout)
        except (LnbitsRefused, sqlite3.OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - one payout must not keep the others from being paid
            _log.error(
                "payout failed payout=%s error=%s at=%s",
                short_id(payout.id),
                type(error).__name__,
                place_of(error),
            )
            await self._step_aside(payout, rules.Waiting.ERROR, least_s=600)

    async def _step(self, payout: Payout, *, paying: bool) -> bool:
        """Take the next step; return whether a pay request left."""
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
                return sent is not None
            case PayoutState.VOID if payout.attempts < rules.ATTEMPTS_MAX:
                now = self.till.clock.now()
                await self.till.move(lambda tx: transitions.retry(tx, payout, now=now))
            case _:
                pass
        return False

    async def _step_aside_refused(self, payout: Payout, error: DestinationRefused) -> None:
        """Wait for long where a destination refuses; shortly, for a while, where that may pass.

        Until then no reason stands there that sounds as if it were for good; a server's own words do.
        """
        tries = (await self.till.fresh(payout)).tries
        wait = rules.Wait(error.why, error.said, error.limit_sat)
        if not error.may_pass or tries >= rules.PASSING_TRIES:
            await self._step_aside(payout, wait, least_s=600)
        elif error.why is Refusal.SAID:
            await self._step_aside(payout, wait, least_s=0)
        else:
            await self._step_aside(payout, rules.Waiting.NO_USABLE_ANSWER, least_s=0)

    async def _step_aside(self, payout: Payout, why: str | rules.Wait, *, least_s: int) -> None:
        try:
            await self.till.defer(await self.till.fresh(payout), why, least_s=least_s)
        except StateChanged:
            _log.info("payout changed meanwhile payout=%s", short_id(payout.id))

    def _note(self, *, reachable: bool, detail: str = "", must_act: bool = False) -> None:
        """Note whether LNbits answers; one that refuses the key won't stop by itself."""
        now = self.till.clock.now()
        is_news = self.signals.note(Part.LNBITS, reachable=reachable, now=now, detail=detail)
        if is_news or (must_act and not self._must_act):
            level = logging.ERROR if must_act else logging.WARNING
            _log.log(level, "LNbits reachable=%s detail=%s", reachable, detail)
        self._must_act = must_act

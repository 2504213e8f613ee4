"""The payout worker: resolves the sent payouts first, then pays the waiting payouts in order.

The invariant: one pay request at a time. LNbits isn't faster with several, and the order is kept. Payouts
that LNbits calls paid are looked up several at once; after any other answer, all payouts that were sent are
looked up before the next pay request.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dca_bot.core import payout as rules
from dca_bot.core.calendar import has_passed
from dca_bot.core.names import short_id
from dca_bot.core.payout import IN_QUESTION, UNSENT, PayoutState, Wait, Waiting
from dca_bot.core.ports import ListMark
from dca_bot.core.reach import Part
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LnbitsRefused,
    LnbitsUnavailable,
    OutsideError,
    Refusal,
    StateChanged,
    place_of,
)
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.payouts.arrival import Arrival
from dca_bot.jobs.payouts.context import OutOfFunds, PayoutContext
from dca_bot.jobs.payouts.failed_payments import FailedPayments
from dca_bot.jobs.payouts.lease import NotHeld
from dca_bot.jobs.payouts.reconcile import reconcile
from dca_bot.jobs.payouts.resolve import Resolver
from dca_bot.jobs.payouts.send import ASKED_AT_ONCE, Sender, Sent
from dca_bot.jobs.payouts.source_wallet import check_source_wallet
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.payouts import deferral, invoices, payouts, planning, queue, transitions
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client, Destination
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.database import Tx

BATCH = 200
LOOKED_UP_AT_ONCE = 20
_HEARTBEAT_S = 15
_LOOKED_UP_AFTER = timedelta(seconds=5)
_FIRST_RETRY_S = 5
_RECONCILE_EVERY = timedelta(hours=1)
_FORGOTTEN_AT_ONCE = 2_000
"""Payouts whose invoices are forgotten after a reconciliation: answers wait no longer than for these."""
_MINIMUM_RENEWED_EVERY = timedelta(days=1)
_UNCLEAR_MAX = 3
_REFUSALS_MAX = 3
_MAY_BE_SENT = (*UNSENT, *IN_QUESTION)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """A round over the due payouts.

    `refusals`: how often each destination refused, or did not answer. `unclear`: payouts in a row about
    which LNbits gave no clear answer. `sent`: payouts whose pay request left. `under_way`: those of them that
    aren't looked up yet; `is_called_paid`: LNbits has called each of these paid.
    """

    paying: bool
    refusals: Counter[str] = field(default_factory=Counter)
    unclear: int = 0
    sent: int = 0
    under_way: list[Payout] = field(default_factory=list)
    is_called_paid: bool = True

    @property
    def under_way_msat(self) -> int:
        """Return what the payouts under way take from the source wallet at most."""
        return sum(payout.needed_msat for payout in self.under_way)

    def note_sent(self, sent: Sent) -> None:
        """Note that a pay request has left."""
        self.sent += 1
        self.under_way.append(sent.payout)
        self.is_called_paid &= sent.is_called_paid

    def must_look_up(self, now: datetime) -> bool:
        """Tell whether the payouts under way are to be looked up before anything else is done."""
        if not self.under_way:
            return False
        is_over = has_passed(_LOOKED_UP_AFTER, since=self.under_way[0].submitted_at, now=now)
        return is_over or not self.is_called_paid or len(self.under_way) >= LOOKED_UP_AT_ONCE


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a round finds: the payouts that are due, and the clients with shares in no payout."""

    due: Sequence[Payout]
    collecting: Sequence[Client]
    is_paused: bool


@dataclass(slots=True)
class PayoutWorker:
    """Brings payouts from the plan to DONE, round by round.

    `minimum_seen_at`: when each client's address was last asked for the least payment.
    """

    context: PayoutContext
    signals: Signals
    minimum_seen_at: dict[int, datetime] = field(default_factory=dict)
    _reconciled_at: datetime | None = field(default=None, init=False)
    _mark: ListMark | None = field(default=None, init=False)
    _must_act: bool = field(default=False, init=False)
    _boundary: ErrorBoundary = field(init=False)
    _sender: Sender = field(init=False)
    _arrival: Arrival = field(init=False)
    _resolver: Resolver = field(init=False)

    def __post_init__(self) -> None:
        context = self.context
        self._boundary = ErrorBoundary(
            context.database, context.notices, context.clock, self.signals.outbox.ring
        )
        self._sender, self._arrival = Sender(context), Arrival(context)
        failed = FailedPayments(context, self._arrival)
        self._resolver = Resolver(context, self._sender, self._arrival, failed)

    async def run(self) -> None:
        """Catch up after the start, then work whenever the signal rings or time passes; never ends."""
        while True:
            async with self._boundary.over(Guarded.PAYOUTS):
                await self.look_once()
            self._wake_outbox()
            await self.signals.payouts.wait(self.context.clock, await self._pause_s())

    async def _pause_s(self) -> float:
        """Return how long nothing is to be done by time alone: until the next payout's try, for example."""
        if self._reconciled_at is None:
            return _FIRST_RETRY_S
        lnbits = self.signals.parts.get(Part.LNBITS)
        if lnbits is None or not lnbits.reachable:
            return _HEARTBEAT_S
        next_at = await self.context.database.read(
            lambda tx: queue.next_try_at(tx, sent_only=bot_state.paused(tx))
        )
        # A payout that is due already waits for funds, or for the lease.
        now, rest_s = self.context.clock.now(), self.signals.rest_s
        return pause_until(now, next_at, least_s=_HEARTBEAT_S, most_s=rest_s)

    async def look_once(self) -> None:
        """Catch up after a start, work a round, reconcile once an hour, and note whether LNbits answers."""
        try:
            now = self.context.clock.now()
            if self._reconciled_at is None:
                await self.catch_up()
                self.signals.reconciled.set()
                self._reconciled_at = now
            if await self.work_once():
                self.signals.payouts.ring()
            is_time = has_passed(_RECONCILE_EVERY, since=self._reconciled_at, now=now)
            if is_time:
                await self._reconcile(since=self._mark)
                self._reconciled_at = now
            self._note()
            self._note_step()
            if is_time:
                forget = partial(invoices.forget, now=now, limit=_FORGOTTEN_AT_ONCE)
                await self.context.database.transact(forget)
        except (LnbitsUnavailable, LnbitsRefused) as error:
            must_act = isinstance(error, LnbitsRefused)
            self._note(error, must_act=must_act)

    async def catch_up(self) -> None:
        """Resolve every sent payout after a start, then hold the ledger against LNbits.

        Raise LnbitsUnavailable, or LnbitsRefused, also for a source wallet that must not be used.
        """
        await check_source_wallet(self.context)
        round_ = Round(paying=False)
        for payout in await self.context.database.read(queue.sent):
            await self._take(payout, round_)
        await self._reconcile(since=None)
        await self.context.database.transact(lambda tx: bot_state.drop(tx, bot_state.UNRECONCILED))

    async def work_once(self) -> bool:
        """Work a round: bring each due payout as far as possible; tell whether more may be due.

        Raise LnbitsUnavailable or LnbitsRefused.
        """
        context, now = self.context, self.context.clock.now()
        found = await context.database.transact(partial(self._outlook, now=now))
        if found.collecting and await self._renew_minimums(found.collecting):
            await context.database.transact(lambda tx: planning.plan_all(tx, now=now))
            found = await context.database.transact(partial(self._outlook, now=now))
        due, was_ready = found.due, context.lease.is_ready
        paying = await self._may_pay(found)
        if due and paying and not was_ready:
            # To take the lease can take long, and can hold payouts; to have the lease takes no time.
            due = await context.database.read(lambda tx: queue.due(tx, now, limit=BATCH))
        await context.funds.refresh()
        is_paused = bool(due) and await context.database.read(bot_state.paused)
        round_ = Round(paying=paying and not is_paused)
        for number, payout in enumerate(due, 1):
            await self._take(payout, round_, due[number : number + ASKED_AT_ONCE])
            self._wake_outbox()  # A round can take minutes: no notice waits for the end.
        await self._look_up(round_)
        await context.funds.report(was_idle=not due)
        progress = round_.sent or round_.refusals
        return bool(round_.paying and progress and len(due) >= BATCH)

    def _outlook(self, tx: Tx, now: datetime) -> _Outlook:
        """Find what a round has to do; with a payout to move, record the clock's reading."""
        next_at, due = queue.next_try_at(tx, sent_only=False), list[Payout]()
        if next_at is not None and next_at <= now:
            due = queue.due(tx, now, limit=BATCH)
        collecting = queue.collecting_clients(tx)
        if due:
            clock.see(tx, now)
        return _Outlook(due, collecting, bot_state.paused(tx))

    async def _may_pay(self, found: _Outlook) -> bool:
        """Take the lease if a payout is to be sent; tell whether this bot may send payouts.

        A rival may have paid until this bot took the lease: LNbits is asked for unknown payments first.
        """
        lease = self.context.lease
        if found.is_paused:
            await lease.announce()
            return False
        if all(payout.state not in _MAY_BE_SENT for payout in found.due):
            return True
        if not await lease.hold():
            return False
        if lease.must_reconcile:
            await self._reconcile(since=None)
            lease.must_reconcile = False
        return True

    async def _reconcile(self, *, since: ListMark | None) -> None:
        """Hold LNbits' list of payments against the ledger; keep the new mark once all is recorded."""
        context, now = self.context, self.context.clock.now()
        done = await reconcile(
            context.database, context.wallet, context.notices, now=now, since=since
        )
        self._mark = done.mark
        _log.info("reconciled with LNbits unknown_payments=%d", done.unknown)

    async def _renew_minimums(self, collecting: Sequence[Client]) -> bool:
        """Ask the addresses of clients with shares below the minimum for the minimum again, once a day.

        Return whether it was time for any of the clients.
        """
        now, is_time = self.context.clock.now(), False
        for client in collecting:
            last = self.minimum_seen_at.get(client.id)
            if not has_passed(_MINIMUM_RENEWED_EVERY, since=last, now=now):
                continue
            self.minimum_seen_at[client.id], is_time = now, True
            if client.destination is not None and not client.destination.is_internal:
                async with self._boundary.over(Guarded.MINIMUM, client.id):
                    await self._renew_minimum(client.id, client.destination)
        return is_time

    async def _renew_minimum(self, client_id: int, destination: Destination) -> None:
        try:
            limits = await self.context.addresses.limits(destination.value)
            await self.context.database.transact(
                lambda tx: clients.set_minimum(tx, client_id, destination, limits.min_sat)
            )
        except (DestinationRefused, DestinationUnavailable, StateChanged) as error:
            _log.info("minimum not renewed client=%d detail=%s", client_id, error)

    async def _take(self, payout: Payout, round_: Round, behind: Sequence[Payout] = ()) -> None:
        """Bring a payout further, unless its destination has failed too often; `behind` come next."""
        if round_.refusals[_place(payout)] >= _REFUSALS_MAX and payout.state in UNSENT:
            return
        left_msat = self.context.funds.left_msat - round_.under_way_msat
        if payout.needed_msat > left_msat or round_.must_look_up(self.context.clock.now()):
            await self._look_up(round_)
        await self._guard(payout, round_, self._step(payout, round_, behind))

    async def _look_up(self, round_: Round) -> None:
        """Find out what became of the payouts under way, one by one where LNbits' lists don't tell."""
        under_way: Sequence[Payout] = round_.under_way
        round_.under_way, round_.is_called_paid = [], True
        if len(under_way) > 1:
            under_way = await self._resolver.book_listed(under_way)
        for payout in under_way:
            await self._guard(payout, round_, self._resolver.resolve(payout, paying=False))

    async def _guard(self, payout: Payout, round_: Round, step: Coroutine[Any, Any, None]) -> None:
        """Take a step; a failing destination keeps back only the payouts to that destination."""
        where, sent = _place(payout), round_.sent
        try:
            await step
            if round_.sent == sent:  # what became of a payout that was sent is not clear yet
                round_.unclear = 0
        except (OutOfFunds, NotHeld):
            round_.paying = False
        except StateChanged:
            _log.info("payout changed meanwhile payout=%s", short_id(payout.id))
        except DestinationUnavailable as error:
            round_.refusals[where] = _REFUSALS_MAX
            _log.info("destination unavailable payout=%s detail=%s", short_id(payout.id), error)
            await self._step_aside(payout, error.why)
            await self.context.database.transact(lambda tx: deferral.defer_like(tx, payout, where))
        except DestinationRefused as error:
            round_.refusals[where] += 1
            await self._step_aside_refused(payout, error)
        except LnbitsUnavailable as error:
            round_.unclear += 1
            if round_.unclear >= _UNCLEAR_MAX:
                raise
            _log.warning("no clear answer payout=%s detail=%s", short_id(payout.id), error)
            await self._step_aside(payout, Waiting.NO_ANSWER)
            await self._resolver.tell_if_slow(payout)
        except (LnbitsRefused, sqlite3.OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - one payout must not keep the others from being paid
            _log.error(
                "payout failed payout=%s error=%s at=%s",
                short_id(payout.id),
                type(error).__name__,
                place_of(error),
            )
            await self._step_aside(payout, Waiting.ERROR, least_s=600)
        self._note_step()

    async def _step(self, payout: Payout, round_: Round, behind: Sequence[Payout]) -> None:
        """Take the next step with a payout."""
        match payout.state:
            case PayoutState.SUBMITTED | PayoutState.IN_DOUBT:
                await self._resolver.resolve(payout, paying=round_.paying)
            case PayoutState.DEBITED | PayoutState.ALERT:
                await self._arrival.verify_credit(payout)
            case PayoutState.PLANNED | PayoutState.INVOICED if round_.paying:
                unsent = [other for other in behind if other.state in UNSENT]
                try:
                    sent = await self._sender.pay(payout, unsent)
                finally:
                    # A payout can be recorded as sent, whatever is raised then.
                    self.signals.verify.ring()
                if sent is not None:
                    round_.note_sent(sent)
            case PayoutState.VOID if payout.attempts < rules.ATTEMPTS_MAX:
                now = self.context.clock.now()
                await self.context.database.transact(
                    lambda tx: transitions.retry(tx, payout, now=now)
                )
            case _:
                pass

    async def _step_aside_refused(self, payout: Payout, error: DestinationRefused) -> None:
        """Wait for long after a lasting refusal; shortly, for some tries, after a server's passing trouble.

        During those tries the payout shows NO_USABLE_ANSWER, or the server's own words: any other Refusal
        reads like a lasting one.
        """
        fresh = await self.context.database.read(lambda tx: payouts.get(tx, payout.id))
        wait = Wait(error.why, error.said, error.limit_sat)
        if not error.may_pass or fresh.tries >= rules.PASSING_TRIES:
            await self._step_aside(payout, wait, least_s=600)
        elif error.why is Refusal.SAID:
            await self._step_aside(payout, wait)
        else:
            await self._step_aside(payout, Waiting.NO_USABLE_ANSWER)

    async def _step_aside(self, payout: Payout, why: str | Wait, *, least_s: int = 0) -> None:
        """Let a payout wait, in whatever state the payout is by now."""
        now = self.context.clock.now()
        await self.context.database.transact(
            lambda tx: deferral.back_off(
                tx, payouts.get(tx, payout.id), why, now=now, least_s=least_s
            )
        )

    def _wake_outbox(self) -> None:
        self.signals.wake_outbox(self.context.notices.written)

    def _note_step(self) -> None:
        self.signals.stepped_at = self.context.clock.now()

    def _note(self, failure: OutsideError | None = None, *, must_act: bool = False) -> None:
        """Note whether LNbits answers; a refused key (`must_act`) is logged as an error."""
        now = self.context.clock.now()
        is_news = self.signals.note(
            Part.LNBITS, reachable=failure is None, now=now, failure=failure
        )
        if is_news or (must_act and not self._must_act):
            level = logging.ERROR if must_act else logging.WARNING
            _log.log(level, "LNbits reachable=%s detail=%s", failure is None, failure or "")
        self._must_act = must_act


def _place(payout: Payout) -> str:
    """Return the destination whose refusals count together; empty without one."""
    return payout.destination.value if payout.destination else ""

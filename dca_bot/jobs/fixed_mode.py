"""Carries out fixed mode's runs when due, and makes up missed runs on the same local date.

The invariant: a run is carried out once, ever, on the run's local date or not at all, at a rate that was
checked just before.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial

from dca_bot.core.calendar import local_date, next_due
from dca_bot.core.fixed_schedule import Run, due, missed_days, next_run, runs_of
from dca_bot.core.ports import Clock, Wallet
from dca_bot.core.programme import Programme
from dca_bot.core.rate import Quote, choose_rate
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.jobs.clock import look_at_clock
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import SLEEP_MAX_S, Signals, pause_until
from dca_bot.ledger.distributions import fixed_mode, fixed_runs
from dca_bot.ledger.distributions.distributions import Distribution, Share
from dca_bot.ledger.distributions.fixed_runs import PutOff, RecordedRun, RunReason
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.programme import tickers
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import NOTHING, Fiat, Moment, Rate, Sat, Say, Word

LOOK_S = 30
"""The pause while a run waits: a rate that comes back is noticed soon."""
LATE = timedelta(minutes=5)
"""A run that is carried out later than this counts as late, and the operators are told."""
_MIDNIGHT = time()
_RUNS_TOLD_MAX = 10
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class FixedMode:
    """The runner; `run` never ends, unless fixed mode is off."""

    database: Database
    wallet: Wallet
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
        """Look at each run's time and at midnight, once the ledger was reconciled with LNbits."""
        if not self.programme.fixed.enabled:
            await self.database.transact(lambda tx: bot_state.drop(tx, bot_state.FIXED_DAY))
            return
        await self.signals.reconciled.wait()
        while True:
            await self.look_once()
            await self.signals.fixed.wait(self.clock, await self._pause_s())

    async def look_once(self) -> None:
        """Let the runs of earlier dates lapse, and carry out today's due runs, oldest first."""
        now = self.clock.now()
        today = local_date(now, self.programme.timezone)
        if await self.database.transact(lambda tx: look_at_clock(tx, self.notices, now)):
            # A date long past would have its limits anew.
            self.signals.outbox.ring()
            return
        async with self._boundary.over(Guarded.PAST):
            await self._close_past(today)
        async with self._boundary.over(Guarded.FIXED):
            await self._run_due(today, now)

    async def _run_due(self, today: date, now: datetime) -> None:
        runs = due(self._runs_of(today), now)
        open_runs = await self._open(runs, now)
        if open_runs:
            price = await self._price()
            for run in open_runs:
                named = Say("job.run", at=Moment(run.at))
                async with self._boundary.over(Guarded.RUN, run.id, named=named):
                    await self._run(run, price)
                self.signals.outbox.ring()

    async def _pause_s(self) -> float:
        now, zone = self.clock.now(), self.programme.timezone
        coming = next_run(now, self.programme.fixed.times, zone).at
        runs = due(self._runs_of(local_date(now, zone)), now)
        is_waiting = bool(await self._open(runs, now))
        until = min(coming, next_due(now, _MIDNIGHT, zone))
        return pause_until(now, until, most_s=LOOK_S if is_waiting else SLEEP_MAX_S)

    async def _open(self, runs: Sequence[Run], now: datetime) -> list[Run]:
        known = await self.database.read(lambda tx: fixed_runs.known(tx, runs))
        return [run for run in runs if run.id not in known or known[run.id].is_open(now)]

    def _runs_of(self, day: date) -> tuple[Run, ...]:
        return runs_of(day, self.programme.fixed.times, self.programme.timezone)

    # What is over

    async def _close_past(self, today: date) -> None:
        noted = await self.database.read(lambda tx: bot_state.get(tx, bot_state.FIXED_DAY))
        if noted != today.isoformat():
            last = date.fromisoformat(noted) if noted else today
            await self.database.transact(partial(self._close_in, last=last, today=today))
            self.signals.outbox.ring()

    def _close_in(self, tx: Tx, last: date, today: date) -> None:
        """Record, and tell in one message, the runs that were missed from `last` to yesterday."""
        now = self.clock.now()
        paid = HoldReason.KNOWN_DISTRIBUTION
        held = fixed_runs.hold_paid(tx, reason=paid, now=now)
        waited = fixed_runs.lapse_before(tx, today, now=now)
        over = [(run.due_at, run.reason) for run in waited] + [(at, str(paid)) for at in held]
        for run in (run for day in missed_days(last, today) for run in self._runs_of(day)):
            is_paid = bool(unknown_payments.of_distribution(tx, run.id))
            state = fixed_runs.HELD if is_paid else fixed_runs.LAPSED
            reason = paid if is_paid else RunReason.MISSED
            if fixed_runs.put_off(tx, run, state, reason, now=now):
                over.append((run.at, reason))
        bot_state.put(tx, bot_state.FIXED_DAY, today.isoformat())
        if over:
            _log.warning("fixed runs lapsed count=%d", len(over))
            if held or fixed_mode.fixed_clients(tx, today) or any(run.is_told for run in waited):
                self.notices.tell_operators(tx, _lapsed(sorted(over)), now)

    # What is due

    async def _run(self, run: Run, price: Decimal | None) -> None:
        given = await self.database.transact(partial(self._run_in, run=run, price=price))
        if given is not None:
            _log.info(
                "fixed run done id=%s clients=%d minor=%d sat=%d",
                run.id,
                len(given.shares),
                given.principal_minor,
                given.principal_sat,
            )
            self.signals.payouts.ring()

    async def _price(self) -> Decimal | None:
        try:
            return await self.wallet.price(self.programme.currency)
        except (LnbitsUnavailable, LnbitsRefused) as error:
            _log.debug("LNbits told no price detail=%s", error)
            return None

    def _run_in(self, tx: Tx, run: Run, price: Decimal | None) -> Distribution[Share] | None:
        """Carry out a run with everything that follows, or record why the run waits or is held."""
        now = self.clock.now()
        before = fixed_runs.known(tx, [run]).get(run.id)
        if before is not None and not before.is_open(now):
            return None
        if local_date(now, self.programme.timezone) != run.day:
            return None
        if unknown_payments.of_distribution(tx, run.id):
            fixed_runs.put_off(tx, run, fixed_runs.HELD, HoldReason.KNOWN_DISTRIBUTION, now=now)
            self.notices.tell_operators(tx, Say("notice.fixed_held", at=Moment(run.at)), now)
            _log.warning("fixed run held id=%s reason=%s", run.id, HoldReason.KNOWN_DISTRIBUTION)
            return None
        if bot_state.paused(tx):
            fixed_runs.put_off(tx, run, fixed_runs.WAITING, RunReason.PAUSED, now=now)
            return None
        quote: Quote | None = None
        if fixed_mode.is_needed(tx, run, ceiling_minor=self._ceiling_minor):
            found = self._quote(tx, run, price)
            if not isinstance(found, Quote):
                self._wait(tx, run, before, found)
                return None
            quote = found
        given = fixed_mode.carry_out(
            tx,
            run,
            quote,
            ceiling_minor=self._ceiling_minor,
            currency=self.programme.currency,
            now=now,
        )
        self.notices.clients.run_missed(tx, now)
        if given is not None:
            self._tell_given(tx, run, before, given)
        return given

    @property
    def _ceiling_minor(self) -> int:
        return self.programme.fixed.daily_limit_max_minor

    def _quote(self, tx: Tx, run: Run, price: Decimal | None) -> Quote | PutOff:
        """Return the rate of a run, or the reason for the want of a rate."""
        if fixed_runs.has_unknown_paid(tx, run.day):
            return RunReason.UNKNOWN_PAID
        return choose_rate(
            price,
            tickers.newest(tx),
            rules=self.programme.fixed,
            currency=self.programme.currency,
            now=self.clock.now(),
        )

    def _wait(self, tx: Tx, run: Run, before: RecordedRun | None, reason: PutOff) -> None:
        now = self.clock.now()
        if fixed_runs.put_off(tx, run, fixed_runs.WAITING, reason, now=now):
            _log.warning("fixed run waits id=%s reason=%s", run.id, reason)
        if before is None or not before.is_told:
            fixed_runs.note_told(tx, run.id, now=now)
            told = Say("notice.fixed_waits", at=Moment(run.at), reason=Word("reason", reason))
            self.notices.tell_operators(tx, told, now)

    def _tell_given(
        self, tx: Tx, run: Run, before: RecordedRun | None, given: Distribution[Share]
    ) -> None:
        now = self.clock.now()
        self.notices.clients.note_low(tx, given.client_ids, now)
        if before is not None or now - run.at > LATE:
            told = Say(
                "notice.fixed_made_up",
                at=Moment(run.at),
                n=len(given.shares),
                fiat=Fiat(given.principal_minor),
                sats=Sat(given.principal_sat),
                rate=Rate(given.principal_minor, given.principal_sat),
            )
            self.notices.tell_operators(tx, told, now)


def _lapsed(over: Sequence[tuple[datetime, str]]) -> Say:
    shown = tuple(
        Say("fixed.lapsed_line", at=Moment(at), reason=Word("reason", reason))
        for at, reason in over[:_RUNS_TOLD_MAX]
    )
    left = len(over) - len(shown)
    more = Say("fixed.lapsed_more", n=left) if left else NOTHING
    return Say("notice.fixed_lapsed", n=len(over), runs=(*shown, more))

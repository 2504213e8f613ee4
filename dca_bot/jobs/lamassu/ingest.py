"""Reads the Lamassu server and turns what is final into distributions.

The invariant: whatever is read, however often, a cash-out is recorded under its id and distributed
once; an incomplete reading changes nothing.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from dca_bot.core.calendar import has_passed
from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict, decide
from dca_bot.core.change import terms
from dca_bot.core.freshness import newest_transaction, oldest_copy
from dca_bot.core.ports import CashOutSource, Clock, Export
from dca_bot.core.programme import Programme
from dca_bot.core.rate import newest_ticker
from dca_bot.core.reach import Part
from dca_bot.errors import SourceUnavailable
from dca_bot.jobs.error_boundary import Guard, Guarded
from dca_bot.jobs.lamassu.changes import ChangeWatch
from dca_bot.jobs.lamassu.dispense_reports import ReportWatch
from dca_bot.jobs.lamassu.machine_cash import Cashier
from dca_bot.jobs.lamassu.partial_readings import PartialWatch, lacking_report, spared
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.distributions import cash_outs, changes, distributions, readings, recovery
from dca_bot.ledger.distributions.distributions import Distribution
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import HoldKind, HoldReason
from dca_bot.ledger.programme import machines, tickers
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

FULL_READ_EVERY = timedelta(days=1)
REDEEM_LATER = timedelta(days=2)
"""A cash-out can be created so long before the cash leaves."""
UNREADABLE_EVERY = timedelta(hours=1)
"""What can't be read may be worded anew at each poll; the operators are told no more often."""
TOLD_MAX = 10_000
_BATCH = 1000
_STATE_OF = {
    Verdict.WAIT: cash_outs.WAITING,
    Verdict.HOLD: cash_outs.HELD,
    Verdict.IGNORE: cash_outs.IGNORED,
}
# What is held, or decided, isn't turned by a reading that lacks much.
_STAYING = frozenset({cash_outs.HELD, cash_outs.IGNORED, cash_outs.DISTRIBUTED})
_log = logging.getLogger(__name__)
Found = tuple[CashOut, Decision]


@dataclass(slots=True)
class Ingest:
    """The poller; `run` never ends.

    `start_at` is configured, or that of the bot's first start: `from_first_start`.
    """

    database: Database
    source: CashOutSource
    notices: Notices
    programme: Programme
    clock: Clock
    signals: Signals
    start_at: datetime
    lookback: timedelta
    poll_s: int
    from_first_start: bool = False
    _full_read_at: datetime | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _unreadable_told_at: datetime | None = field(default=None, init=False)
    _guard: Guard = field(init=False)
    _cashier: Cashier = field(init=False)
    _changes: ChangeWatch = field(init=False)
    _partial: PartialWatch = field(init=False)
    _reports: ReportWatch = field(init=False)

    def __post_init__(self) -> None:
        self._guard = Guard(self.database, self.notices, self.clock, self.signals.deliver.ring)
        currency = self.programme.currency
        self._cashier = Cashier(self.database, self.notices, self.clock, self._guard, currency)
        self._changes = ChangeWatch(currency, self._hold)
        self._partial = PartialWatch(self.notices)
        self._reports = ReportWatch(self.notices, currency)

    async def run(self) -> None:
        """Poll at every interval, or when rung; not while the operator has paused everything."""
        await self.signals.reconciled.wait()
        while True:
            if await self.database.read(bot_state.paused):
                self._full_read_at = None
            else:
                async with self._guard.over(Guarded.POLL):
                    await self._try_poll()
            await self.signals.poll.wait(self.clock, self.poll_s)

    async def poll_once(self) -> None:
        """Read Lamassu and process all that is final; raise SourceUnavailable."""
        now = self.clock.now()
        await self._know_start()
        full = has_passed(FULL_READ_EVERY, since=self._full_read_at, now=now)
        first = reads_since(self.start_at)
        since = first if full else max(first, now - self.lookback)
        export = await self.source.fetch(since)
        async with self._guard.over(Guarded.TICKER):
            await self._note_ticker(export)
        found = await self._spare(
            judge(
                export,
                currency=self.programme.currency,
                start_at=self.start_at,
                now=self.clock.now(),
            )
        )
        await self._record(export, found)
        async with self._guard.over(Guarded.MISSING):
            await self._look_whether_partial(export, found, since)
        for cash_out, decision in await self._final(found):
            async with self._guard.over(Guarded.CASH_OUT, cash_out.id, named=_named(cash_out)):
                await self._distribute(cash_out, decision)
        if full:
            async with self._guard.over(Guarded.MISSING):
                await self._look_for_missing(export, first)
            self._full_read_at = now
            await self.database.transact(self._hold_lost)
        async with self._guard.over(Guarded.CASH):
            if await self._cashier.warn():
                self.signals.deliver.ring()
        await self._tell_unreadable(export)
        await self.database.transact(lambda tx: _note_poll(tx, export, now))

    async def _know_start(self) -> None:
        """Where rows count from the first start on, that is pulled back if the clock was ahead then."""
        if self.from_first_start:
            first = await self.database.read(lambda tx: bot_state.moment(tx, bot_state.START_AT))
            self.start_at = first or self.start_at

    async def _try_poll(self) -> None:
        try:
            await self.poll_once()
        except SourceUnavailable as error:
            self._note(reachable=False, detail=str(error))
        else:
            self._note(reachable=True)

    async def _note_ticker(self, export: Export) -> None:
        """Remember the newest price of a coin, which fixed mode holds its rate against."""
        now = self.clock.now()
        ticker = newest_ticker(export.cash_outs, currency=self.programme.currency, now=now)
        if ticker is not None:
            await self.database.transact(lambda tx: tickers.note(tx, ticker, now=now))

    async def _spare(self, found: list[Found]) -> list[Found]:
        lacking = lacking_report(found)
        return spare(found, await self.database.read(lambda tx: cash_outs.states(tx, lacking)))

    async def _final(self, found: Iterable[Found]) -> list[Found]:
        """Return what is still to be distributed, oldest first."""
        final = [pair for pair in found if pair[1].verdict is Verdict.DISTRIBUTE]
        ids = [cash_out.id for cash_out, _ in final]
        known = await self.database.read(lambda tx: cash_outs.states(tx, ids))
        return sorted(
            (pair for pair in final if not is_decided(known.get(pair[0].id))),
            key=lambda pair: (pair[1].at, pair[0].id),
        )

    async def _record(self, export: Export, found: list[Found]) -> None:
        async with self._guard.over(Guarded.CASH):
            await self.database.transact(lambda tx: machines.record(tx, export.machines))
            await self._cashier.follow(export, found, since=self.start_at)
        for start in range(0, len(found), _BATCH):
            some = found[start : start + _BATCH]
            await self._guard.over_each(
                Guarded.CASH_OUT,
                some,
                self._record_rows,
                ref=lambda pair: pair[0].id,
                named=lambda pair: _named(pair[0]),
            )
        self.signals.deliver.ring()

    async def _record_rows(self, found: Sequence[Found]) -> None:
        await self.database.transact(partial(self._record_some, found=found))

    def _record_some(self, tx: Tx, found: Sequence[Found]) -> None:
        """Record what is new or has changed; what the operator has decided stays decided."""
        known = cash_outs.states(tx, [cash_out.id for cash_out, _ in found])
        shared_out = []
        for cash_out, decision in found:
            state, reason = known.get(cash_out.id, ("", ""))
            if state == cash_outs.DISTRIBUTED:
                shared_out.append((cash_out, decision))
            elif decision.verdict is Verdict.DISTRIBUTE or reason == Reason.BY_OPERATOR:
                continue
            elif _is_news(tx, cash_out, decision, state=state, reason=reason):
                self._record_one(tx, cash_out, decision)
        self._changes.look(tx, shared_out, now=self.clock.now())
        for cash_out, _ in shared_out:
            self._reports.tell(tx, cash_out, now=self.clock.now())

    def _record_one(self, tx: Tx, cash_out: CashOut, decision: Decision) -> None:
        now = self.clock.now()
        state, reason = _STATE_OF[decision.verdict], str(decision.reason)
        cash_outs.record(tx, cash_out, decision, state=state, reason=reason, now=now)
        changes.note_terms(tx, cash_out.id, terms(cash_out))
        if decision.verdict is Verdict.HOLD:
            lines = (describe.error(cash_out.error), self._reports.take(tx, cash_out, now=now))
            self._hold(tx, HoldKind.CASH_OUT, cash_out.id, reason, Say("lines", lines=lines))
            holds.reword(tx, HoldKind.CASH_OUT, cash_out.id, reason)
        else:
            holds.close(tx, HoldKind.CASH_OUT, cash_out.id, outcome="by itself", now=now)

    async def _look_whether_partial(
        self, export: Export, found: Sequence[Found], since: datetime
    ) -> None:
        now = self.clock.now()
        if await self.database.transact(
            lambda tx: self._partial.look(tx, export, found, since=since, now=now)
        ):
            self.signals.deliver.ring()

    async def _look_for_missing(self, export: Export, since: datetime) -> None:
        now = self.clock.now()
        gone = await self.database.transact(
            lambda tx: self._changes.look_for_missing(tx, export, since=since, now=now)
        )
        if gone:
            _log.warning(
                "reading lacks rows that were shared out n=%d first=%s", len(gone), gone[0]
            )
            await self._tell_once(Say("notice.rows_missing", n=len(gone), first=gone[0]))

    async def _distribute(self, cash_out: CashOut, decision: Decision) -> None:
        done = await self.database.transact(lambda tx: self._distribute_in(tx, cash_out, decision))
        if done is not None:
            _log.info(
                "cash-out distributed id=%s principal_sat=%d shares=%d unallocated_sat=%d",
                cash_out.id,
                done.principal_sat,
                len(done.shares),
                done.unallocated_sat,
            )
            self.signals.settle.ring()
            self.signals.deliver.ring()

    def _distribute_in(self, tx: Tx, cash_out: CashOut, decision: Decision) -> Distribution | None:
        """Do everything that one cash-out changes; None if there is nothing to do now."""
        now = self.clock.now()
        known = cash_outs.states(tx, [cash_out.id]).get(cash_out.id)
        if is_decided(known) or bot_state.paused(tx):
            return None
        if unknown_payments.of_cash_out(tx, cash_out.id):
            if known != (cash_outs.HELD, HoldReason.KNOWN_DISTRIBUTION):
                held, why = cash_outs.HELD, HoldReason.KNOWN_DISTRIBUTION
                cash_outs.record(tx, cash_out, decision, state=held, reason=why, now=now)
                self._hold(tx, HoldKind.CASH_OUT, cash_out.id, why)
                holds.reword(tx, HoldKind.CASH_OUT, cash_out.id, why)
            return None
        assert decision.amounts is not None
        waiting = cash_outs.WAITING
        cash_outs.record(tx, cash_out, decision, state=waiting, reason="", now=now)
        changes.note_terms(tx, cash_out.id, terms(cash_out))
        done = distributions.distribute(
            tx,
            cash_out.id,
            decision.amounts,
            at=decision.at,
            now=now,
            flow_enabled=self.programme.flow_enabled,
        )
        holds.close(tx, HoldKind.CASH_OUT, cash_out.id, outcome="by itself", now=now)
        for share in done.shares:
            self.notices.clients.note_low(tx, share.client_id, now)
        self._reports.tell(tx, cash_out, now=self.clock.now())
        self.notices.clients.sale_missed(tx, cash_out.id, now)
        return done

    def _hold(self, tx: Tx, kind: HoldKind, ref: str, reason: str, told: Say | None = None) -> None:
        now = self.clock.now()
        # Two exports that are mixed every other time would have it told all day.
        is_told = reason == Reason.TWICE and holds.was_opened(tx, kind, ref, reason)
        hold = holds.open_hold(tx, kind, ref, reason, now=now)
        if hold is not None and not is_told:
            self.notices.hold_opened(tx, hold, now, told=told)
            _log.warning("hold opened kind=%s ref=%s reason=%s", kind, ref, reason)

    def _hold_lost(self, tx: Tx) -> None:
        """Hold what LNbits has paid and no reading of Lamassu brings back, for as long as that is so."""
        found = recovery.distribution_ids(tx)
        for ref in holds.open_refs(tx, HoldKind.RECOVERY):
            if ref not in found:
                holds.close(tx, HoldKind.RECOVERY, ref, outcome="by itself", now=self.clock.now())
        for distribution_id in found:
            self._hold(tx, HoldKind.RECOVERY, distribution_id, HoldReason.LOST)

    async def _tell_unreadable(self, export: Export) -> None:
        new = [sentence for sentence in export.unreadable if sentence not in self._told]
        now, last = self.clock.now(), self._unreadable_told_at
        if new and has_passed(UNREADABLE_EVERY, since=last, now=now):
            self._unreadable_told_at = now
            await self._tell_once(Say("notice.rows_unreadable", n=len(new), first=new[0]))
            self._told.update(new)

    async def _tell_once(self, told: Say) -> None:
        """Tell the operators what each poll finds again, once in this run of the bot."""
        if str(told) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told.add(str(told))
        now = self.clock.now()
        await self.database.transact(lambda tx: self.notices.tell_operators(tx, told, now))
        self.signals.deliver.ring()

    def _note(self, *, reachable: bool, detail: str = "") -> None:
        now = self.clock.now()
        if self.signals.note(Part.LAMASSU, reachable=reachable, now=now, detail=detail):
            _log.warning("Lamassu reachable=%s detail=%s", reachable, detail)


def _note_poll(tx: Tx, export: Export, now: datetime) -> None:
    bot_state.note_poll(tx, now)
    readings.note(tx, oldest_copy(export, now), newest_transaction(export, now))


def reads_since(start_at: datetime) -> datetime:
    """Return since when rows are read where cash-outs count from `start_at` on."""
    return start_at - REDEEM_LATER


def judge(export: Export, *, currency: str, start_at: datetime, now: datetime) -> list[Found]:
    """Decide each cash-out of a reading; those from before `start_at` are left out."""
    decided = (
        (cash_out, decide(cash_out, currency=currency, now=now)) for cash_out in export.cash_outs
    )
    return [(cash_out, found) for cash_out, found in decided if found.at >= start_at]


def is_decided(known: tuple[str, str] | None) -> bool:
    """Tell by state and reason whether a cash-out was distributed, or the operator gave it to nobody."""
    state, reason = known or ("", "")
    return state == cash_outs.DISTRIBUTED or reason == Reason.BY_OPERATOR


def spare(found: list[Found], known: Mapping[str, tuple[str, str]]) -> list[Found]:
    """Let sales wait that lack their report, where so many do that the reading must be partial."""
    return spared(found, {id_ for id_, (state, _) in known.items() if state in _STAYING})


def _named(cash_out: CashOut) -> Say:
    return Say("job.cash_out", id=cash_out.id)


def _is_news(tx: Tx, cash_out: CashOut, decision: Decision, *, state: str, reason: str) -> bool:
    """Tell whether a row is found to be something else than is recorded, a held one also in its figures."""
    if (state, reason) != (_STATE_OF[decision.verdict], str(decision.reason)):
        return True
    held = cash_outs.by_id(tx, cash_out.id) if state == cash_outs.HELD else None
    figures = (decision.amounts, decision.dispensed_minor)
    return held is not None and (held.amounts, held.dispensed_minor) != figures

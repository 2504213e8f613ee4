"""Polls the Lamassu server: has the cash-outs recorded, and the clean successes distributed.

The invariant: an incomplete reading changes nothing; a faulty cash-out keeps no other back.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from dca_bot.core.calendar import has_passed
from dca_bot.core.cash_out import CashOut
from dca_bot.core.change import MISSING_MAX, missing
from dca_bot.core.freshness import newest_transaction, oldest_copy
from dca_bot.core.ports import CashOutSource, Clock, Export
from dca_bot.core.programme import Programme
from dca_bot.core.rate import newest_ticker
from dca_bot.core.reach import Part
from dca_bot.errors import SourceUnavailable
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.lamassu.decisions import Decided, judge, reads_since, spare, unreported
from dca_bot.jobs.lamassu.machine_cash import CashWatch, cash_flows
from dca_bot.jobs.lamassu.partial_readings import PartialWatch
from dca_bot.jobs.lamassu.recording import Recorder
from dca_bot.jobs.lamassu.settled_rows import Row, SettledRows
from dca_bot.jobs.signals import Signals
from dca_bot.jobs.threads import aside
from dca_bot.ledger.distributions import cash_outs, changes, readings
from dca_bot.ledger.programme import machines, tickers
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

TOLD_MAX = 10_000
_FULL_READ_EVERY = timedelta(days=1)
_UNREADABLE_EVERY = timedelta(hours=1)
"""Unreadable rows may be worded anew at each poll; the operators are told at most once in this time."""
_BATCH = 1000
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ingest:
    """The poller of the Lamassu server; `run` never ends.

    `start_at`: the instant from which on cash-outs count; configured, or the bot's first start
    (`from_first_start`). `lookback`: how far back a poll reads, except for one full reading a day.
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
    _machines: Mapping[str, str] | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _unreadable_told_at: datetime | None = field(default=None, init=False)
    _boundary: ErrorBoundary = field(init=False)
    _cash: CashWatch = field(init=False)
    _partial: PartialWatch = field(init=False)
    _recorder: Recorder = field(init=False)
    _settled: SettledRows = field(default_factory=SettledRows, init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )
        self._cash = CashWatch(self.database, self.notices, self.clock, self._boundary)
        self._partial = PartialWatch(self.notices)
        self._recorder = Recorder(self.notices, self.programme, self.clock)

    async def run(self) -> None:
        """Poll at every interval, or when rung; not while the operator has paused everything."""
        await self.signals.reconciled.wait()
        while True:
            if await self.database.read(bot_state.paused):
                self._full_read_at = None
            else:
                async with self._boundary.over(Guarded.POLL):
                    await self._try_poll()
            await self.signals.poll.wait(self.clock, self.poll_s)

    async def poll_once(self) -> None:
        """Read Lamassu, record the reading, and distribute the clean successes, oldest first.

        Raise SourceUnavailable if Lamassu could not be read.
        """
        now = self.clock.now()
        await self._know_start()
        full = has_passed(_FULL_READ_EVERY, since=self._full_read_at, now=now)
        first = reads_since(self.start_at)
        since = first if full else max(first, now - self.lookback)
        await aside(lambda _stop: self._settled.begin(start_at=self.start_at, now=now))
        export = await self.source.fetch(since, self._settled)
        judged_at = self.clock.now()
        export, decided = await aside(lambda _stop: self._judge(export, since, judged_at))
        decided = await self._spare(decided)
        unrecorded = await self._record_cash(export, decided)
        to_distribute, settled = await self._record(decided)
        for cash_out, decision in sorted(to_distribute, key=lambda one: (one[1].at, one[0].id)):
            async with self._boundary.over(Guarded.CASH_OUT, cash_out.id, named=_named(cash_out)):
                if await self._distribute((cash_out, decision)):
                    settled.append(cash_out)
        if full:
            async with self._boundary.over(Guarded.MISSING):
                await self._look_for_missing(export, first)
            self._full_read_at = now
            await self.database.transact(self._recorder.hold_unknown_payments)
        await self._tell_unreadable(export)
        if await self._note_reading(export, decided, since, now):
            judged = {cash_out.id for cash_out, _ in decided}
            before_start = (row for row in export.cash_outs if row.id not in judged)
            rows = (*settled, *before_start, *export.cash_ins)
            done = [row for row in rows if row.id not in unrecorded]
            await aside(lambda _stop: self._settled.settle(done, now=judged_at))

    async def _know_start(self) -> None:
        """Read the first start again: a first start by a clock that was ahead is pulled back later."""
        if self.from_first_start:
            first = await self.database.read(lambda tx: bot_state.moment(tx, bot_state.START_AT))
            self.start_at = first or self.start_at

    async def _try_poll(self) -> None:
        try:
            await self.poll_once()
        except SourceUnavailable as error:
            self._note(error)
        else:
            self._note(None)

    async def _note_reading(
        self, export: Export, decided: Sequence[Decided], since: datetime, polled_at: datetime
    ) -> bool:
        """Record the poll and the newest ticker, and tell of what the reading shows as a whole.

        Return whether all of that was done.
        """
        now = self.clock.now()
        looks: tuple[tuple[Guarded, Callable[[Tx], bool]], ...] = (
            (Guarded.TICKER, lambda tx: self._note_ticker(tx, export, now)),
            (
                Guarded.MISSING,
                lambda tx: self._partial.look(tx, export, decided, since=since, now=now),
            ),
            (Guarded.CASH, self._cash.warn),
            (Guarded.POLL, lambda tx: _note_poll(tx, export, polled_at)),
        )
        done = await self._boundary.over_all(looks)
        if any(done):
            self.signals.outbox.ring()
        return len(done) == len(looks)

    def _note_ticker(self, tx: Tx, export: Export, now: datetime) -> bool:
        """Record the newest ticker for the checks of fixed mode's rate; tell nobody."""
        ticker = newest_ticker(export.cash_outs, currency=self.programme.currency, now=now)
        if ticker is not None:
            tickers.note(tx, ticker, now=now)
        return False

    def _judge(
        self, export: Export, since: datetime, now: datetime
    ) -> tuple[Export, list[Decided]]:
        """Judge the rows of a reading; outside the event loop, as there may be many."""
        export = replace(export, passed=self._settled.passed(since))
        currency, start_at = self.programme.currency, self.start_at
        return export, judge(export, currency=currency, start_at=start_at, now=now)

    async def _spare(self, decided: list[Decided]) -> list[Decided]:
        lacking = unreported(decided)
        if len(lacking) <= MISSING_MAX:
            return decided
        return spare(decided, await self.database.read(lambda tx: cash_outs.states(tx, lacking)))

    async def _record_cash(self, export: Export, decided: Sequence[Decided]) -> AbstractSet[str]:
        """Record machines and cash; return the ids of the rows whose cash could not be recorded."""
        unrecorded = {row.id for row in export.cash_outs} | {row.id for row in export.cash_ins}
        async with self._boundary.over(Guarded.CASH):
            await self._note_machines(export)
            currency, start_at = self.programme.currency, self.start_at
            moved = await aside(lambda _stop: cash_flows(export, decided, currency, since=start_at))
            unrecorded &= await self._cash.follow(moved)
        return unrecorded

    async def _record(self, decided: Sequence[Decided]) -> tuple[list[Decided], list[Row]]:
        """Record cash-outs; return those still to be distributed, and the settled ones."""
        to_distribute: list[Decided] = []
        settled: list[Row] = []

        async def record(some: Sequence[Decided]) -> None:
            work = partial(self._recorder.record, decided=some)
            recorded = await self.database.transact(work)
            to_distribute.extend(recorded.to_distribute)
            settled.extend(recorded.settled)

        for start in range(0, len(decided), _BATCH):
            await self._boundary.over_each(
                Guarded.CASH_OUT,
                decided[start : start + _BATCH],
                record,
                ref=lambda one: one[0].id,
                named=lambda one: _named(one[0]),
            )
        if decided:
            self.signals.outbox.ring()
        return to_distribute, settled

    async def _note_machines(self, export: Export) -> None:
        """Record the machines, unless the last reading had the same machines with the same names."""
        if export.machines != self._machines:
            await self.database.transact(lambda tx: machines.record(tx, export.machines))
            self._machines = dict(export.machines)

    async def _look_for_missing(self, export: Export, since: datetime) -> None:
        """Hold the distributed cash-outs since `since` that a full reading lacks.

        A reading that lacks many must be partial: the operators are told, and nothing is held.
        """
        known = await self.database.read(lambda tx: changes.shared_out(tx, since))
        gone = await aside(lambda _stop: missing(known, export, self._settled.has))
        if gone and len(gone) <= MISSING_MAX:
            hold, now = self._recorder.changes.hold_missing, self.clock.now()
            await self.database.transact(lambda tx: hold(tx, gone, now=now))
        elif gone:
            _log.warning(
                "reading lacks rows that were shared out n=%d first=%s", len(gone), gone[0]
            )
            await self._tell_once(Say("notice.rows_missing", n=len(gone), first=gone[0]))

    async def _distribute(self, one: Decided) -> bool:
        """Distribute a cash-out; return whether the cash-out is distributed now."""
        given = await self.database.transact(lambda tx: self._recorder.distribute(tx, *one))
        if given is not None:
            _log.info(
                "cash-out distributed id=%s principal_sat=%d shares=%d unallocated_sat=%d",
                given.id,
                given.principal_sat,
                len(given.shares),
                given.unallocated_sat,
            )
            self.signals.payouts.ring()
            self.signals.outbox.ring()
        return given is not None

    async def _tell_unreadable(self, export: Export) -> None:
        new = [one for one in export.left_out if one.text not in self._told]
        now, last = self.clock.now(), self._unreadable_told_at
        if new and has_passed(_UNREADABLE_EVERY, since=last, now=now):
            self._unreadable_told_at = now
            first = describe.left_out(new[0])
            await self._tell_once(Say("notice.rows_unreadable", n=len(new), first=first))
            self._told.update(one.text for one in new)

    async def _tell_once(self, told: Say) -> None:
        """Tell the operators once in this run of the bot, however many polls find the same."""
        if str(told) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told.add(str(told))
        now = self.clock.now()
        await self.database.transact(lambda tx: self.notices.tell_operators(tx, told, now))
        self.signals.outbox.ring()

    def _note(self, failure: SourceUnavailable | None) -> None:
        now, reachable = self.clock.now(), failure is None
        if self.signals.note(Part.LAMASSU, reachable=reachable, now=now, failure=failure):
            _log.warning("Lamassu reachable=%s detail=%s", reachable, failure or "")


def _note_poll(tx: Tx, export: Export, now: datetime) -> bool:
    """Record a poll and the age of what was read; tell nobody."""
    bot_state.note_poll(tx, now)
    readings.note(tx, oldest_copy(export, now), newest_transaction(export, now))
    return False


def _named(cash_out: CashOut) -> Say:
    return Say("job.cash_out", id=cash_out.id)

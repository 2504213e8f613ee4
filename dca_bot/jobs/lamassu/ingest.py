"""Polls the Lamassu server: has the cash-outs recorded, and the clean successes distributed.

The invariant: an incomplete reading changes nothing; a faulty cash-out keeps no other back.
"""

import logging
from asyncio import gather
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from dca_bot.core.calendar import has_passed
from dca_bot.core.cash_out import CashOut, Verdict
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.freshness import oldest_copy
from dca_bot.core.ports import CashIn, CashOutSource, Clock, Export
from dca_bot.core.programme import Programme
from dca_bot.core.rate import Ticker
from dca_bot.core.reach import Part
from dca_bot.errors import SourceUnavailable
from dca_bot.files.spill import batches, in_order
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.lamassu.decisions import Decided, reads_since, spare, to_spare, unreported
from dca_bot.jobs.lamassu.judged import Judged, judge_all
from dca_bot.jobs.lamassu.machine_cash import CashWatch, cash_left, cash_paid_in
from dca_bot.jobs.lamassu.missing_rows import MissingRows
from dca_bot.jobs.lamassu.partial_readings import PartialWatch
from dca_bot.jobs.lamassu.recording import Recorded, Recorder
from dca_bot.jobs.lamassu.settled_rows import SettledRows
from dca_bot.jobs.signals import Signals
from dca_bot.jobs.threads import aside
from dca_bot.ledger.distributions import cash_outs, readings
from dca_bot.ledger.distributions.distributions import Distribution, Share
from dca_bot.ledger.programme import machines, start, tickers
from dca_bot.ledger.programme.machine_cash import Flow
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.ledger.store.shared_commits import SHARED_MAX
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

_T = TypeVar("_T")
_Given = tuple[CashOut, Distribution[Share]]
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
        reading = await aside(lambda _stop: self._judge(export, since, judged_at))
        await self._record_all(reading)
        await self._distribute_all(reading)
        await self._tell_unreadable(export)
        if await self._note_reading(reading, since, now):
            await aside(lambda _stop: self._settled.settle(reading.settled, now=judged_at))
        if full:
            async with self._boundary.over(Guarded.MISSING):
                await self._look_for_missing(reading, first)
            self._full_read_at = now
            await self.database.transact(self._recorder.hold_unknown_payments)

    async def _know_start(self) -> None:
        """Read the first start again: a first start by a clock that was ahead is pulled back later."""
        if self.from_first_start:
            first = await self.database.read(start.unconfigured)
            self.start_at = first or self.start_at

    async def _try_poll(self) -> None:
        try:
            await self.poll_once()
        except SourceUnavailable as error:
            self._note(error)
        else:
            self._note(None)

    def _judge(self, export: Export, since: datetime, now: datetime) -> Judged:
        """Judge the rows of a reading; outside the event loop, as there may be many."""
        passed = self._settled.passed(since)
        currency, start_at = self.programme.currency, self.start_at
        return judge_all(export, passed, currency=currency, start_at=start_at, now=now)

    async def _record_all(self, reading: Judged) -> None:
        """Record machines, cash and cash-outs."""
        is_partial = await self._is_partial(reading)
        async for some in _in_batches(reading.decided):
            decided = await self._spare(some) if is_partial else some
            flows = cash_left(decided, self.programme.currency)
            await self._record_cash(reading, [row for row, _ in decided], flows)
            await self._record(reading, decided)
        async for rows in _in_batches(reading.export.cash_ins):
            flows = cash_paid_in(rows, self.programme.currency, since=self.start_at)
            await self._record_cash(reading, rows, flows)
            await self._settle(reading, rows)
        async with self._boundary.over(Guarded.CASH):
            await self._note_machines(reading.export)
            await self._cash.find_places()

    async def _settle(self, reading: Judged, rows: Sequence[CashIn]) -> None:
        await aside(lambda _stop: reading.settle(rows))

    async def _is_partial(self, reading: Judged) -> bool:
        """Tell whether a reading must be partial, by the number of sales without a dispense report."""
        count = 0
        if len(reading.unreported) > MISSING_MAX:
            async for ids in _in_batches(reading.unreported):
                count += len(await self._to_spare(ids))
        return count > MISSING_MAX

    async def _spare(self, decided: list[Decided]) -> list[Decided]:
        return spare(decided, await self._to_spare(unreported(decided, Verdict.HOLD)))

    async def _to_spare(self, ids: Sequence[str]) -> AbstractSet[str]:
        return to_spare(ids, await self.database.read(lambda tx: cash_outs.states(tx, ids)))

    async def _record_cash(
        self, reading: Judged, rows: Sequence[CashOut | CashIn], flows: Sequence[Flow]
    ) -> None:
        lost: AbstractSet[str] = {row.id for row in rows}
        async with self._boundary.over(Guarded.CASH):
            await self._note_machines(reading.export)
            lost = await self._cash.follow(flows)
        reading.cash_lost |= lost

    async def _record(self, reading: Judged, decided: list[Decided]) -> None:
        """Record cash-outs, and find those still to be distributed, and the settled ones."""
        recorded: list[Recorded] = []

        async def record(some: Sequence[Decided]) -> None:
            work = partial(self._recorder.record, decided=some)
            recorded.append(await self.database.transact(work))

        await self._boundary.over_each(
            Guarded.CASH_OUT,
            decided,
            record,
            ref=lambda one: one[0].id,
            named=lambda one: _named(one[0]),
        )
        await aside(lambda _stop: reading.take(decided, recorded))
        self.signals.outbox.ring()

    async def _distribute_all(self, reading: Judged) -> None:
        """Distribute what is to be distributed, oldest first."""
        at_once = 1
        in_time = in_order(reading.to_distribute, key=lambda one: (one[1].at, one[0].id))
        async for some in _in_batches(in_time, SHARED_MAX):
            while some:
                given: list[_Given] = []
                await gather(*(self._try_distribute(one, given) for one in some[:at_once]))
                del some[:at_once]
                reading.settle(cash_out for cash_out, _ in given)
                # They share a COMMIT; nobody else's answer is to wait for more than some rows.
                shares = max((len(found.shares) for _, found in given), default=0)
                at_once = max(1, SHARED_MAX // (1 + shares))

    async def _try_distribute(self, one: Decided, given: list[_Given]) -> None:
        """Distribute a cash-out, and add what was given."""
        async with self._boundary.over(Guarded.CASH_OUT, one[0].id, named=_named(one[0])):
            found = await self._distribute(one)
            if found is not None:
                given.append((one[0], found))

    async def _note_reading(self, reading: Judged, since: datetime, polled_at: datetime) -> bool:
        """Record the poll and the newest ticker, and tell of what the reading shows as a whole.

        Return whether all of that was done.
        """
        now = self.clock.now()
        looks: tuple[tuple[Guarded, Callable[[Tx], bool]], ...] = (
            (Guarded.TICKER, lambda tx: _note_ticker(tx, reading.ticker, now)),
            (
                Guarded.MISSING,
                lambda tx: self._partial.look(
                    tx,
                    newest_at=max(since, *(reading.span or (since,))),
                    unreadable_ids=reading.export.unreadable_ids,
                    unreported=reading.waiting,
                    now=now,
                ),
            ),
            (Guarded.CASH, self._cash.warn),
            (Guarded.POLL, lambda tx: _note_poll(tx, reading, polled_at)),
        )
        done = await self._boundary.over_all(looks)
        if any(done):
            self.signals.outbox.ring()
        return len(done) == len(looks)

    async def _note_machines(self, export: Export) -> None:
        """Record the machines, unless the last reading had the same machines with the same names."""
        if export.machines != self._machines:
            await self.database.transact(lambda tx: machines.record(tx, export.machines))
            self._machines = dict(export.machines)

    async def _look_for_missing(self, reading: Judged, since: datetime) -> None:
        """Hold the distributed cash-outs since `since` that a full reading lacks.

        A reading that lacks many must be partial: the operators are told, and nothing is held.
        """
        gone = await MissingRows(self.database, self._settled).find(reading, since)
        if gone and len(gone) <= MISSING_MAX:
            hold, now = self._recorder.changes.hold_missing, self.clock.now()
            await self.database.transact(lambda tx: hold(tx, gone, now=now))
        elif gone:
            _log.warning(
                "reading lacks rows that were shared out n=%d first=%s", len(gone), gone[0]
            )
            await self._tell_once(Say("notice.rows_missing", n=len(gone), first=gone[0]))

    async def _distribute(self, one: Decided) -> Distribution[Share] | None:
        """Distribute a cash-out; return None if nothing is distributed now."""
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
        return given

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


def _note_ticker(tx: Tx, ticker: Ticker | None, now: datetime) -> bool:
    """Record the newest ticker for the checks of fixed mode's rate; tell nobody."""
    if ticker is not None:
        tickers.note(tx, ticker, now=now)
    return False


def _note_poll(tx: Tx, reading: Judged, now: datetime) -> bool:
    """Record a poll and the age of what was read; tell nobody."""
    bot_state.note_poll(tx, now)
    copy = oldest_copy(reading.export.copies, reading.newest)
    readings.note(tx, copy, reading.newest.transaction_at)
    return False


def _named(cash_out: CashOut) -> Say:
    return Say("job.cash_out", id=cash_out.id)


async def _in_batches(values: Iterable[_T], size: int = _BATCH) -> AsyncIterator[list[_T]]:
    """Yield values that may have to be read from a file, in lists of at most `size`."""
    found = batches(values, size)
    while some := await aside(lambda _stop: next(found, [])):
        yield some

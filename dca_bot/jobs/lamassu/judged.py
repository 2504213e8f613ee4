"""A reading of Lamassu as a poll judges it: what is to be done with the rows, and what they show together.

The invariant: a reading may be larger than memory. What is said of each row is spilled; what is in memory are
figures, and the rows that go wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dca_bot.core.cash_out import CashOut, Verdict
from dca_bot.core.change import Span
from dca_bot.core.freshness import NewestRows
from dca_bot.core.ports import CashIn, Export, Passed
from dca_bot.core.rate import Ticker, newest_ticker
from dca_bot.files.spill import Spill, batches
from dca_bot.jobs.lamassu.decisions import Decided, judge, unreported
from dca_bot.jobs.lamassu.recording import Recorded
from dca_bot.jobs.lamassu.settled_rows import Settled, settled

_BATCH = 1000


@dataclass(slots=True)
class Judged:
    """A judged reading, as far as a poll has got with it.

    `decided`: the cash-outs that count. `unreported`: ids of those that are to be held for want of a dispense
    report. `span`: when the oldest and the newest cash-out was created; None without cash-outs.
    `to_distribute`, `settled`: what recording has brought. `waiting`: how many cash-outs wait for a dispense
    report, and the first one's id. `cash_lost`: ids of the rows whose cash could not be recorded.
    """

    export: Export
    newest: NewestRows
    decided: Spill[Decided] = field(default_factory=Spill, init=False)
    unreported: Spill[str] = field(default_factory=Spill, init=False)
    ticker: Ticker | None = field(default=None, init=False)
    span: Span | None = field(default=None, init=False)
    to_distribute: Spill[Decided] = field(default_factory=Spill, init=False)
    settled: Spill[Settled] = field(default_factory=Spill, init=False)
    waiting: tuple[int, str] = field(default=(0, ""), init=False)
    cash_lost: set[str] = field(default_factory=set, init=False)

    def take(self, decided: Iterable[Decided], recorded: Iterable[Recorded]) -> None:
        """Take what became of some cash-outs."""
        for found in recorded:
            for one in found.to_distribute:
                self.to_distribute.put(one)
            self.settle(found.settled)
        waiting = unreported(decided, Verdict.WAIT)
        self.waiting = (self.waiting[0] + len(waiting), self.waiting[1] or "".join(waiting[:1]))

    def settle(self, rows: Iterable[CashOut | CashIn]) -> None:
        """Take rows for settled, but for those whose cash could not be recorded."""
        for row in rows:
            found = settled(row) if row.id not in self.cash_lost else None
            if found is not None:
                self.settled.put(found)

    def see(self, times: Iterable[datetime | None]) -> None:
        """Widen the span by the times of some cash-outs."""
        known = [at for at in (*times, *(self.span or ())) if at is not None]
        self.span = (min(known), max(known)) if known else None


def judge_all(
    export: Export, passed: Passed, *, currency: str, start_at: datetime, now: datetime
) -> Judged:
    """Judge the rows of a reading; a cash-out whose distribution's time is before `start_at` doesn't count.

    `passed`: of the settled rows.
    """
    found = Judged(export, NewestRows(now))
    found.newest.see_passed(passed)
    found.see((passed.oldest_at, passed.newest_at))
    for some in batches(export.cash_outs, _BATCH):
        found.newest.see_cash_outs(some)
        found.see(row.created_at for row in some)
        tickers = found.ticker, newest_ticker(some, currency=currency, now=now)
        found.ticker = max(filter(None, tickers), key=lambda one: one.at, default=None)
        judged = list(judge(some, currency=currency, now=now))
        decided = [one for one in judged if one[1].at >= start_at]
        for one in decided:
            found.decided.put(one)
        for id_ in unreported(decided, Verdict.HOLD):
            found.unreported.put(id_)
        found.settle(row for row, decision in judged if decision.at < start_at)
    found.newest.see_cash_ins(export.cash_ins)
    return found

"""Records the decisions about cash-outs, and distributes clean successes: each call is a transaction.

The invariant: a cash-out is recorded by id and distributed once; an operator's decision stays.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.ports import Clock
from dca_bot.core.programme import Programme
from dca_bot.core.row_amounts import row_amounts
from dca_bot.jobs.lamassu.changes import ChangeWatch
from dca_bot.jobs.lamassu.decisions import Decided, is_final, with_imports
from dca_bot.jobs.lamassu.dispense_reports import ReportWatch
from dca_bot.ledger.distributions import cash_outs, flow_mode, imports, recovery
from dca_bot.ledger.distributions.distributions import Distribution, Share
from dca_bot.ledger.payouts import holds, unknown_payments
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

STATE_OF = {
    Verdict.WAIT: cash_outs.WAITING,
    Verdict.HOLD: cash_outs.HELD,
    Verdict.IGNORE: cash_outs.IGNORED,
}
_HELD_AS_KNOWN = (cash_outs.HELD, HoldReason.KNOWN_DISTRIBUTION)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of some cash-outs: still `to_distribute`, or `settled`.

    Nothing comes of a settled row, as long as Lamassu has the same row and the clock isn't pulled back.
    """

    to_distribute: Sequence[Decided]
    settled: Sequence[CashOut]


@dataclass(slots=True)
class Recorder:
    """Carries out in the ledger the decisions of a reading of Lamassu."""

    notices: Notices
    programme: Programme
    clock: Clock
    changes: ChangeWatch = field(init=False)
    _reports: ReportWatch = field(init=False)

    def __post_init__(self) -> None:
        self.changes = ChangeWatch(self.programme.currency, self._hold)
        self._reports = ReportWatch(self.notices, self.programme.currency)

    def record(self, tx: Tx, decided: Sequence[Decided]) -> Recorded:
        """Record new and changed decisions."""
        ids = [cash_out.id for cash_out, _ in decided]
        known = cash_outs.states(tx, ids)
        shared_out, ignored, to_distribute, news = [], [], [], []
        for cash_out, decision in with_imports(decided, known, imports.past(tx, ids)):
            state, reason = known.get(cash_out.id, ("", ""))
            if state == cash_outs.DISTRIBUTED:
                shared_out.append((cash_out, decision))
            elif is_final((state, reason)):
                ignored.append((cash_out, decision))
            elif decision.verdict is Verdict.DISTRIBUTE:
                if (state, reason) == _HELD_AS_KNOWN and _is_known(tx, cash_out):
                    continue
                to_distribute.append((cash_out, decision))
            elif _is_news(tx, cash_out, decision, state=state, reason=reason):
                news.append((cash_out, decision))
                if decision.verdict is Verdict.IGNORE:
                    ignored.append((cash_out, decision))
            elif state == cash_outs.IGNORED:
                ignored.append((cash_out, decision))
        now = self.clock.now()
        self._record_news(tx, news)
        self.changes.look(tx, shared_out, now=now)
        for cash_out, _ in shared_out:
            self._reports.tell(tx, cash_out, now=now)
        return Recorded(to_distribute, _settled(tx, [*shared_out, *ignored]))

    def distribute(
        self, tx: Tx, cash_out: CashOut, decision: Decision
    ) -> Distribution[Share] | None:
        """Distribute a cash-out, with everything that follows from the distribution.

        Return None if nothing is distributed now: everything is paused, the recorded state is final
        by now, or LNbits knows payments for the cash-out (which is held then).
        """
        now = self.clock.now()
        if bot_state.paused(tx):
            return None
        if _is_known(tx, cash_out):
            self._hold_known(tx, cash_out, decision)
            return None
        assert decision.amounts is not None
        # Compare-and-set: of two polls at once, or against an operator's decision, one row counts.
        is_ours = cash_outs.record(
            tx, cash_out, decision, state=cash_outs.DISTRIBUTED, row=row_amounts(cash_out), now=now
        )
        if not is_ours:
            return None
        given = flow_mode.give(
            tx,
            cash_out.id,
            decision.amounts,
            at=decision.at,
            now=now,
            rules=self.programme.flow,
        )
        holds.close(tx, HoldKind.CASH_OUT, cash_out.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self.notices.clients.note_low(tx, given.client_ids, now)
        self._reports.tell(tx, cash_out, now=now)
        self.notices.clients.sale_missed(tx, cash_out.id, now)
        return given

    def hold_unknown_payments(self, tx: Tx) -> None:
        """Hold the distributions that LNbits has paid and that neither ledger nor Lamassu has.

        Close the hold of a distribution that the ledger has by now.
        """
        found = recovery.distribution_ids(tx)
        for ref in holds.open_refs(tx, HoldKind.RECOVERY):
            if ref not in found:
                now = self.clock.now()
                holds.close(tx, HoldKind.RECOVERY, ref, outcome=HoldOutcome.BY_ITSELF, now=now)
        for distribution_id in found:
            self._hold(tx, HoldKind.RECOVERY, distribution_id, HoldReason.LOST)

    def _record_news(self, tx: Tx, news: Sequence[Decided]) -> None:
        """Record what isn't distributed now, and tell together what is older than an import."""
        for cash_out, decision in news:
            self._record_one(tx, cash_out, decision)
        older = [decision for _, decision in news if decision.reason is Reason.BEFORE_IMPORT]
        if older:
            told = Say("notice.older_than_import", n=len(older))
            self.notices.tell_operators(tx, told, self.clock.now())

    def _record_one(self, tx: Tx, cash_out: CashOut, decision: Decision) -> None:
        now = self.clock.now()
        state, reason = STATE_OF[decision.verdict], str(decision.reason)
        cash_outs.record(
            tx, cash_out, decision, state=state, reason=reason, row=row_amounts(cash_out), now=now
        )
        if decision.verdict is Verdict.HOLD:
            lines = (describe.error(cash_out.error), self._reports.take(tx, cash_out, now=now))
            self._hold(tx, HoldKind.CASH_OUT, cash_out.id, reason, Say("lines", lines=lines))
            holds.reword(tx, HoldKind.CASH_OUT, cash_out.id, reason)
        else:
            holds.close(tx, HoldKind.CASH_OUT, cash_out.id, outcome=HoldOutcome.BY_ITSELF, now=now)

    def _hold_known(self, tx: Tx, cash_out: CashOut, decision: Decision) -> None:
        """Hold a cash-out that LNbits knows payments for."""
        now = self.clock.now()
        state, reason = _HELD_AS_KNOWN
        if cash_outs.states(tx, [cash_out.id]).get(cash_out.id) == _HELD_AS_KNOWN:
            return
        if cash_outs.record(tx, cash_out, decision, state=state, reason=reason, now=now):
            self._hold(tx, HoldKind.CASH_OUT, cash_out.id, reason)
            holds.reword(tx, HoldKind.CASH_OUT, cash_out.id, reason)

    def _hold(self, tx: Tx, kind: HoldKind, ref: str, reason: str, told: Say | None = None) -> None:
        now = self.clock.now()
        # Two exports that are mixed every other time would be told all day; what is older than an import
        # is told together.
        is_told = reason == Reason.BEFORE_IMPORT or (
            reason == Reason.TWICE and holds.was_opened(tx, kind, ref, reason)
        )
        hold = holds.open_hold(tx, kind, ref, reason, now=now)
        if hold is not None and not is_told:
            self.notices.hold_opened(tx, hold, now, told=told)
            _log.warning("hold opened kind=%s ref=%s reason=%s", kind, ref, reason)


def _is_known(tx: Tx, cash_out: CashOut) -> bool:
    """Tell whether LNbits has payments for a cash-out that the ledger doesn't have."""
    return unknown_payments.any_of_cash_out(tx, cash_out.id)


def _settled(tx: Tx, final: Sequence[Decided]) -> list[CashOut]:
    """Return the rows among those of distributed and ignored cash-outs that are settled."""
    changed = holds.open_reasons(tx, HoldKind.CHANGED)
    return [
        cash_out
        for cash_out, decision in final
        if decision.verdict is not Verdict.WAIT and cash_out.id not in changed
    ]


def _is_news(tx: Tx, cash_out: CashOut, decision: Decision, *, state: str, reason: str) -> bool:
    """Tell whether a decision differs from the ledger's record; of a held cash-out also in the figures."""
    if (state, reason) != (STATE_OF[decision.verdict], str(decision.reason)):
        return True
    held = cash_outs.by_id(tx, cash_out.id) if state == cash_outs.HELD else None
    figures = (decision.amounts, decision.dispensed_minor)
    return held is not None and (held.amounts, held.dispensed_minor) != figures

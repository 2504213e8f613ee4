"""Compares distributed cash-outs with later readings, and holds changed cash-outs for the operator.

The invariant: only holds are opened and closed. Distributions stay as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.cash_out import Reason
from dca_bot.core.change import Change, change_of
from dca_bot.core.row_amounts import row_amounts
from dca_bot.jobs.lamassu.decisions import Decided
from dca_bot.ledger.distributions import changes
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say


@dataclass(frozen=True, slots=True)
class ChangeWatch:
    """Compares rows of Lamassu; `hold` opens a hold, given kind, ref, reason, and further lines to tell."""

    currency: str
    hold: Callable[[Tx, HoldKind, str, str, Say | None], None]

    def look(self, tx: Tx, distributed: Sequence[Decided], *, now: datetime) -> None:
        """Compare rows of distributed cash-outs with the amounts at the distribution."""
        recorded = changes.amounts_of(tx, [cash_out.id for cash_out, _ in distributed])
        opened = holds.open_reasons(tx, HoldKind.CHANGED)
        for cash_out, decision in distributed:
            then, row = recorded[cash_out.id], row_amounts(cash_out)
            if then is None:
                changes.note_amounts(tx, cash_out.id, row)
            reason = change_of(cash_out, decision, then=then, currency=self.currency)
            told = None
            if reason is Change.AMOUNTS and then is not None:
                told = describe.change(then, row)
            self._turn(tx, cash_out.id, opened.get(cash_out.id, ""), reason, now=now, told=told)

    def hold_missing(self, tx: Tx, ids: Sequence[str], *, now: datetime) -> None:
        """Hold the distributed cash-outs that a full reading lacks."""
        opened = holds.open_reasons(tx, HoldKind.CHANGED)
        for cash_out_id in ids:
            self._turn(tx, cash_out_id, opened.get(cash_out_id, ""), Change.MISSING, now=now)

    def _turn(
        self,
        tx: Tx,
        ref: str,
        before: str,
        reason: str,
        *,
        now: datetime,
        told: Say | None = None,
    ) -> None:
        """Bring the hold on a row in line with the reason; seen reasons open no hold."""
        if reason == before:
            return
        if before:
            holds.close(tx, HoldKind.CHANGED, ref, outcome=HoldOutcome.BY_ITSELF, now=now)
        is_known = holds.was_accepted(tx, ref, reason) or holds.was_seen(
            tx, HoldKind.CHANGED, ref, reason
        )
        if reason == Reason.TWICE:
            # Two exports that are mixed every other time would open and close the hold all day.
            is_known = is_known or holds.was_opened(tx, HoldKind.CHANGED, ref, reason)
        if reason and not is_known:
            self.hold(tx, HoldKind.CHANGED, ref, reason, told)

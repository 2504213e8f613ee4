"""Sees what becomes of cash-outs in Lamassu after they were shared out, and holds it for the operator.

The invariant: it opens and closes holds and nothing else. What was shared out stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.cash_out import CashOut, Decision, Reason
from dca_bot.core.change import MISSING_MAX, Change, change_of, missing, terms
from dca_bot.core.ports import Export
from dca_bot.ledger.distributions import changes
from dca_bot.ledger.payouts import holds
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import Say


@dataclass(frozen=True, slots=True)
class ChangeWatch:
    """Compares; `hold` opens a hold, given its kind, what it is on, the reason, and what else to tell."""

    currency: str
    hold: Callable[[Tx, HoldKind, str, str, Say | None], None]

    def look(self, tx: Tx, rows: Sequence[tuple[CashOut, Decision]], *, now: datetime) -> None:
        """Compare rows that were shared out with what they were then."""
        known = changes.terms_of(tx, [cash_out.id for cash_out, _ in rows])
        opened = holds.open_reasons(tx, HoldKind.CHANGED)
        for cash_out, decision in rows:
            terms_then = known[cash_out.id]
            if terms_then is None:
                changes.note_terms(tx, cash_out.id, terms(cash_out))
            reason = change_of(cash_out, decision, terms_then=terms_then, currency=self.currency)
            told = None
            if reason is Change.AMOUNTS and terms_then is not None:
                told = describe.change(terms_then, terms(cash_out))
            self._turn(tx, cash_out.id, opened.get(cash_out.id, ""), reason, now=now, told=told)

    def look_for_missing(
        self, tx: Tx, export: Export, *, since: datetime, now: datetime
    ) -> list[str]:
        """Hold what was shared out and is missing from a full reading since then.

        If that is so much that the reading must be partial, hold nothing and return it.
        """
        read = {cash_out.id: cash_out.created_at for cash_out in export.cash_outs}
        gone = missing(changes.shared_out(tx, since), read, export.unreadable_ids)
        if len(gone) > MISSING_MAX:
            return gone
        opened = holds.open_reasons(tx, HoldKind.CHANGED)
        for cash_out_id in gone:
            self._turn(tx, cash_out_id, opened.get(cash_out_id, ""), Change.MISSING, now=now)
        return []

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
        """Have the hold on a row say what is the matter now; what the operator has seen stays seen."""
        if reason == before:
            return
        if before:
            holds.close(tx, HoldKind.CHANGED, ref, outcome=HoldOutcome.BY_ITSELF, now=now)
        is_known = holds.was_accepted(tx, ref, reason) or holds.was_seen(
            tx, HoldKind.CHANGED, ref, reason
        )
        if reason == Reason.TWICE:
            # Two exports that are mixed every other time would open and close it all day.
            is_known = is_known or holds.was_opened(tx, HoldKind.CHANGED, ref, reason)
        if reason and not is_known:
            self.hold(tx, HoldKind.CHANGED, ref, reason, told)

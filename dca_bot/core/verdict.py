"""Decides about cash-out rows: the only place that says when a Lamassu row may move money.

The invariant: only a clean success whose amounts prove each other is distributed. A row that may still
change waits, a row that may have let cash out is held for the operator, other rows are ignored.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from dca_bot.core.cash_out import COINS, CashOut, Decision, Reason, Verdict
from dca_bot.core.dispense_reports import (
    dispense_reports,
    is_reported,
    left_at,
    notes_total,
    reported_minor,
)
from dca_bot.core.exact import exact
from dca_bot.core.sale_amounts import assess

WAIT_MAX = timedelta(hours=48)

_FINAL = frozenset({"confirmed", "instant"})
# These set `dispense` without any cash leaving; ciphertraceError is walletScoringError before 10.0.
_CLOSINGS = frozenset(
    {"operatorCancel", "walletScoringError", "ciphertraceError", "scoreThresholdReached"}
)


def decide(cash_out: CashOut, *, currency: str, now: datetime) -> Decision:
    """Return the decision about a cash-out for a bot of a currency at an instant."""
    found = _decide_one(cash_out, currency=currency, now=now)
    if not cash_out.others:
        return found
    others = [_decide_one(other, currency=currency, now=now) for other in cash_out.others]
    verdicts = {found.verdict, *(other.verdict for other in others)}
    if verdicts in ({Verdict.IGNORE}, {Verdict.WAIT}):
        return found
    # No content is more credible than another: only amounts that all contents prove can be accepted.
    amounts, *rest = (assess(one, currency)[0] for one in (cash_out, *cash_out.others))
    amounts = amounts if all(other == amounts for other in rest) else None
    return Decision(Verdict.HOLD, Reason.TWICE, found.at, amounts, found.dispensed_minor)


def after_import(decision: Decision, *, is_processed: bool, imported_at: datetime) -> Decision:
    """Return the decision about a cash-out of a programme that clients were imported from.

    `is_processed`: by that programme. Whatever else is older than the import is never distributed without an
    operator's word; then as of the import, because opening balances count from there.
    """
    if is_processed:
        return replace(decision, verdict=Verdict.IGNORE, reason=Reason.ELSEWHERE)
    if decision.at >= imported_at or decision.verdict is Verdict.IGNORE:
        return decision
    if decision.verdict is Verdict.DISTRIBUTE:
        decision = replace(decision, verdict=Verdict.HOLD, reason=Reason.BEFORE_IMPORT)
    return replace(decision, at=imported_at)


def is_success(cash_out: CashOut) -> bool:
    """Tell whether all cash left and all coins came; an empty `error` text is an error too."""
    return (
        cash_out.status in _FINAL
        and cash_out.dispense is True
        and cash_out.dispense_confirmed is True
        and cash_out.error is None
    )


def _decide_one(cash_out: CashOut, *, currency: str, now: datetime) -> Decision:
    """Return the decision about a cash-out by a single content of the row."""
    at = left_at(cash_out)
    dispensed_minor = reported_minor(cash_out, currency)
    foreign = _foreign(cash_out, currency)
    if foreign:
        return Decision(Verdict.IGNORE, foreign, at, None, dispensed_minor)
    is_young = now - cash_out.created_at <= WAIT_MAX
    if is_success(cash_out):
        amounts, reason = assess(cash_out, currency)
        if not reason and not is_reported(cash_out):
            # An actions table that ends early must not move the distribution's time.
            if is_young:
                return Decision(Verdict.WAIT, Reason.NO_REPORT, at, None, dispensed_minor)
            reason = Reason.NO_REPORT
        verdict = Verdict.HOLD if reason else Verdict.DISTRIBUTE
        return Decision(verdict, reason, at, amounts, dispensed_minor)
    if is_young:
        return Decision(Verdict.WAIT, Reason.NOT_FINAL, at, None, dispensed_minor)
    if not _may_have_dispensed(cash_out):
        reason = Reason.CLOSED if cash_out.error_code in _CLOSINGS else Reason.NO_CASH_LEFT
        return Decision(Verdict.IGNORE, reason, at, None, dispensed_minor)
    reason = Reason.CONTRADICTION if cash_out.dispense_confirmed else Reason.NOT_COMPLETE
    amounts, _ = assess(cash_out, currency)
    return Decision(Verdict.HOLD, reason, at, amounts, dispensed_minor)


def _foreign(cash_out: CashOut, currency: str) -> Reason:
    """Return why a row doesn't concern the bot; NONE for the bot's rows, and for a missing code."""
    if cash_out.crypto_code is not None and cash_out.crypto_code not in COINS:
        return Reason.OTHER_COIN
    if cash_out.fiat_code is not None and cash_out.fiat_code != currency:
        return Reason.OTHER_CURRENCY
    if exact(cash_out.crypto_atoms) == 0:
        return Reason.NO_COINS
    return Reason.NONE


def _may_have_dispensed(cash_out: CashOut) -> bool:
    """Tell whether cash may have left: unreadable and missing values count as gone."""
    if cash_out.dispense_confirmed is not False or not cash_out.reports_readable:
        return True
    tries = dispense_reports(cash_out)
    if cash_out.error_code in _CLOSINGS:
        return any(not action.notes or notes_total(action.notes) for action in tries)
    return cash_out.dispense is not False or bool(tries)

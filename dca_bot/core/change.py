"""Decides whether a distributed cash-out still has the row at Lamassu that was distributed.

The invariant: nothing here moves money. A change is a reason to tell the operators, and a reading that may be
partial is no reason at all.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.row_amounts import RowAmounts, row_amounts
from dca_bot.core.verdict import WAIT_MAX, decide

Span = tuple[datetime, datetime]
"""The oldest and the newest instant of some."""
MISSING_MAX = 10
"""A reading that lacks more rows is partial."""
_NO_SUCCESS = frozenset(
    {Reason.CLOSED, Reason.NO_CASH_LEFT, Reason.NOT_COMPLETE, Reason.CONTRADICTION}
)


class Change(StrEnum):
    """How a row differs from the distributed row, beside the reasons of `decide` (Reason)."""

    AMOUNTS = "amounts_changed"
    MISSING = "missing"


def change_of(
    cash_out: CashOut, decision: Decision, *, then: RowAmounts | None, currency: str
) -> Reason | Change:
    """Return how a row differs from the distributed row; empty if the row is the same.

    `decision`: what `decide` finds now. `then`: the amounts at the distribution, None if unknown. The reason
    is the reason of a row that waits no more, because a distributed row must not go back to waiting. If
    contents of one reading differ in the reason, return TWICE.
    """
    if not cash_out.others:
        return _change_of(cash_out, decision.verdict, then=then, currency=currency)
    reasons = {
        _change_of(replace(content, others=()), None, then=then, currency=currency)
        for content in (cash_out, *cash_out.others)
    }
    return reasons.pop() if len(reasons) == 1 else Reason.TWICE


def missing(
    known: Iterable[tuple[str, datetime]],
    span: Span,
    is_there: Callable[[str], bool],
) -> list[str]:
    """Return the ids of known rows that a full reading lacks; `known`: id and `created`.

    `is_there`: tells of an id whether the reading has the row, readable or not. A known row is missing only
    if it was created in the `span` of the oldest and the newest row read, because an export may begin later
    or end earlier than the database.
    """
    oldest, newest = span
    return [
        id_ for id_, created_at in known if oldest <= created_at <= newest and not is_there(id_)
    ]


def _change_of(
    cash_out: CashOut, verdict: Verdict | None, *, then: RowAmounts | None, currency: str
) -> Reason | Change:
    reason = Reason.NONE
    if verdict is not Verdict.DISTRIBUTE:
        over = cash_out.created_at + WAIT_MAX + timedelta(seconds=1)
        reason = decide(cash_out, currency=currency, now=over).reason
    if reason is Reason.NO_REPORT:
        # The actions table ends early; the row itself is unchanged.
        reason = Reason.NONE
    if reason not in _NO_SUCCESS and not _has_amounts(cash_out, then):
        return Change.AMOUNTS
    return reason


def _has_amounts(cash_out: CashOut, then: RowAmounts | None) -> bool:
    """Tell whether a row still has the recorded amounts; unknown amounts, or an unknown fee, don't differ."""
    if then is None:
        return True
    now = row_amounts(cash_out)
    return then in (now, replace(now, fixed_fee=None))

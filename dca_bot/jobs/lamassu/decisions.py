"""The decision about each cash-out of a reading of Lamassu, before the ledger is asked.

The invariant: a sale without a dispense report waits if the reading must be partial, by the number of missing
reports.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.ports import Export
from dca_bot.core.verdict import decide
from dca_bot.ledger.distributions import cash_outs

_REDEEM_LATER = timedelta(days=2)
"""How long before the cash leaves a cash-out can be created."""
# A partial reading doesn't change what is held, or decided.
_STAYING = frozenset({cash_outs.HELD, cash_outs.IGNORED, cash_outs.DISTRIBUTED})

Decided = tuple[CashOut, Decision]


def reads_since(start_at: datetime) -> datetime:
    """Return since when rows are read if cash-outs count from `start_at` on."""
    return start_at - _REDEEM_LATER


def judge(export: Export, *, currency: str, start_at: datetime, now: datetime) -> list[Decided]:
    """Decide each cash-out of a reading; leave out distribution times before `start_at`."""
    decided = (
        (cash_out, decide(cash_out, currency=currency, now=now)) for cash_out in export.cash_outs
    )
    return [(cash_out, decision) for cash_out, decision in decided if decision.at >= start_at]


def is_final(known: tuple[str, str] | None) -> bool:
    """Tell by state and reason whether a cash-out is distributed, or ignored on an operator's word."""
    state, reason = known or ("", "")
    return state == cash_outs.DISTRIBUTED or reason == Reason.BY_OPERATOR


def unreported(decided: Iterable[Decided]) -> list[str]:
    """Return the ids of the sales that are to be held for want of a dispense report."""
    held = (Verdict.HOLD, Reason.NO_REPORT)
    return [
        cash_out.id for cash_out, decision in decided if (decision.verdict, decision.reason) == held
    ]


def spare(decided: list[Decided], known: Mapping[str, tuple[str, str]]) -> list[Decided]:
    """Let unreported sales wait if more than MISSING_MAX of them are new to the ledger.

    So many machines don't fail to report at once: the reading is partial. `known`: state and reason in the
    ledger, by the cash-out's id.
    """
    staying: AbstractSet[str] = {id_ for id_, (state, _) in known.items() if state in _STAYING}
    spared = set(unreported(decided)) - staying
    if len(spared) <= MISSING_MAX:
        return decided
    return [
        (cash_out, replace(decision, verdict=Verdict.WAIT))
        if cash_out.id in spared
        else (cash_out, decision)
        for cash_out, decision in decided
    ]

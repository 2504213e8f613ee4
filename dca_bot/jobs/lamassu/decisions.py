"""The decision about each cash-out of a reading of Lamassu, before the ledger is asked.

The invariant: a sale without a dispense report waits if the reading must be partial, by the number of missing
reports.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.verdict import after_import, decide
from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.distributions.imports import Past

_REDEEM_LATER = timedelta(days=2)
"""How long before the cash leaves a cash-out can be created."""
# A partial reading doesn't change what is held, or decided.
_STAYING = frozenset({cash_outs.HELD, cash_outs.IGNORED, cash_outs.DISTRIBUTED})

Decided = tuple[CashOut, Decision]


def reads_since(start_at: datetime) -> datetime:
    """Return since when rows are read if cash-outs count from `start_at` on."""
    return start_at - _REDEEM_LATER


def judge(cash_outs: Iterable[CashOut], *, currency: str, now: datetime) -> Iterator[Decided]:
    """Decide about each cash-out."""
    return ((one, decide(one, currency=currency, now=now)) for one in cash_outs)


def is_final(known: tuple[str, str] | None) -> bool:
    """Tell by state and reason whether a cash-out is distributed, or ignored on an operator's word."""
    state, reason = known or ("", "")
    return state == cash_outs.DISTRIBUTED or reason == Reason.BY_OPERATOR


def with_imports(
    decided: Iterable[Decided], known: Mapping[str, tuple[str, str]], past: Past
) -> list[Decided]:
    """Keep back what the programme that clients were imported from has, or may have, processed.

    `known`: state and reason in the ledger, by the cash-out's id. What was distributed here stays.
    """
    if past.imported_at is None:
        return list(decided)
    return [
        (cash_out, decision)
        if known.get(cash_out.id, ("", ""))[0] == cash_outs.DISTRIBUTED
        else (
            cash_out,
            after_import(
                decision,
                is_processed=cash_out.id in past.processed,
                imported_at=past.imported_at,
            ),
        )
        for cash_out, decision in decided
    ]


def unreported(decided: Iterable[Decided], verdict: Verdict) -> list[str]:
    """Return the ids of the sales that are to be held, or that wait, for want of a dispense report."""
    found = (verdict, Reason.NO_REPORT)
    return [
        cash_out.id
        for cash_out, decision in decided
        if (decision.verdict, decision.reason) == found
    ]


def to_spare(ids: Iterable[str], known: Mapping[str, tuple[str, str]]) -> set[str]:
    """Return the ids of unreported sales that are new to the ledger.

    `known`: state and reason in the ledger, by the cash-out's id.
    """
    return {id_ for id_ in ids if known.get(id_, ("", ""))[0] not in _STAYING}


def spare(decided: Iterable[Decided], spared: AbstractSet[str]) -> list[Decided]:
    """Let unreported sales wait, because more than MISSING_MAX of them are new to the ledger.

    So many machines don't fail to report at once: the reading is partial.
    """
    return [
        (cash_out, replace(decision, verdict=Verdict.WAIT))
        if cash_out.id in spared
        else (cash_out, decision)
        for cash_out, decision in decided
    ]

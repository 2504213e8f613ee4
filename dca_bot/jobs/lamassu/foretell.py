"""Foretells what the poll after a start would do with a reading of Lamassu; nothing is changed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.cash_out import Verdict
from dca_bot.core.ports import Export
from dca_bot.jobs.lamassu.ingest import is_decided, judge, spare
from dca_bot.ledger.distributions import cash_outs

_KEPT = {
    Verdict.HOLD: cash_outs.HELD,
    Verdict.WAIT: cash_outs.WAITING,
    Verdict.IGNORE: cash_outs.IGNORED,
}


@dataclass(frozen=True, slots=True)
class Foretold:
    """The cash-outs of a reading that count: `known` stay as the ledger has them, the others are new.

    `shared_minor` is the principal, in minor units of fiat, of those to be `shared`; `oldest` is the first
    of them.
    """

    known: int
    shared: int
    shared_minor: int
    held: int
    waiting: int
    ignored: int
    oldest: datetime | None


def foretell(
    export: Export,
    known: Mapping[str, tuple[str, str]],
    *,
    currency: str,
    start_at: datetime,
    now: datetime,
) -> Foretold:
    """Hold a reading against what the ledger knows: state and reason by the cash-out's id."""
    found = spare(judge(export, currency=currency, start_at=start_at, now=now), known)
    news = [
        (cash_out, decision)
        for cash_out, decision in found
        if not is_decided(known.get(cash_out.id))
        and known.get(cash_out.id, ("", ""))[0] != _KEPT.get(decision.verdict)
    ]
    counts = Counter(decision.verdict for _, decision in news)
    shared = [decision for _, decision in news if decision.verdict is Verdict.DISTRIBUTE]
    return Foretold(
        known=len(found) - len(news),
        shared=len(shared),
        shared_minor=sum(one.amounts.principal_minor for one in shared if one.amounts),
        held=counts[Verdict.HOLD],
        waiting=counts[Verdict.WAIT],
        ignored=counts[Verdict.IGNORE],
        oldest=min((one.at for one in shared), default=None),
    )

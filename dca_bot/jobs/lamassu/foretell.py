"""Foretells the outcome of the first poll for a reading of Lamassu; changes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.cash_out import Verdict
from dca_bot.core.change import MISSING_MAX
from dca_bot.core.ports import Export
from dca_bot.jobs.lamassu.decisions import (
    is_final,
    judge,
    spare,
    to_spare,
    unreported,
    with_imports,
)
from dca_bot.jobs.lamassu.recording import STATE_OF
from dca_bot.ledger.distributions.imports import NOTHING_IMPORTED, Past


@dataclass(frozen=True, slots=True)
class Foretold:
    """How many cash-outs of a reading a poll would share, hold, let wait and ignore.

    `known`: the cash-outs that stay as the ledger has them. `shared_minor`: the fiat principal of the
    cash-outs to be `shared`. `oldest`: the first distribution's time among the cash-outs to be shared.
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
    past: Past = NOTHING_IMPORTED,
    *,
    currency: str,
    start_at: datetime,
    now: datetime,
) -> Foretold:
    """Compare a reading with the ledger.

    `known`: state and reason by the cash-out's id. `past`: what imports say of the cash-outs.
    """
    judged = judge(export.cash_outs, currency=currency, now=now)
    decided = [one for one in judged if one[1].at >= start_at]
    spared = to_spare(unreported(decided, Verdict.HOLD), known)
    if len(spared) > MISSING_MAX:
        decided = spare(decided, spared)
    decided = with_imports(decided, known, past)
    news = [
        (cash_out, decision)
        for cash_out, decision in decided
        if not is_final(known.get(cash_out.id))
        and known.get(cash_out.id, ("", ""))[0] != STATE_OF.get(decision.verdict)
    ]
    counts = Counter(decision.verdict for _, decision in news)
    shared = [decision for _, decision in news if decision.verdict is Verdict.DISTRIBUTE]
    return Foretold(
        known=len(decided) - len(news),
        shared=len(shared),
        shared_minor=sum(one.amounts.principal_minor for one in shared if one.amounts),
        held=counts[Verdict.HOLD],
        waiting=counts[Verdict.WAIT],
        ignored=counts[Verdict.IGNORE],
        oldest=min((one.at for one in shared), default=None),
    )

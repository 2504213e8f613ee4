"""Lists of cash-outs for operators, with totals: of a machine, of a span of time, or undecided ones.

A list ends with its page. Totals are of a span of time, or of the few undecided cash-outs; no total walks
through the whole history.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cash-outs are listed: at a machine, in a span of time, undecided ones; all for none of these.

    `span`: from the first instant on, up to and without the second.
    """

    device_id: str | None = None
    span: tuple[datetime, datetime] | None = None
    is_undecided: bool = False


@dataclass(frozen=True, slots=True)
class CashOutTotals:
    """The number of cash-outs in a list, and the principal in minor units without ignored cash-outs."""

    count: int
    minor: int


def select(tx: Tx, wanted: Wanted, *, limit: int, offset: int = 0) -> list[RecordedCashOut]:
    """Return the newest cash-outs of a list."""
    where, values = _condition(wanted)
    # `+`: the few undecided ones are sorted, the others not walked through in the order of time.
    order = "+cash_out.at" if wanted.is_undecided else "cash_out.at"
    return cash_outs.recent(tx, where, values, order=order, limit=limit, offset=offset)


def totals(tx: Tx, wanted: Wanted) -> CashOutTotals:
    """Count the cash-outs of a list with a span or of undecided ones, and add up the principal."""
    where, values = _condition(wanted)
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(iif(state = 'ignored', 0, principal_minor)), 0) AS minor"
        f" FROM cash_out WHERE {where}",
        values,
    ).fetchone()
    return CashOutTotals(row["n"], row["minor"])


def _condition(wanted: Wanted) -> tuple[str, tuple[str | int, ...]]:
    """Return the condition of SQL, with its values. An undecided list is found by its own index alone."""
    asked: list[str] = []
    values: list[str | int] = []
    free = "+" if wanted.is_undecided else ""
    if wanted.is_undecided:
        asked.append("cash_out.state IN ('waiting', 'held')")
    if wanted.device_id is not None:
        asked.append(f"{free}cash_out.device_id = ?")
        values.append(wanted.device_id)
    if wanted.span is not None:
        asked.append(f"{free}cash_out.at >= ? AND {free}cash_out.at < ?")
        values += [micros(instant) for instant in wanted.span]
    return " AND ".join(asked) or "true", tuple(values)

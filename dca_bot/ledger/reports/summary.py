"""The counts of the operators' daily summary."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of distributions or payouts, with their fiat, sats and fees."""

    count: int
    minor: int
    sat: int
    fee_msat: int = 0


def shared_out(tx: Tx, kind: str, since: datetime, *, now: datetime) -> Tally:
    """Return the distributions of a kind that were processed since an instant, by their principals.

    A distribution with a future time (the clock was ahead) counts once, when that time has come.
    """
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(principal_minor), 0) AS minor,"
        " coalesce(sum(principal_sat), 0) AS sat FROM distribution"
        " WHERE processed_at > ? AND processed_at <= ? AND kind = ?",
        (micros(since), micros(now), kind),
    ).fetchone()
    return Tally(row["n"], row["minor"], row["sat"])


def paid(tx: Tx, since: datetime) -> Tally:
    """Return the payouts that were finished since an instant."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat,"
        " coalesce(sum(fee_msat), 0) AS fee FROM payout WHERE done_at > ?",
        (micros(since),),
    ).fetchone()
    return Tally(row["n"], 0, row["sat"], row["fee"])

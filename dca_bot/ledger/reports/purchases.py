"""What a client has bought, as far back as is asked for; what was cancelled was not bought."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.stats import Purchase
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros


@dataclass(frozen=True, slots=True)
class Bought:
    """A client's purchases, newest recorded first; `commission_sat` was got besides, for nothing."""

    purchases: tuple[Purchase, ...]
    commission_sat: int


def since(tx: Tx, client_id: int, start: datetime | None) -> Bought:
    """Return what a client bought since `start`, or ever.

    Shares are read from the newest back, until one was recorded before `start`: none of those
    before it can be of a later time.
    """
    rows = tx.execute(
        "SELECT distribution.at, processed_at, kind, minor, sat, payout_id, payout.state FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " LEFT JOIN payout ON payout.id = payout_id"
        " WHERE share.client_id = ? ORDER BY share.id DESC",
        (client_id,),
    )
    start_us = micros(start) if start else 0
    purchases, commission_sat = [], 0
    for row in rows:
        if row["processed_at"] < start_us:
            break
        if row["at"] < start_us or row["state"] == "CANCELLED":
            continue
        if row["kind"] == COMMISSION_SPLIT:
            commission_sat += row["sat"]
        else:
            at = instant(row["at"])
            purchases.append(Purchase(at, row["minor"], row["sat"], row["payout_id"]))
    return Bought(tuple(purchases), commission_sat)


def saving_since(tx: Tx, client_id: int) -> datetime | None:
    """Return when a client's first deposit was confirmed."""
    row = tx.execute(
        "SELECT min(confirmed_at) AS at FROM deposit WHERE client_id = ?", (client_id,)
    ).fetchone()
    return instant_or_none(row["at"])

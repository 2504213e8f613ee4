"""Arrived payouts, and how their clients are told.

The invariant: a payout is told once, alone or in a digest, or never, by the client's wish at the time of
arrival. The transaction that writes the message sets the mark.

    '' ──arrives──▶ told | never | digest ──▶ told | never
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.clients import Notify
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant

_MARKS = {
    Notify.EACH: "told",
    Notify.DAILY: "digest",
    Notify.WEEKLY: "digest",
    Notify.OFF: "never",
}


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The sums of a digest: `bought_sat` for `minor`, and `earned_sat` of commission."""

    count: int
    bought_sat: int
    minor: int
    earned_sat: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A client with payouts that wait for a digest; `since`: the oldest of the payouts."""

    client_id: int
    notify: Notify
    since: datetime


def set_wish(tx: Tx, client: Client, notify: Notify) -> None:
    """Record a client's wish; with Notify.OFF, payouts that wait for a digest are never told."""
    tx.execute("UPDATE client SET notify = ? WHERE id = ?", (notify, client.id))
    if notify is Notify.OFF:
        tx.execute(
            "UPDATE payout SET told = 'never' WHERE client_id = ? AND told = 'digest'", (client.id,)
        )


def arrive(tx: Tx, payout: Payout, client: Client) -> bool:
    """Mark a DONE payout by the client's wish; return whether the payout is told now."""
    tx.execute("UPDATE payout SET told = ? WHERE id = ?", (_MARKS[client.notify], payout.id))
    return client.notify is Notify.EACH


def leave_untold(tx: Tx, payout: Payout) -> None:
    """Mark a DONE payout as never to be told."""
    tx.execute("UPDATE payout SET told = 'never' WHERE id = ?", (payout.id,))


def waiting(tx: Tx) -> list[Waiting]:
    """Return the clients with payouts that wait for a digest."""
    rows = tx.execute(
        "SELECT client_id, notify, since FROM (SELECT client_id, min(done_at) AS since FROM payout"
        " WHERE told = 'digest' GROUP BY client_id) JOIN client ON client.id = client_id"
    )
    return [Waiting(row["client_id"], Notify(row["notify"]), instant(row["since"])) for row in rows]


def take(tx: Tx, client_id: int) -> Arrivals | None:
    """Mark a client's waiting payouts as told and return their sums; None without such payouts."""
    row = tx.execute(
        "SELECT count(DISTINCT payout.id) AS n, coalesce(sum(minor), 0) AS minor,"
        " coalesce(sum(sat) FILTER (WHERE kind <> 'commission'), 0) AS bought,"
        " coalesce(sum(sat) FILTER (WHERE kind = 'commission'), 0) AS earned"
        " FROM payout JOIN share ON share.payout_id = payout.id"
        " JOIN distribution ON distribution.id = distribution_id"
        " WHERE payout.client_id = ? AND told = 'digest'",
        (client_id,),
    ).fetchone()
    if row["n"] == 0:
        return None
    tx.execute(
        "UPDATE payout SET told = 'told' WHERE client_id = ? AND told = 'digest'", (client_id,)
    )
    return Arrivals(
        count=row["n"], bought_sat=row["bought"], minor=row["minor"], earned_sat=row["earned"]
    )

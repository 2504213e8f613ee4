"""Destinations that payouts wait for; the operators hear once of each slow destination."""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.payout import Wait, Waiting
from dca_bot.ledger.payouts.payouts import IS_UNSENT
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class SlowDestination:
    """A client's payouts that wait for a destination; `wait`: why the oldest payout waits."""

    client_id: int
    client_name: str
    destination: Destination | None
    count: int
    sat: int
    wait: Wait


def note(tx: Tx, now: datetime) -> bool:
    """Record the destinations that payouts wait for now; forget the destinations that work again.

    Return whether any is waited for.
    """
    is_any = f"SELECT 1 FROM slow_destination UNION ALL SELECT 1 FROM ({_WAITING}) LIMIT 1"
    if tx.execute(is_any, _NOT_THEIRS).fetchone() is None:
        return False
    waiting = f"SELECT client_id, goes_to FROM ({_WAITING})"
    tx.execute(
        f"DELETE FROM slow_destination WHERE (client_id, destination) NOT IN ({waiting})",
        _NOT_THEIRS,
    )
    tx.execute(
        "INSERT INTO slow_destination (client_id, destination, since)"
        f" SELECT DISTINCT client_id, goes_to, ?3 FROM ({_WAITING}) WHERE true ON CONFLICT DO NOTHING",
        (*_NOT_THEIRS, micros(now)),
    )
    return True


def take_untold(tx: Tx, *, before: datetime, now: datetime) -> list[SlowDestination]:
    """Return, once each, the destinations that payouts have waited for since `before` or longer.

    A payout whose next try is overdue (LNbits was away, the bot stopped) proves no slow destination.
    """
    tried = f"SELECT client_id, goes_to FROM ({_WAITING}) WHERE try_at > ?3"
    due = tx.execute(
        "UPDATE slow_destination SET told_at = ?3 WHERE told_at IS NULL AND since <= ?4"
        f" AND (client_id, destination) IN ({tried}) RETURNING client_id, destination",
        (*_NOT_THEIRS, micros(now), micros(before)),
    ).fetchall()
    return [_slow(tx, row["client_id"], row["destination"]) for row in due]


def _slow(tx: Tx, client_id: int, destination: str) -> SlowDestination:
    row = tx.execute(
        "SELECT name, goes_to_kind, count(*) AS n, sum(amount_sat) AS sat, min(due_at), waiting,"
        " waiting_said, waiting_sat"
        f" FROM ({_WAITING}) WHERE client_id = ?3 AND goes_to = ?4",
        (*_NOT_THEIRS, client_id, destination),
    ).fetchone()
    where = Destination(row["goes_to_kind"], destination) if destination else None
    return SlowDestination(
        client_id=client_id,
        client_name=row["name"],
        destination=where,
        count=row["n"],
        sat=row["sat"],
        wait=Wait(row["waiting"], row["waiting_said"], row["waiting_sat"]),
    )


_NOT_THEIRS = (Waiting.FUNDS, Waiting.NO_ANSWER)
# An unsent payout that doesn't wait for funds or for LNbits' answer waits for the destination.
_WAITING = f"""
SELECT payout.client_id, client.name, payout.amount_sat, payout.due_at, payout.try_at, payout.waiting,
  payout.waiting_said, payout.waiting_sat,
  coalesce(payout.destination, client.destination, '') AS goes_to,
  coalesce(payout.destination_kind, client.destination_kind) AS goes_to_kind
FROM open_payout AS payout JOIN client ON client.id = payout.client_id
WHERE {IS_UNSENT} AND payout.waiting NOT IN ('', ?1, ?2)
"""

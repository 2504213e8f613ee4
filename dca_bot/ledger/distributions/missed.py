"""Missed sales: cash-outs without a share for a client who had a balance and no destination.

The invariant: a missed sale is recorded with the distribution, and never altered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant_or_none, micros


@dataclass(frozen=True, slots=True)
class MissedSales:
    """The number of cash-outs that clients missed, and the names of the clients."""

    count: int
    names: tuple[str, ...]


def would_miss(tx: Tx, at: datetime) -> list[Client]:
    """Return the clients who miss a cash-out of that time in flow mode for want of a destination."""
    rows = tx.execute(
        "SELECT client.id FROM client"
        " JOIN account ON account.kind = 'balance' AND account.client_id = client.id"
        " WHERE role = 'client' AND client.state = 'active' AND mode = 'flow'"
        " AND destination IS NULL AND balance > (SELECT coalesce(sum(amount_minor), 0) FROM deposit"
        "   WHERE deposit.client_id = client.id AND confirmed_at > ? AND deposit.state = 'confirmed')"
        " ORDER BY client.id",
        (micros(at),),
    ).fetchall()
    return [clients.by_id(tx, row["id"]) for row in rows]


def would_miss_run(tx: Tx) -> list[Client]:
    """Return the clients who miss a run of fixed mode for want of a destination or a daily limit."""
    rows = tx.execute(
        "SELECT client.id FROM client"
        " JOIN account ON account.kind = 'balance' AND account.client_id = client.id"
        " WHERE role = 'client' AND client.state = 'active' AND mode = 'fixed'"
        " AND (destination IS NULL OR fixed_limit_minor = 0) AND balance > 0 ORDER BY client.id"
    ).fetchall()
    return [clients.by_id(tx, row["id"]) for row in rows]


def waiting_for_wallet(tx: Tx, distribution_id: str) -> list[Client]:
    """Return the clients whose shares of a distribution wait for a destination."""
    rows = tx.execute(
        "SELECT client_id FROM share JOIN client ON client.id = client_id"
        " WHERE distribution_id = ? AND destination IS NULL ORDER BY client_id",
        (distribution_id,),
    ).fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def record(tx: Tx, distribution_id: str, missing: Sequence[Client]) -> None:
    """Record the clients who missed a distribution."""
    tx.executemany(
        "INSERT INTO missed_sale (distribution_id, client_id) VALUES (?, ?)",
        [(distribution_id, one.id) for one in missing],
    )


def of_distribution(tx: Tx, distribution_id: str) -> list[Client]:
    """Return the clients who missed a distribution."""
    rows = tx.execute(
        "SELECT client_id FROM missed_sale WHERE distribution_id = ? ORDER BY client_id",
        (distribution_id,),
    ).fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def since(tx: Tx, at: datetime) -> MissedSales:
    """Return the missed sales among the distributions since then."""
    rows = tx.execute(
        "SELECT distribution_id, name FROM distribution"
        " CROSS JOIN missed_sale ON distribution_id = distribution.id"
        " JOIN client ON client.id = missed_sale.client_id"
        " WHERE processed_at > ? ORDER BY name",
        (micros(at),),
    ).fetchall()
    names = dict.fromkeys(str(row["name"]) for row in rows)
    return MissedSales(len({row["distribution_id"] for row in rows}), tuple(names))


def told_at(tx: Tx, client_id: int) -> datetime | None:
    """Return when a client was last told of a missed sale or run."""
    row = tx.execute("SELECT missed_told_at FROM client WHERE id = ?", (client_id,)).fetchone()
    return instant_or_none(row["missed_told_at"])


def note_told(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Record that a client is told of a missed sale or run now."""
    tx.execute("UPDATE client SET missed_told_at = ? WHERE id = ?", (micros(now), client_id))

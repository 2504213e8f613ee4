"""The cash-outs that passed a client by who had a balance and no wallet, and what she was told of it.

The invariant: what passed somebody by is recorded with the distribution, and never altered.
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
    """So many cash-outs that passed somebody by, and the names of those whom they did."""

    count: int
    names: tuple[str, ...]


def would_miss(tx: Tx, at: datetime) -> list[Client]:
    """Return who would take part in a cash-out of that time in flow mode, but has no wallet."""
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
    """Return who would take part in a run of fixed mode, but has no wallet or no daily limit."""
    rows = tx.execute(
        "SELECT client.id FROM client"
        " JOIN account ON account.kind = 'balance' AND account.client_id = client.id"
        " WHERE role = 'client' AND client.state = 'active' AND mode = 'fixed'"
        " AND (destination IS NULL OR fixed_limit_minor = 0) AND balance > 0 ORDER BY client.id"
    ).fetchall()
    return [clients.by_id(tx, row["id"]) for row in rows]


def waiting_for_wallet(tx: Tx, distribution_id: str) -> list[Client]:
    """Return the clients who got a share of a distribution that waits until they have a wallet."""
    rows = tx.execute(
        "SELECT client_id FROM share JOIN client ON client.id = client_id"
        " WHERE distribution_id = ? AND destination IS NULL ORDER BY client_id",
        (distribution_id,),
    ).fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def record(tx: Tx, distribution_id: str, missing: Sequence[Client]) -> None:
    """Record whom a distribution passed by."""
    tx.executemany(
        "INSERT INTO missed_sale (distribution_id, client_id) VALUES (?, ?)",
        [(distribution_id, one.id) for one in missing],
    )


def of_distribution(tx: Tx, distribution_id: str) -> list[Client]:
    """Return whom a distribution passed by."""
    rows = tx.execute(
        "SELECT client_id FROM missed_sale WHERE distribution_id = ? ORDER BY client_id",
        (distribution_id,),
    ).fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def since(tx: Tx, at: datetime) -> MissedSales:
    """Return what passed somebody by among what was shared out since then."""
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
    """Return when a client was last told that something passed her by."""
    row = tx.execute("SELECT missed_told_at FROM client WHERE id = ?", (client_id,)).fetchone()
    return instant_or_none(row["missed_told_at"])


def note_told(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Note that a client is told now."""
    tx.execute("UPDATE client SET missed_told_at = ? WHERE id = ?", (micros(now), client_id))

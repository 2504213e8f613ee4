"""Plans which shares make up which payout.

The invariant: a share belongs to at most one payout; a payout's id is derived from the payee's key and
the payout's distributions.
"""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.core.payout import PayoutState, PlannedShare, group_shares, payout_id
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.queue import collecting_clients
from dca_bot.ledger.payouts.transitions import move
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


def plan(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Plan payouts of a client's shares that have none, each of at least the destination's minimum."""
    client = clients.by_id(tx, client_id)
    rows = tx.execute(
        "SELECT share.id, distribution_id, sat, at, kind = 'commission' AS is_commission FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " WHERE client_id = ? AND payout_id IS NULL ORDER BY at, share.id",
        (client_id,),
    ).fetchall()
    # Commission is paid apart: no payout mixes bought sats with earned sats.
    piles = [
        [
            PlannedShare(row["id"], row["distribution_id"], row["sat"])
            for row in rows
            if bool(row["is_commission"]) is is_commission
        ]
        for is_commission in (False, True)
    ]
    due_at = {row["id"]: row["at"] for row in rows}
    min_sat = client.destination.min_sat if client.destination else 1
    for group in (group for pile in piles for group in group_shares(pile, min_sat)):
        _plan_group(tx, client, group, due_at=due_at[group[0].id], now=now)


def plan_all(tx: Tx, *, now: datetime) -> None:
    """Plan payouts for all clients with shares left: a destination's minimum may have sunk."""
    for client in collecting_clients(tx):
        plan(tx, client.id, now=now)


def adopt(tx: Tx, payout_id: str, client_id: int, distribution_id: str, *, now: datetime) -> None:
    """Plan the payout of a client's share of a distribution under the id that LNbits has for the payment."""
    share = tx.execute(
        "SELECT share.id, sat, at FROM share JOIN distribution ON distribution.id = distribution_id"
        " WHERE distribution_id = ? AND client_id = ? AND payout_id IS NULL",
        (distribution_id, client_id),
    ).fetchone()
    tx.execute(
        "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES (?, ?, ?, ?, ?)",
        (payout_id, client_id, share["sat"], micros(now), share["at"]),
    )
    tx.execute("UPDATE share SET payout_id = ? WHERE id = ?", (payout_id, share["id"]))


def merge(tx: Tx, payout: Payout, *, min_sat: int, now: datetime) -> None:
    """Take back a payout below the destination's minimum; the shares wait until all reach `min_sat`.

    Raise StateChanged if the client has another destination by now.
    """
    clients.set_minimum(tx, payout.client_id, payout.destination, min_sat)
    move(tx, payout, PayoutState.MERGED)
    tx.execute("UPDATE share SET payout_id = NULL WHERE payout_id = ?", (payout.id,))
    plan(tx, payout.client_id, now=now)


def _plan_group(
    tx: Tx, client: Client, group: Sequence[PlannedShare], *, due_at: int, now: datetime
) -> None:
    """Plan the payout of some shares, or plan a merged payout of the same shares again.

    A key can pass from one client to another with shares of the same distributions: then the second
    client's payout id is derived from key and client number.
    """
    for recipient in (client.pubkey, f"{client.pubkey} {client.id}"):
        new_id = payout_id(recipient, [share.distribution_id for share in group])
        done = tx.execute(
            "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = 'PLANNED', try_at = excluded.try_at,"
            " tries = 0, waiting = '' WHERE state = 'MERGED' AND client_id = excluded.client_id",
            (new_id, client.id, sum(share.sat for share in group), micros(now), due_at),
        )
        if done.rowcount == 1:
            break
    assert done.rowcount == 1, "an id belongs to one client and its distributions"
    tx.executemany(
        "UPDATE share SET payout_id = ? WHERE id = ?", [(new_id, share.id) for share in group]
    )

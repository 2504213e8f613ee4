"""Plans which shares make up which payout.

The invariant: a share belongs to at most one payout; a payout's id is derived from the payee's key and
the payout's distributions.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from dca_bot.core.payout import PayoutState, PlannedShare, group_shares, payout_id
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.queue import collecting_clients
from dca_bot.ledger.payouts.transitions import move
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros


@dataclass(frozen=True, slots=True)
class _Group:
    """The shares of a payout to be planned, with the payee's id and key; `due_at`: the oldest share's."""

    client_id: int
    pubkey: str
    shares: Sequence[PlannedShare]
    due_at: int


def plan(tx: Tx, client_ids: Iterable[int], *, now: datetime) -> None:
    """Plan payouts of some clients' shares that have none, each of at least the destination's minimum."""
    wanted = list(dict.fromkeys(client_ids))
    if not wanted:
        return
    rows = tx.execute(
        "SELECT share.client_id, pubkey, share.id, distribution_id, sat, at,"
        " distribution.kind = 'commission' AS is_commission,"
        " iif(destination IS NULL, 1, destination_min_sat) AS min_sat FROM json_each(?)"
        " CROSS JOIN client ON client.id = value"
        " CROSS JOIN share ON share.client_id = client.id AND payout_id IS NULL"
        " CROSS JOIN distribution ON distribution.id = distribution_id"
        # A pile's rows stand together.
        " ORDER BY json_each.key, is_commission, at, share.id",
        (json.dumps(wanted),),
    )
    groups = list[_Group]()
    # Commission is paid apart: no payout mixes bought sats with earned sats.
    for (client_id, _), rows_of in groupby(rows, key=itemgetter("client_id", "is_commission")):
        pile = list(rows_of)
        shares = [PlannedShare(row["id"], row["distribution_id"], row["sat"]) for row in pile]
        first = 0
        for group in group_shares(shares, pile[0]["min_sat"]):
            groups.append(_Group(client_id, pile[0]["pubkey"], group, pile[first]["at"]))
            first += len(group)
    _record(tx, groups, now=now)


def plan_all(tx: Tx, *, now: datetime) -> None:
    """Plan payouts for all clients with shares left: a destination's minimum may have sunk."""
    plan(tx, (client.id for client in collecting_clients(tx)), now=now)


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
    plan(tx, [payout.client_id], now=now)


def _record(tx: Tx, groups: Sequence[_Group], *, now: datetime) -> None:
    """Record the payouts of groups of shares; a merged payout of the same shares is planned again."""
    planned = _ids(tx, groups)
    # One statement for all payouts, and one for all shares, as in `distributions.record`.
    done = tx.execute(
        "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at)"
        " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?,"
        " json_extract(value, '$[3]') FROM json_each(?) WHERE true"
        " ON CONFLICT (id) DO UPDATE SET state = 'PLANNED', try_at = excluded.try_at,"
        " tries = 0, waiting = '' WHERE state = 'MERGED' AND client_id = excluded.client_id",
        (
            micros(now),
            json.dumps(
                [
                    (id_, of.client_id, sum(share.sat for share in of.shares), of.due_at)
                    for id_, of in planned.items()
                ]
            ),
        ),
    )
    assert done.rowcount == len(groups), "an id belongs to one client and its distributions"
    tx.execute(
        "UPDATE share SET payout_id = json_extract(value, '$[0]') FROM json_each(?)"
        " WHERE share.id = json_extract(value, '$[1]')",
        (json.dumps([(id_, share.id) for id_, of in planned.items() for share in of.shares]),),
    )


def _ids(tx: Tx, groups: Sequence[_Group]) -> dict[str, _Group]:
    """Give each group the id of its payout.

    A key can pass from one client to another with shares of the same distributions: then the second
    client's payout id is derived from key and client number.
    """
    wanted = [_id(of.pubkey, of) for of in groups]
    rows = tx.execute(
        "SELECT id, client_id, state FROM payout WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted),),
    )
    known = {row["id"]: (row["client_id"], row["state"]) for row in rows}
    given = dict[str, _Group]()
    for of, id_ in zip(groups, wanted, strict=True):
        merged = (of.client_id, PayoutState.MERGED)
        is_free = id_ not in given and known.get(id_, merged) == merged
        given[id_ if is_free else _id(f"{of.pubkey} {of.client_id}", of)] = of
    return given


def _id(recipient: str, of: _Group) -> str:
    return payout_id(recipient, [share.distribution_id for share in of.shares])

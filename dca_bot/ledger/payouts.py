"""The payouts' record: what is planned, what was sent, and what became of it.

The invariant: every move is a compare-and-set along the table `payout_move`, committed before the
request that it announces leaves.
"""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core.payout import (
    ATTEMPTS_MAX,
    CANCELLABLE,
    PayoutState,
    PlannedShare,
    group_shares,
    payout_id,
)
from dca_bot.core.ports import Invoice, Payment, PaymentStatus
from dca_bot.errors import StateChanged
from dca_bot.ledger import clients, holds
from dca_bot.ledger.books import (
    CONVERTED,
    OPERATOR,
    PAID,
    Cause,
    Move,
    balance_of,
    owed_to,
    post,
)
from dca_bot.ledger.clients import Client, Destination
from dca_bot.ledger.database import Tx
from dca_bot.ledger.holds import Hold
from dca_bot.ledger.instant import instant, instant_or_none, micros

DAY = timedelta(hours=24)
WAIT_MAX = timedelta(days=8)
"""Nothing waits longer: a later time was set while the clock was ahead."""
UNSENT = (PayoutState.PLANNED, PayoutState.INVOICED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An invoice that was recorded for a payout."""

    number: int
    bolt11: str
    payment_hash: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout with its client's present destination and its last attempt.

    `destination` is where it goes: fixed since it was submitted, before that the client's present
    one. `minor` is the fiat of its shares. `waiting` says why it is not sent now.
    """

    id: str
    client_id: int
    client_name: str
    client_pubkey: str
    amount_sat: int
    minor: int
    state: PayoutState
    attempt: Attempt | None
    attempts: int
    destination: Destination | None
    approved: bool
    waiting: str
    tries: int
    try_at: datetime
    due_at: datetime
    submitted_at: datetime | None
    debited_at: datetime | None
    fee_msat: int | None
    distribution_ids: tuple[str, ...]


def plan(tx: Tx, client_id: int, *, now: datetime) -> None:
    """Put a client's shares that belong to no payout into payouts, as their destination allows."""
    client = clients.by_id(tx, client_id)
    rows = tx.execute(
        "SELECT share.id, distribution_id, sat, at FROM share"
        " JOIN distribution ON distribution.id = distribution_id"
        " WHERE client_id = ? AND payout_id IS NULL ORDER BY at, share.id",
        (client_id,),
    ).fetchall()
    shares = [PlannedShare(row["id"], row["distribution_id"], row["sat"]) for row in rows]
    due_at = {row["id"]: row["at"] for row in rows}
    min_sat = client.destination.min_sat if client.destination else 1
    for group in group_shares(shares, min_sat):
        new_id = payout_id(client.pubkey, [share.distribution_id for share in group])
        done = tx.execute(
            "INSERT INTO payout (id, client_id, amount_sat, try_at, due_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = 'PLANNED', try_at = excluded.try_at,"
            " tries = 0, waiting = '' WHERE state = 'MERGED' AND client_id = excluded.client_id",
            (new_id, client_id, sum(s.sat for s in group), micros(now), due_at[group[0].id]),
        )
        if done.rowcount != 1:
            # Only a key that passed from one client to another can do this: the shares wait.
            _log.error("payout id is taken payout=%s client=%d", new_id[:8], client_id)
            continue
        tx.executemany(
            "UPDATE share SET payout_id = ? WHERE id = ?", [(new_id, share.id) for share in group]
        )


def plan_all(tx: Tx, *, now: datetime) -> None:
    """Look again at all shares that wait for more, as a destination's minimum may have sunk."""
    for client in collecting_clients(tx):
        plan(tx, client.id, now=now)


def merge(tx: Tx, payout: Payout, *, min_sat: int, now: datetime) -> None:
    """Take a payout back that is too small for its destination; its shares wait for more.

    Raise StateChanged if the client has another destination by now.
    """
    clients.set_minimum(tx, payout.client_id, payout.destination, min_sat)
    move(tx, payout, PayoutState.MERGED)
    tx.execute("UPDATE share SET payout_id = NULL WHERE payout_id = ?", (payout.id,))
    plan(tx, payout.client_id, now=now)


def by_id(tx: Tx, wanted: str) -> Payout | None:
    """Find a payout by its id."""
    return next(iter(_payouts(tx, "payout.id = ?", (wanted,))), None)


def by_prefix(tx: Tx, prefix: str, limit: int = 2) -> list[Payout]:
    """Find payouts whose id starts with `prefix`."""
    where = "payout.id >= ?1 AND payout.id < ?1 || char(127)"
    return _payouts(tx, where, (prefix.lower(),), limit=limit)


def open_payouts(tx: Tx, *, limit: int = 1000) -> list[Payout]:
    """Return what is not finished, in the order in which it is to be paid."""
    return _payouts(tx, _OPEN, (), limit=limit)


def due(tx: Tx, now: datetime, *, limit: int = 200) -> list[Payout]:
    """Return what may be brought further now: first what was sent, then what is to be paid.

    Each comes in order and up to `limit`, so that many that wait hide none that was sent.
    """
    sent = "payout.state IN ('SUBMITTED', 'IN_DOUBT', 'DEBITED', 'ALERT')"
    unsent = (
        "(payout.state IN ('PLANNED', 'INVOICED')"
        f" OR payout.state = 'VOID' AND payout.attempt < {ATTEMPTS_MAX})"
    )
    return [
        payout
        for which in (sent, unsent)
        for payout in _payouts(
            tx,
            f"{_OPEN} AND {which} AND (try_at <= ? OR try_at > ?)",
            (micros(now), micros(now + WAIT_MAX)),
            limit=limit,
        )
    ]


def unsent_of(tx: Tx, distribution_ids: Sequence[str], *, client_name: str) -> list[Payout]:
    """Return the unsent payouts with a share of these distributions: the client's of that name.

    If there is no such client, those of every client.
    """
    marks = ",".join("?" * len(distribution_ids))
    found = _payouts(
        tx,
        "payout.state IN ('PLANNED', 'INVOICED') AND EXISTS (SELECT 1 FROM share"
        f" WHERE share.payout_id = payout.id AND distribution_id IN ({marks}))",
        distribution_ids,
    )
    if clients.by_name(tx, client_name) is None:
        return found
    return [payout for payout in found if payout.client_name.lower() == client_name.lower()]


def stuck(tx: Tx, *, limit: int = 20) -> list[Payout]:
    """Return what waits for the operator, is in doubt, or waits for anything else."""
    return _payouts(
        tx,
        f"{_OPEN} AND (payout.waiting <> '' OR payout.state IN ('HELD', 'IN_DOUBT', 'ALERT', 'VOID'))",
        (),
        limit=limit,
    )


def of_client(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[Payout]:
    """Return a client's payouts, newest first."""
    where = "payout.client_id = ? AND payout.state <> 'MERGED'"
    return _payouts(tx, where, (client_id,), order="DESC", limit=limit, offset=offset)


def move(tx: Tx, payout: Payout, to: PayoutState, **columns: str | int | None) -> None:
    """Move a payout from the state it was read in; raise StateChanged if it isn't there any more."""
    sets = "".join(f", {name} = :{name}" for name in columns)
    done = tx.execute(
        f"UPDATE payout SET state = :to{sets} WHERE id = :id AND state = :was AND attempt = :last",
        {**columns, "to": to, "id": payout.id, "was": payout.state, "last": payout.attempts},
    )
    if done.rowcount != 1:
        raise StateChanged(f"Payout {payout.id[:8]} has changed meanwhile; look again.")


def defer(tx: Tx, payout: Payout, *, waiting: str, until: datetime, counted: bool = True) -> None:
    """Note why a payout can't be brought further now, and when to try again."""
    move(
        tx,
        payout,
        payout.state,
        waiting=waiting,
        try_at=micros(until),
        tries=payout.tries + int(counted),
    )


def defer_like(tx: Tx, payout: Payout) -> None:
    """Let a client's other unsent payouts wait for as long as this one, as it is one destination."""
    tx.execute(
        "UPDATE payout SET (waiting, try_at) = (SELECT waiting, try_at FROM payout WHERE id = ?1)"
        " WHERE client_id = ?2 AND state = 'PLANNED' AND (SELECT state FROM payout WHERE id = ?1)"
        " IN ('PLANNED', 'INVOICED')",
        (payout.id, payout.client_id),
    )


def record_invoice(tx: Tx, payout: Payout, invoice: Invoice, *, now: datetime) -> None:
    """Record the checked invoice of a new attempt: PLANNED becomes INVOICED."""
    assert payout.destination is not None
    move(
        tx,
        payout,
        PayoutState.INVOICED,
        attempt=payout.attempts + 1,
        destination=payout.destination.value,
        destination_kind=payout.destination.kind,
        waiting="",
        tries=0,
    )
    tx.execute(
        "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            payout.id,
            payout.attempts + 1,
            invoice.bolt11,
            invoice.payment_hash,
            micros(invoice.expires_at),
            micros(now),
        ),
    )


def discard_invoice(tx: Tx, payout: Payout) -> None:
    """Drop an invoice that was never sent: INVOICED becomes PLANNED again."""
    if payout.state is not PayoutState.INVOICED:
        raise StateChanged(f"Payout {payout.id[:8]} has no unsent invoice.")
    move(tx, payout, PayoutState.PLANNED, **_unfixed(payout))


def submit(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the pay request leaves now; from here on the destination is fixed."""
    move(tx, payout, PayoutState.SUBMITTED, submitted_at=micros(now), waiting="", tries=0)


def debit(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> None:
    """Record that the sats have left the source wallet."""
    move(
        tx,
        payout,
        PayoutState.DEBITED,
        debited_at=micros(now),
        try_at=micros(now),
        fee_msat=payment.fee_msat,
        preimage=payment.preimage,
        waiting="",
        tries=0,
    )
    paid = Move(owed_to(payout.client_id), PAID, payout.amount_sat)
    post(tx, "payout", [paid], cause=Cause(payout_id=payout.id), now=now)


def take_over(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> None:
    """Record for a held payout the payment that LNbits had made for it already.

    Raise StateChanged if that payment hasn't succeeded or is of another amount.
    """
    paid_msat = -payment.amount_msat if payment.status is PaymentStatus.SUCCESS else 0
    if paid_msat != payout.amount_sat * 1000:
        raise StateChanged(
            f"LNbits paid {paid_msat} msat for payout {payout.id[:8]}, not {payout.amount_sat} sats."
        )
    assert payout.destination is not None
    number = _attempt_number(tx, payout, payment.payment_hash)
    move(
        tx,
        payout,
        PayoutState.HELD,
        attempt=number or payout.attempts + 1,
        submitted_at=micros(payment.created_at),
        destination=payout.destination.value,
        destination_kind=payout.destination.kind,
    )
    if number is None:
        tx.execute(
            "INSERT INTO attempt (payout_id, number, bolt11, payment_hash, expires_at, created_at)"
            " VALUES (?, ?, '', ?, ?, ?)",
            (payout.id, payout.attempts + 1, payment.payment_hash, micros(now), micros(now)),
        )
    debit(tx, replace(payout, attempts=number or payout.attempts + 1), payment, now=now)


def finish(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Record that the payee has the sats, or that the payee's side can't be asked."""
    move(tx, payout, PayoutState.DONE, done_at=micros(now), waiting="")


def hold(tx: Tx, payout: Payout, reason: str, *, now: datetime) -> Hold | None:
    """Stop a payout until the operator decides; return the hold if it is new."""
    move(tx, payout, PayoutState.HELD, waiting=reason, **_unfixed(payout))
    return holds.open_hold(tx, "payout", payout.id, reason, now=now)


def retry(tx: Tx, payout: Payout, *, now: datetime) -> None:
    """Let a void payout have a new attempt, or a held one go; raise StateChanged for any other."""
    if payout.state not in (PayoutState.VOID, PayoutState.HELD):
        raise StateChanged(f"Payout {payout.id[:8]} is {payout.state} and can't be tried again.")
    move(tx, payout, PayoutState.PLANNED, waiting="", tries=0, try_at=micros(now))


def cancel(tx: Tx, payout: Payout, *, now: datetime, message_id: str | None = None) -> None:
    """Reverse a payout that can never be paid: fiat back to the client, sats to the operator.

    Raise StateChanged where it may be paid yet, or LNbits has a payment of it that the ledger lacks.
    """
    if payout.state not in CANCELLABLE:
        raise StateChanged(f"Payout {payout.id[:8]} is {payout.state} and can't be cancelled.")
    if _is_paid_elsewhere(tx, payout):
        raise StateChanged(f"LNbits has paid payout {payout.id[:8]}, so it can't be cancelled.")
    move(tx, payout, PayoutState.CANCELLED, waiting="")
    holds.close(tx, "payout", payout.id, outcome="cancelled", now=now)
    moves = [
        Move(CONVERTED, balance_of(payout.client_id), payout.minor),
        Move(owed_to(payout.client_id), OPERATOR, payout.amount_sat),
    ]
    post(tx, "cancel", moves, cause=Cause(payout_id=payout.id, message_id=message_id), now=now)


def submitted_sat_since(tx: Tx, since: datetime) -> int:
    """Return what was sent since then, for the daily ceiling."""
    row = tx.execute(
        "SELECT coalesce(sum(amount_sat), 0) AS total FROM payout WHERE submitted_at > ?",
        (micros(since),),
    ).fetchone()
    return int(row["total"])


def owed(tx: Tx) -> tuple[int, int]:
    """Return (count, sats) of what is still to leave the source wallet."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(amount_sat), 0) AS sat FROM payout"
        f" WHERE {_OPEN} AND state NOT IN ('DEBITED', 'ALERT')"
    ).fetchone()
    return row["n"], row["sat"]


def counts(tx: Tx) -> Mapping[str, int]:
    """Return how many open payouts there are in each state."""
    rows = tx.execute(f"SELECT state, count(*) AS n FROM payout WHERE {_OPEN} GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def unsettled(tx: Tx) -> bool:
    """Tell whether there is a payout that was submitted and neither debited nor given up."""
    row = tx.execute(
        f"SELECT EXISTS (SELECT 1 FROM payout WHERE {_OPEN} AND submitted_at IS NOT NULL"
        " AND debited_at IS NULL) AS yes"
    ).fetchone()
    return bool(row["yes"])


def collecting_clients(tx: Tx) -> list[Client]:
    """Return the clients with shares that wait for more, as their destination takes no less."""
    rows = tx.execute("SELECT DISTINCT client_id FROM share WHERE payout_id IS NULL").fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def payment_hashes(tx: Tx, wanted: str) -> set[str]:
    """Return the hashes of all invoices recorded for a payout."""
    rows = tx.execute("SELECT payment_hash FROM attempt WHERE payout_id = ?", (wanted,))
    return {str(row["payment_hash"]) for row in rows}


def _payouts(
    tx: Tx,
    where: str,
    values: Sequence[str | int],
    *,
    order: str = "ASC",
    limit: int = 1000,
    offset: int = 0,
) -> list[Payout]:
    rows = tx.execute(
        f"{_SELECT} WHERE {where} ORDER BY payout.due_at {order}, payout.id {order}"
        f" LIMIT {limit} OFFSET {offset}",
        values,
    ).fetchall()
    return [_payout(tx, row) for row in rows]


_OPEN = "payout.state NOT IN ('DONE', 'CANCELLED', 'MERGED')"
_SELECT = """
SELECT payout.*, client.name, client.pubkey, client.destination AS client_destination,
  client.destination_kind AS client_destination_kind, client.destination_min_sat,
  attempt.bolt11, attempt.payment_hash, attempt.expires_at
FROM payout JOIN client ON client.id = payout.client_id
LEFT JOIN attempt ON attempt.payout_id = payout.id AND attempt.number = payout.attempt
"""


def _payout(tx: Tx, row: sqlite3.Row) -> Payout:
    shares = tx.execute(
        "SELECT distribution_id, minor FROM share WHERE payout_id = ? ORDER BY id", (row["id"],)
    ).fetchall()
    attempt = None
    if row["payment_hash"] is not None:
        attempt = Attempt(
            number=row["attempt"],
            bolt11=row["bolt11"],
            payment_hash=row["payment_hash"],
            expires_at=instant(row["expires_at"]),
        )
    return Payout(
        id=row["id"],
        client_id=row["client_id"],
        client_name=row["name"],
        client_pubkey=row["pubkey"],
        amount_sat=row["amount_sat"],
        minor=sum(share["minor"] for share in shares),
        state=PayoutState(row["state"]),
        attempt=attempt,
        attempts=row["attempt"],
        destination=_destination(row),
        approved=bool(row["approved"]),
        waiting=row["waiting"],
        tries=row["tries"],
        try_at=instant(row["try_at"]),
        due_at=instant(row["due_at"]),
        submitted_at=instant_or_none(row["submitted_at"]),
        debited_at=instant_or_none(row["debited_at"]),
        fee_msat=row["fee_msat"],
        distribution_ids=tuple(share["distribution_id"] for share in shares),
    )


def _unfixed(payout: Payout) -> dict[str, None]:
    """Let what was never submitted follow its client to another destination."""
    return {} if payout.submitted_at else {"destination": None, "destination_kind": None}


def _attempt_number(tx: Tx, payout: Payout, payment_hash: str) -> int | None:
    """Find the attempt of a payout that has this hash."""
    row = tx.execute(
        "SELECT number FROM attempt WHERE payout_id = ? AND payment_hash = ?",
        (payout.id, payment_hash),
    ).fetchone()
    return None if row is None else int(row["number"])


def _is_paid_elsewhere(tx: Tx, payout: Payout) -> bool:
    row = tx.execute(
        "SELECT 1 FROM foreign_payment WHERE external_id = ? AND status <> 'failed'", (payout.id,)
    )
    return row.fetchone() is not None


def _destination(row: sqlite3.Row) -> Destination | None:
    if row["destination"] is not None:
        return Destination(kind=row["destination_kind"], value=row["destination"])
    if row["client_destination"] is not None:
        return Destination(
            kind=row["client_destination_kind"],
            value=row["client_destination"],
            min_sat=row["destination_min_sat"],
        )
    return None

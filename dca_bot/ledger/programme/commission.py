"""Who gets which part of the commission.

The invariant: what is set is never altered. Each change is a new version with all of its parts, the
newest counts when a cash-out is processed, and every split names the version that it went by.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.commission import WHOLE_BP
from dca_bot.errors import StateChanged
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import RECIPIENT, Client, Destination
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

_PREFIX = "commission:"


@dataclass(frozen=True, slots=True)
class Part:
    """What a client or recipient gets of each commission."""

    client_id: int
    name: str
    percent_bp: int


@dataclass(frozen=True, slots=True)
class CommissionVersion:
    """One version, larger parts first; before anything was set its id is 0."""

    id: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def rest_bp(self) -> int:
        """Return what nobody is set for."""
        return WHOLE_BP - sum(part.percent_bp for part in self.parts)

    def part_of(self, client_id: int) -> Part | None:
        """Return what somebody gets, None if nothing."""
        return next((part for part in self.parts if part.client_id == client_id), None)


def split_id(cash_out_id: str) -> str:
    """Return the id of the distribution that splits a cash-out's commission."""
    return _PREFIX + cash_out_id


def cash_out_of(distribution_id: str) -> str:
    """Return the id of the cash-out that a distribution belongs to; of any other its own."""
    return distribution_id.removeprefix(_PREFIX)


def in_force(tx: Tx) -> CommissionVersion:
    """Return the newest version."""
    newest = tx.execute("SELECT max(id) AS id FROM commission_terms").fetchone()["id"]
    rows = tx.execute(
        "SELECT client_id, name, percent_bp FROM commission_part JOIN client ON client.id = client_id"
        " WHERE terms_id = ? ORDER BY percent_bp DESC, name",
        (newest,),
    )
    parts = tuple(Part(row["client_id"], row["name"], row["percent_bp"]) for row in rows)
    return CommissionVersion(newest or 0, parts)


def set_part(
    tx: Tx, client_id: int, percent_bp: int, *, now: datetime, message_id: str | None = None
) -> CommissionVersion:
    """Set what somebody gets from now on; raise StateChanged if that is more than what is left."""
    terms = in_force(tx)
    others = [part for part in terms.parts if part.client_id != client_id]
    if percent_bp + sum(part.percent_bp for part in others) > WHOLE_BP:
        raise StateChanged("Less of the commission is left by now; look again.")
    name = clients.by_id(tx, client_id).name
    parts = [*others, Part(client_id, name, percent_bp)]
    return _set(tx, terms, parts, now=now, message_id=message_id)


def remove_part(
    tx: Tx, client_id: int, *, now: datetime, message_id: str | None = None
) -> CommissionVersion:
    """Give somebody nothing from now on; what was given before is still paid."""
    terms = in_force(tx)
    others = [part for part in terms.parts if part.client_id != client_id]
    return _set(tx, terms, others, now=now, message_id=message_id)


def add_recipient(
    tx: Tx, *, name: str, destination: Destination, language: str, now: datetime
) -> Client:
    """Record a recipient who is no client; IntegrityError if the name is taken."""
    added = clients.add(
        tx, name=name, pubkey=recipient_key(name), language=language, now=now, role=RECIPIENT
    )
    clients.set_destination(tx, added.id, destination)
    return clients.by_id(tx, added.id)


def recipient_key(name: str) -> str:
    """Make the key of a recipient up: nobody has its private half, and payouts' ids come from it."""
    return hashlib.sha256(f"dca-bot commission recipient|{name.casefold()}".encode()).hexdigest()


def is_spent(tx: Tx, payee: Client) -> bool:
    """Tell whether somebody is a recipient no more, and nothing is left to be paid."""
    if payee.role != RECIPIENT or in_force(tx).part_of(payee.id):
        return False
    _, open_payouts, _ = clients.open_items(tx, payee.id)
    return payee.owed_sat == 0 and open_payouts == 0


def close_spent(tx: Tx, payee: Client) -> bool:
    """Close a recipient who gets nothing any more, so that the name is free; tell whether it is."""
    spent = is_spent(tx, payee)
    if spent:
        clients.set_state(tx, payee, "closed")
    return spent


def leaving(tx: Tx) -> list[Client]:
    """Return the recipients who get nothing any more but are still to be paid, by name."""
    rows = tx.execute(
        "SELECT id FROM client WHERE role = 'recipient' AND state <> 'closed' AND id NOT IN"
        " (SELECT client_id FROM commission_part"
        "  WHERE terms_id = (SELECT max(id) FROM commission_terms)) ORDER BY name"
    ).fetchall()
    payees = [clients.by_id(tx, row["id"]) for row in rows]
    return [payee for payee in payees if not is_spent(tx, payee)]


def _set(
    tx: Tx,
    before: CommissionVersion,
    parts: Iterable[Part],
    *,
    now: datetime,
    message_id: str | None,
) -> CommissionVersion:
    """Record a version: its parts first, as the version closes them."""
    tx.executemany(
        "INSERT INTO commission_part (terms_id, client_id, percent_bp) VALUES (?, ?, ?)",
        [(before.id + 1, part.client_id, part.percent_bp) for part in parts],
    )
    last = tx.execute("SELECT coalesce(max(id), 0) AS id FROM posting").fetchone()
    tx.execute(
        "INSERT INTO commission_terms (id, set_at, message_id, after_posting) VALUES (?, ?, ?, ?)",
        (before.id + 1, micros(now), message_id, last["id"]),
    )
    return in_force(tx)

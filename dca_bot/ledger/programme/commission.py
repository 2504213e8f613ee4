"""Which share of the commission each recipient gets.

The invariant: a commission version is never altered. A change is a new version with all of its shares; the
newest version when a cash-out is processed splits the commission, and each split names its version.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.clients import ClientRole, ClientState
from dca_bot.core.money import WHOLE_BP
from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client, Destination
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import micros

_PREFIX = "commission:"


@dataclass(frozen=True, slots=True)
class CommissionShare:
    """The percentage of each commission that a client or recipient gets; `paid_as` as for clients."""

    client_id: int
    name: str
    percent_bp: int
    paid_as: str


@dataclass(frozen=True, slots=True)
class CommissionVersion:
    """A commission version, larger shares first; `id` is 0 before anything was set."""

    id: int = 0
    shares: tuple[CommissionShare, ...] = ()

    @property
    def rest_bp(self) -> int:
        """Return the percentage that nobody is set for."""
        return WHOLE_BP - sum(share.percent_bp for share in self.shares)

    def share_of(self, client_id: int) -> CommissionShare | None:
        """Return the share of a client or recipient; None if nothing is set."""
        return next((share for share in self.shares if share.client_id == client_id), None)


def split_id(cash_out_id: str) -> str:
    """Return the id of the distribution that splits a cash-out's commission."""
    return _PREFIX + cash_out_id


def cash_out_of(distribution_id: str) -> str:
    """Return the id of the cash-out whose commission a distribution splits; of another kind, its own id."""
    return distribution_id.removeprefix(_PREFIX)


def in_force(tx: Tx) -> CommissionVersion:
    """Return the newest version."""
    newest = tx.execute("SELECT max(id) AS id FROM commission_terms").fetchone()["id"]
    if newest is None:
        return CommissionVersion()
    rows = tx.execute(
        "SELECT client_id, name, percent_bp, coalesce(paid_as, name) AS called FROM commission_part"
        " JOIN client ON client.id = client_id"
        " WHERE terms_id = ? ORDER BY percent_bp DESC, name",
        (newest,),
    )
    shares = tuple(
        CommissionShare(row["client_id"], row["name"], row["percent_bp"], row["called"])
        for row in rows
    )
    return CommissionVersion(newest, shares)


def set_share(
    tx: Tx, client_id: int, percent_bp: int, *, now: datetime, message_id: str | None = None
) -> CommissionVersion:
    """Set the share of a client or recipient from now on; return the new version.

    Raise StateChanged if the other shares leave less than that.
    """
    before = in_force(tx)
    others = [share for share in before.shares if share.client_id != client_id]
    if percent_bp + sum(share.percent_bp for share in others) > WHOLE_BP:
        raise StateChanged(Changed.COMMISSION)
    client = clients.by_id(tx, client_id)
    shares = [*others, CommissionShare(client_id, client.name, percent_bp, client.paid_as)]
    return _set(tx, before, shares, now=now, message_id=message_id)


def remove_share(
    tx: Tx, client_id: int, *, now: datetime, message_id: str | None = None
) -> CommissionVersion:
    """Remove the share of a client or recipient from now on; return the new version.

    Shares of earlier commissions are still paid.
    """
    before = in_force(tx)
    others = [share for share in before.shares if share.client_id != client_id]
    return _set(tx, before, others, now=now, message_id=message_id)


def add_recipient(
    tx: Tx, *, name: str, destination: Destination, language: str, now: datetime
) -> Client:
    """Record a recipient who is no client; raise sqlite3.IntegrityError if the name is taken."""
    added = clients.add(
        tx,
        name=name,
        pubkey=recipient_key(name),
        language=language,
        now=now,
        role=ClientRole.RECIPIENT,
    )
    clients.set_destination(tx, added.id, destination)
    return clients.by_id(tx, added.id)


def recipient_key(name: str) -> str:
    """Make up a recipient's public key: payouts' ids derive from the key, and nobody has a private half."""
    return hashlib.sha256(f"dca-bot commission recipient|{name.casefold()}".encode()).hexdigest()


def is_spent(tx: Tx, payee: Client) -> bool:
    """Tell whether a recipient has neither a share nor anything left to be paid."""
    if payee.role is not ClientRole.RECIPIENT or in_force(tx).share_of(payee.id):
        return False
    _, open_payouts, _ = clients.open_items(tx, payee.id)
    return payee.owed_sat == 0 and open_payouts == 0


def close_spent(tx: Tx, payee: Client) -> bool:
    """Close a spent recipient, so that the name is free; return whether the recipient was spent.

    Raise StateChanged if the recipient has changed meanwhile.
    """
    spent = is_spent(tx, payee)
    if spent:
        clients.set_state(tx, payee, ClientState.CLOSED)
    return spent


def leaving(tx: Tx) -> list[Client]:
    """Return the recipients without a share who are still to be paid, by name."""
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
    shares: Iterable[CommissionShare],
    *,
    now: datetime,
    message_id: str | None,
) -> CommissionVersion:
    """Record a version: the shares first, because the schema closes a version with its own row."""
    tx.executemany(
        "INSERT INTO commission_part (terms_id, client_id, percent_bp) VALUES (?, ?, ?)",
        [(before.id + 1, share.client_id, share.percent_bp) for share in shares],
    )
    last = tx.execute("SELECT coalesce(max(id), 0) AS id FROM posting").fetchone()
    tx.execute(
        "INSERT INTO commission_terms (id, set_at, message_id, after_posting) VALUES (?, ?, ?, ?)",
        (before.id + 1, micros(now), message_id, last["id"]),
    )
    return in_force(tx)

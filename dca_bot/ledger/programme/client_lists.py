"""Lists of open clients for operators: all clients, or the clients of a selection, with totals.

The cost grows with the number of clients, never with the history: balances are kept in the accounts.
"""

from dataclasses import dataclass

from dca_bot.core.names import skeleton
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import LOW_LEVEL, OPEN_CLIENT, Client
from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition of SQL about open clients, with its values, and the order of the list."""

    where: str
    values: tuple[str | int, ...] = ()
    order: str = "name"


@dataclass(frozen=True, slots=True)
class ClientTotals:
    """The number of clients in a list, and the sum of the balances. `paused`: by anybody."""

    count: int
    active: int
    paused: int
    balance_minor: int


EVERYONE = Selection("true")
WITHOUT_WALLET = Selection("destination IS NULL")
PAUSED = Selection("state IN ('paused', 'stopped')")


def low(low_minor: int) -> Selection:
    """Select the clients whose balance is used up, or below `low_minor`; the lowest balance first."""
    return Selection(f"{LOW_LEVEL} <> ''", (low_minor,), order="fiat.balance, name")


def named(text: str) -> Selection:
    """Select the clients whose name contains a text; case, accents and look-alikes don't count."""
    return Selection("instr(skeleton, ?) > 0", (skeleton(text),))


def select(tx: Tx, wanted: Selection, *, limit: int, offset: int = 0) -> list[Client]:
    """Return the clients of a selection."""
    values = (*wanted.values, limit, offset)
    where = f"{OPEN_CLIENT} AND {wanted.where}"
    return clients.matching(tx, where, values, order=f"{wanted.order} LIMIT ? OFFSET ?")


def running_low(tx: Tx, low_minor: int) -> list[Client]:
    """Return all clients whose balance is low or used up, the lowest balance first."""
    return select(tx, low(low_minor), limit=-1)


def totals(tx: Tx, wanted: Selection) -> ClientTotals:
    """Count the clients of a selection, and add up the balances."""
    row = tx.execute(
        "SELECT count(*) AS n, coalesce(sum(state = 'active'), 0) AS active,"
        f" coalesce(sum({PAUSED.where}), 0) AS paused, coalesce(sum(fiat.balance), 0) AS minor"
        " FROM client JOIN account fiat ON fiat.kind = 'balance' AND fiat.client_id = client.id"
        f" WHERE {OPEN_CLIENT} AND {wanted.where}",
        wanted.values,
    ).fetchone()
    return ClientTotals(row["n"], row["active"], row["paused"], row["minor"])

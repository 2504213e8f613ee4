"""Finds clients and recipients by names as people read names, and finds names that look alike."""

import unicodedata
from collections.abc import Iterable, Sequence

from dca_bot.core.names import skeleton
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.store.database import Tx


def known_pubkeys(tx: Tx, words: Iterable[str]) -> set[str]:
    """Return the words, given in lower case, that are an open client's public key in hex."""
    return {word for word in words if clients.by_pubkey(tx, word) is not None}


def names(tx: Tx) -> list[str]:
    """Return the names of all open clients."""
    rows = tx.execute(
        "SELECT name FROM client WHERE role = 'client' AND state <> 'closed' ORDER BY name"
    )
    return [str(row["name"]) for row in rows]


def names_of(tx: Tx, pubkeys: Iterable[str]) -> list[str]:
    """Return the names of the open clients with these public keys, sorted."""
    found = (clients.by_pubkey(tx, pubkey) for pubkey in pubkeys)
    return sorted(client.name for client in found if client is not None)


def alike(tx: Tx, name: str) -> list[Client]:
    """Return the open clients and recipients with names that look like `name`, sorted by name."""
    # The names come first, or SQLite walks through all accounts of a kind.
    where = "client.id IN (SELECT id FROM client WHERE skeleton = ? AND state <> 'closed')"
    return clients.matching(tx, where, (skeleton(name),))


def closed(tx: Tx, name: str) -> Client | None:
    """Return the last closed client of a name; None without a closed client."""
    where = "skeleton = ? AND state = 'closed' AND role = 'client'"
    found = clients.matching(tx, where, (skeleton(name),), order="client.id DESC")
    return next(iter(exact(found, name)), None)


def paid_alike(tx: Tx, name: str) -> list[Client]:
    """Return the renamed open clients whose name in LNbits' payments looks like `name`."""
    renamed = clients.matching(tx, "paid_as IS NOT NULL AND state <> 'closed'")
    return [one for one in renamed if skeleton(one.paid_as) == skeleton(name)]


def exact(found: Sequence[Client], name: str) -> list[Client]:
    """Return the clients with exactly this name; case decides only between several."""
    same = [one for one in found if _full(one.name).casefold() == _full(name).casefold()]
    return [one for one in same if _full(one.name) == _full(name)] or same


def payee(tx: Tx, name: str) -> Client | None:
    """Find the open client or recipient who is paid under a name.

    Of several names that look alike, the exact name counts. Return None if no name, or no single name, fits.
    """
    found = alike(tx, name)
    same = exact(found, name) or found
    return same[0] if len(same) == 1 else None


def lookalikes(tx: Tx) -> list[list[str]]:
    """Return each set of names of open clients and recipients that look alike."""
    rows = tx.execute(
        "SELECT skeleton, name FROM client WHERE state <> 'closed' AND skeleton IN"
        " (SELECT skeleton FROM client WHERE state <> 'closed' GROUP BY skeleton HAVING count(*) > 1)"
        " ORDER BY skeleton, name"
    )
    sets: dict[str, list[str]] = {}
    for row in rows:
        sets.setdefault(row["skeleton"], []).append(row["name"])
    return list(sets.values())


def named_like(tx: Tx, words: Iterable[str]) -> list[str]:
    """Return the names of open clients and recipients that look like one of some words, sorted."""
    wanted = sorted(words)
    marks = ",".join("?" * len(wanted))
    rows = tx.execute(
        f"SELECT name FROM client WHERE skeleton IN ({marks}) AND state <> 'closed' ORDER BY name",
        wanted,
    )
    return [str(row["name"]) for row in rows]


def all_names(tx: Tx) -> list[str]:
    """Return the names of all open clients and recipients."""
    rows = tx.execute("SELECT name FROM client WHERE state <> 'closed' ORDER BY name")
    return [str(row["name"]) for row in rows]


def _full(name: str) -> str:
    return unicodedata.normalize("NFC", name)

"""Reads payouts from the ledger. `queue` lists the open payouts; `transitions` moves a payout."""

import sqlite3
from collections.abc import Iterable, Sequence

from dca_bot.core.payout import UNSENT, PayoutState
from dca_bot.ledger.payouts.payout import Attempt, Payout
from dca_bot.ledger.programme.clients import INVOICE_KEY, Destination
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, span_or_none

IS_UNSENT = "payout.state IN ({})".format(", ".join(f"'{state}'" for state in UNSENT))
"""SQL for UNSENT, in queries that call the table or view `payout`."""
PROVEN_VOID = (
    f"(payout.destination_kind = '{INVOICE_KEY}' OR payout.source_status = '' OR EXISTS"
    " (SELECT 1 FROM verdict WHERE payout_id = payout.id AND number = payout.attempt))"
)
"""SQL for a void payout that may get a new attempt without an operator's word.

A ledger from before second witnesses may have void payouts that left LNbits without a verdict.
"""


def by_id(tx: Tx, wanted: str) -> Payout | None:
    """Find a payout by its id."""
    return next(iter(select(tx, "payout.id = ?", (wanted,))), None)


def get(tx: Tx, payout_id: str) -> Payout:
    """Read a payout that must exist."""
    (found,) = select(tx, "payout.id = ?", (payout_id,))
    return found


def by_prefix(tx: Tx, prefix: str, limit: int = 2) -> list[Payout]:
    """Find payouts whose id starts with `prefix`."""
    where = "payout.id >= ?1 AND payout.id < ?1 || char(127)"
    return select(tx, where, (prefix.lower(),), limit=limit)


def newest_of(tx: Tx, client_id: int, *, limit: int, offset: int = 0) -> list[Payout]:
    """Return a client's payouts in any state, by the newest share of each payout."""
    rows = tx.execute(
        "SELECT payout_id FROM share WHERE client_id = ? ORDER BY share.id DESC", (client_id,)
    )
    # A payout has several shares at times; the walk ends with the page.
    found: dict[str, None] = {}
    for row in rows:
        if len(found) == offset + limit:
            break
        if row["payout_id"] is not None:
            found[row["payout_id"]] = None
    return [get(tx, payout_id) for payout_id in [*found][offset:]]


def invoice_keys_of(tx: Tx, client_id: int) -> list[str]:
    """Return the invoice keys of the wallets at LNbits that a client's payouts have gone to, newest first."""
    rows = tx.execute(
        "SELECT destination FROM payout WHERE id IN (SELECT payout_id FROM share WHERE client_id = ?)"
        " AND destination_kind = ? GROUP BY destination ORDER BY max(submitted_at) DESC",
        (client_id, INVOICE_KEY),
    )
    return [str(row["destination"]) for row in rows]


def of_invoice(tx: Tx, payment_hash: str) -> Payout | None:
    """Find the payout that any attempt's invoice was recorded for."""
    row = tx.execute("SELECT payout_id FROM attempt WHERE payment_hash = ?", (payment_hash,))
    found = row.fetchone()
    return None if found is None else by_id(tx, found["payout_id"])


def has_invoice(tx: Tx, payment_hash: str) -> bool:
    """Tell whether an invoice is recorded for any payout."""
    row = tx.execute("SELECT 1 FROM attempt WHERE payment_hash = ?", (payment_hash,))
    return row.fetchone() is not None


def known_ids(tx: Tx, words: Iterable[str]) -> set[str]:
    """Return the words that begin a payout's id, or that are a recorded invoice's payment hash."""
    return {word for word in words if by_prefix(tx, word, limit=1) or has_invoice(tx, word)}


def payment_hashes(tx: Tx, wanted: str) -> set[str]:
    """Return the payment hashes of all attempts at a payout."""
    rows = tx.execute("SELECT payment_hash FROM attempt WHERE payout_id = ?", (wanted,))
    return {str(row["payment_hash"]) for row in rows}


def is_proven_void(tx: Tx, payout: Payout) -> bool:
    """Tell whether a void payout may get a new attempt without an operator's word."""
    row = tx.execute(f"SELECT {PROVEN_VOID} AS yes FROM payout WHERE id = ?", (payout.id,))
    return bool(row.fetchone()["yes"])


def select(
    tx: Tx,
    where: str,
    values: Sequence[str | int],
    *,
    among: str = "payout",
    limit: int = 1000,
    offset: int = 0,
) -> list[Payout]:
    """Return the payouts for which `where` holds, in the order of payment.

    `among` is the table `payout` or the view `open_payout`; `where` calls either `payout`.
    """
    rows = tx.execute(
        f"{_COLUMNS} FROM {among} AS payout {_JOINED} WHERE {where}"
        f" ORDER BY payout.due_at, payout.id LIMIT {limit} OFFSET {offset}",
        values,
    ).fetchall()
    return [_payout(tx, row) for row in rows]


_COLUMNS = """
SELECT payout.*, client.name, coalesce(client.paid_as, client.name) AS called,
  client.destination AS client_destination,
  client.destination_kind AS client_destination_kind, client.destination_min_sat,
  attempt.bolt11, attempt.payment_hash, attempt.expires_at, attempt.verify_url,
  attempt.witnessed_end
"""
_JOINED = """
JOIN client ON client.id = payout.client_id
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
            verify_url=row["verify_url"],
            witnessed_end=span_or_none(row["witnessed_end"]),
        )
    return Payout(
        id=row["id"],
        client_id=row["client_id"],
        client_name=row["name"],
        paid_as=row["called"],
        amount_sat=row["amount_sat"],
        minor=sum(share["minor"] for share in shares),
        state=PayoutState(row["state"]),
        attempt=attempt,
        attempts=row["attempt"],
        destination=_destination(row),
        waiting=row["waiting"],
        tries=row["tries"],
        try_at=instant(row["try_at"]),
        due_at=instant(row["due_at"]),
        submitted_at=instant_or_none(row["submitted_at"]),
        debited_at=instant_or_none(row["debited_at"]),
        distribution_ids=tuple(share["distribution_id"] for share in shares),
        source_status=row["source_status"],
        said=row["said"],
        slow_told_at=instant_or_none(row["slow_told_at"]),
        doubt_told_at=instant_or_none(row["doubt_told_at"]),
        waiting_said=row["waiting_said"],
        waiting_sat=row["waiting_sat"],
    )


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

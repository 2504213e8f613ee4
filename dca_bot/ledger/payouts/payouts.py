"""The payouts' record, read: what is planned, what was sent, and what became of it."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.payout import (
    ATTEMPTS_MAX,
    PayoutState,
    Wait,
    is_cancellable,
)
from dca_bot.ledger.programme import clients
from dca_bot.ledger.programme.clients import ADDRESS, Client, Destination
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant, instant_or_none, micros, span_or_none

DAY = timedelta(hours=24)
SENT_MAX = 100_000
UNSENT = (PayoutState.PLANNED, PayoutState.INVOICED)
IN_QUESTION = (PayoutState.SUBMITTED, PayoutState.IN_DOUBT)
"""What was sent, while neither its debit nor its failure is certain."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An invoice that was recorded for a payout.

    `witnessed_end` is how much time must have been witnessed until nothing can happen to it any
    more; None where only the clock tells.
    """

    number: int
    bolt11: str
    payment_hash: str
    expires_at: datetime
    verify_url: str = ""
    witnessed_end: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout with its client's present destination and its last attempt.

    `destination` is where it goes: fixed since it was submitted, before that the client's present
    one. `minor` is the fiat of its shares, 0 only for commission. `waiting` says by a code why it is not
    sent now. `source_status` is what LNbits showed last of the current attempt, empty while LNbits showed
    nothing; `said` is LNbits' words to a pay request that LNbits did not carry out.
    """

    id: str
    client_id: int
    client_name: str
    amount_sat: int
    minor: int
    state: PayoutState
    attempt: Attempt | None
    attempts: int
    destination: Destination | None
    waiting: str
    tries: int
    try_at: datetime
    due_at: datetime
    submitted_at: datetime | None
    debited_at: datetime | None
    distribution_ids: tuple[str, ...]
    source_status: str = ""
    said: str = ""
    slow_told_at: datetime | None = None
    doubt_told_at: datetime | None = None
    waiting_said: str = ""
    waiting_sat: int | None = None

    @property
    def wait(self) -> Wait:
        """Return why the payout waits, with what belongs to the code `waiting`."""
        return Wait(self.waiting, self.waiting_said, self.waiting_sat)

    def is_cancellable(self, now: datetime) -> bool:
        """Tell whether it can be taken back, as nothing can be paid any more."""
        return is_cancellable(
            self.state,
            is_debited=self.debited_at is not None,
            expires_at=self.attempt.expires_at if self.attempt else None,
            now=now,
        )

    @property
    def is_to_address(self) -> bool:
        """Tell whether it goes to a Lightning address, and so leaves LNbits."""
        return self.destination is not None and self.destination.kind == ADDRESS

    @property
    def is_commission(self) -> bool:
        """Tell whether it pays commission; no payout mixes that with what was bought."""
        return self.minor == 0


def by_id(tx: Tx, wanted: str) -> Payout | None:
    """Find a payout by its id."""
    return next(iter(_payouts(tx, "payout.id = ?", (wanted,))), None)


def by_prefix(tx: Tx, prefix: str, limit: int = 2) -> list[Payout]:
    """Find payouts whose id starts with `prefix`."""
    where = "payout.id >= ?1 AND payout.id < ?1 || char(127)"
    return _payouts(tx, where, (prefix.lower(),), limit=limit)


def open_payouts(tx: Tx, *, limit: int = 1000, offset: int = 0) -> list[Payout]:
    """Return what is not finished, in the order in which it is to be paid."""
    return _payouts(tx, "true", (), among=_OPEN, limit=limit, offset=offset)


def sent(tx: Tx) -> list[Payout]:
    """Return everything that was sent and isn't settled."""
    return _payouts(tx, _SENT, (), among=_OPEN, limit=SENT_MAX)


def due(tx: Tx, now: datetime, *, limit: int = 200) -> list[Payout]:
    """Return what may be brought further now: first what was sent, then what is to be paid.

    Each comes in order and up to `limit`, so that many that wait hide none that was sent.
    """
    unsent = (
        "(payout.state IN ('PLANNED', 'INVOICED')"
        f" OR payout.state = 'VOID' AND payout.attempt < {ATTEMPTS_MAX} AND {PROVEN_VOID})"
    )
    return [
        payout
        for which in (_SENT, unsent)
        for payout in _payouts(
            tx,
            f"{which} AND try_at <= ?",
            (micros(now),),
            among=_OPEN,
            limit=limit,
        )
    ]


def is_proven_void(tx: Tx, payout: Payout) -> bool:
    """Tell whether two witnesses, where it takes two, said that a void payout was not paid."""
    row = tx.execute(f"SELECT {PROVEN_VOID} AS yes FROM payout WHERE id = ?", (payout.id,))
    return bool(row.fetchone()["yes"])


def unsent_of(tx: Tx, distribution_ids: Sequence[str], *, client_name: str) -> list[Payout]:
    """Return the unsent payouts with a share of these distributions: the payee's of that name.

    If there is no such payee, those of everybody.
    """
    marks = ",".join("?" * len(distribution_ids))
    found = _payouts(
        tx,
        "payout.state IN ('PLANNED', 'INVOICED') AND EXISTS (SELECT 1 FROM share"
        f" WHERE share.payout_id = payout.id AND distribution_id IN ({marks}))",
        distribution_ids,
        among=_OPEN,
    )
    if tx.execute("SELECT 1 FROM client WHERE name = ?", (client_name,)).fetchone() is None:
        return found
    return [payout for payout in found if payout.client_name.lower() == client_name.lower()]


def stuck(tx: Tx, *, limit: int = 20, offset: int = 0) -> list[Payout]:
    """Return what waits for the operator, is in doubt, or waits for anything else."""
    return _payouts(tx, _STUCK, (), among=_OPEN, limit=limit, offset=offset)


def stuck_count(tx: Tx) -> int:
    """Return how many there are of what `stuck` returns."""
    row = tx.execute(f"SELECT count(*) AS n FROM {_OPEN} AS payout WHERE {_STUCK}").fetchone()
    return int(row["n"])


def submitted_sat_since(tx: Tx, since: datetime, *, beside: Payout) -> int:
    """Return what was sent since then beside a payout, for the daily ceiling.

    Its own earlier attempts don't count: they are proven unpaid.
    """
    row = tx.execute(
        "SELECT coalesce(sum(amount_sat), 0) AS total FROM payout WHERE submitted_at > ? AND id <> ?",
        (micros(since), beside.id),
    ).fetchone()
    return int(row["total"])


def counts(tx: Tx) -> Mapping[str, int]:
    """Return how many open payouts there are in each state."""
    rows = tx.execute("SELECT state, count(*) AS n FROM open_payout GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def unsettled(tx: Tx) -> bool:
    """Tell whether there is a payout that was submitted and neither debited nor given up."""
    row = tx.execute(
        f"SELECT EXISTS (SELECT 1 FROM {_OPEN} AS payout WHERE {_SENT} AND debited_at IS NULL) AS yes"
    ).fetchone()
    return bool(row["yes"])


def collecting_clients(tx: Tx) -> list[Client]:
    """Return the clients with shares that wait for more, as their destination takes no less."""
    rows = tx.execute("SELECT DISTINCT client_id FROM share WHERE payout_id IS NULL").fetchall()
    return [clients.by_id(tx, row["client_id"]) for row in rows]


def has_invoice(tx: Tx, payment_hash: str) -> bool:
    """Tell whether an invoice is recorded, for whatever payout."""
    row = tx.execute("SELECT 1 FROM attempt WHERE payment_hash = ?", (payment_hash,))
    return row.fetchone() is not None


def of_invoice(tx: Tx, payment_hash: str) -> Payout | None:
    """Find the payout that an invoice was recorded for, in whatever attempt."""
    row = tx.execute("SELECT payout_id FROM attempt WHERE payment_hash = ?", (payment_hash,))
    found = row.fetchone()
    return None if found is None else by_id(tx, found["payout_id"])


def known_ids(tx: Tx, words: Iterable[str]) -> set[str]:
    """Return those of some words that a payout's id begins with, or that are an invoice's hash."""
    return {word for word in words if by_prefix(tx, word, limit=1) or has_invoice(tx, word)}


def payment_hashes(tx: Tx, wanted: str) -> set[str]:
    """Return the hashes of all invoices recorded for a payout."""
    rows = tx.execute("SELECT payment_hash FROM attempt WHERE payout_id = ?", (wanted,))
    return {str(row["payment_hash"]) for row in rows}


def _payouts(
    tx: Tx,
    where: str,
    values: Sequence[str | int],
    *,
    among: str = "payout",
    limit: int = 1000,
    offset: int = 0,
) -> list[Payout]:
    rows = tx.execute(
        f"{_COLUMNS} FROM {among} AS payout {_JOINED} WHERE {where}"
        f" ORDER BY payout.due_at, payout.id LIMIT {limit} OFFSET {offset}",
        values,
    ).fetchall()
    return [_payout(tx, row) for row in rows]


_SENT = "payout.state IN ('SUBMITTED', 'IN_DOUBT', 'DEBITED', 'ALERT')"
_OPEN = "open_payout"
_STUCK = "payout.waiting <> '' OR payout.state IN ('HELD', 'IN_DOUBT', 'ALERT', 'VOID')"
# An invoice to an address that was given up before there were second witnesses is not paid by itself.
PROVEN_VOID = (
    "(payout.destination_kind <> 'address' OR payout.source_status = '' OR EXISTS"
    " (SELECT 1 FROM verdict WHERE payout_id = payout.id AND number = payout.attempt))"
)
_COLUMNS = """
SELECT payout.*, client.name, client.destination AS client_destination,
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

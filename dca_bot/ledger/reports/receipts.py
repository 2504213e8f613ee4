"""What a client's receipt tells: a share, what the share follows from, and the payment that brought the sats.

The invariant: a share is found by its number and the client's own id together, so nobody reads the share of
another.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dca_bot.core.payout import COLLECTING, PayoutState
from dca_bot.core.row_amounts import usable
from dca_bot.ledger.store.database import Tx
from dca_bot.ledger.store.instants import instant

_PAID = frozenset({PayoutState.DEBITED, PayoutState.DONE})


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a fixed run recorded of itself.

    `price`: of one coin in whole units, None for a run that is known from LNbits' payments alone.
    `margin_bp`: 0 before version 9. `most_minor`: what the run's local date gave a client at most, by the
    programme.
    """

    price: Decimal | None
    source: str
    margin_bp: int
    most_minor: int | None
    is_settlement: bool


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """The payout of a share. `payment_hash` and `preimage` are empty until LNbits has paid the payout."""

    state: str
    sat: int
    payment_hash: str
    preimage: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A share in full; `kind` is the distribution's kind.

    `principal_minor` and `principal_sat`: the sale, the fixed run or the commission. `shared_minor` and
    `shared_sat`: what the shares got. `own_minor` and `pool_minor`: the balance that counted, and all
    balances that counted; of a fixed run, the client's limit of that date alone; None where not recorded.
    `ticker`: Lamassu's price of one coin in the cash-out's row, in whole units. `percent_bp`: the part of the
    commission.
    """

    id: int
    at: datetime
    kind: str
    minor: int
    sat: int
    principal_minor: int
    principal_sat: int
    shared_minor: int
    shared_sat: int
    own_minor: int | None
    pool_minor: int | None
    machine: str
    ticker: Decimal | None
    percent_bp: int
    run: RunFacts | None
    payment: PaymentFacts


def receipt(tx: Tx, client_id: int, number: int | None) -> Receipt | None:
    """Find a client's share by its number, by default the newest; None if the client has no such share."""
    if number is None:
        newest = "SELECT id FROM share WHERE client_id = ? ORDER BY id DESC LIMIT 1"
        found = tx.execute(newest, (client_id,)).fetchone()
        number = found["id"] if found is not None else None
    # Found by the key: the newer shares of the client aren't read.
    row = tx.execute(
        f"{_SHARE} WHERE share.id = ? AND share.client_id = ?", (number, client_id)
    ).fetchone()
    return None if row is None else _receipt(row)


# A commission's distribution is named `commission:` and the cash-out's id.
_SHARE = """
SELECT share.id, share.minor, share.sat, share.counted_minor AS own_minor, distribution.at, kind,
  distribution.principal_minor, distribution.principal_sat, shared_minor,
  distribution.principal_sat - unallocated_sat AS shared_sat,
  distribution.counted_minor AS pool_minor, label, row_ticker, percent_bp,
  fixed_run.id AS run_id, price, price_source, margin_bp, ceiling_minor, settles_client,
  payout.state, payout.amount_sat, payment_hash, preimage
FROM share JOIN distribution ON distribution.id = share.distribution_id
JOIN distribution_sum ON distribution_sum.distribution_id = distribution.id
LEFT JOIN cash_out ON cash_out.id = CASE kind WHEN 'commission' THEN substr(distribution.id, 12)
  ELSE distribution.id END
LEFT JOIN machine_label USING (device_id)
LEFT JOIN fixed_run ON fixed_run.id = distribution.id
LEFT JOIN commission_part ON commission_part.terms_id = distribution.terms_id
  AND commission_part.client_id = share.client_id
LEFT JOIN payout ON payout.id = share.payout_id
LEFT JOIN attempt ON attempt.payout_id = payout.id AND number = payout.attempt
"""


def _receipt(row: sqlite3.Row) -> Receipt:
    return Receipt(
        id=row["id"],
        at=instant(row["at"]),
        kind=row["kind"],
        minor=row["minor"],
        sat=row["sat"],
        principal_minor=row["principal_minor"],
        principal_sat=row["principal_sat"],
        shared_minor=row["shared_minor"],
        shared_sat=row["shared_sat"],
        own_minor=row["own_minor"],
        pool_minor=row["pool_minor"],
        machine=row["label"] or "",
        ticker=usable(row["row_ticker"]),
        percent_bp=row["percent_bp"] or 0,
        run=_run(row) if row["run_id"] is not None else None,
        payment=_payment(row),
    )


def _run(row: sqlite3.Row) -> RunFacts:
    return RunFacts(
        price=None if row["price"] is None else Decimal(row["price"]),
        source=row["price_source"] or "",
        margin_bp=row["margin_bp"] or 0,
        most_minor=row["ceiling_minor"],
        is_settlement=row["settles_client"] is not None,
    )


def _payment(row: sqlite3.Row) -> PaymentFacts:
    if row["state"] is None:
        return PaymentFacts(COLLECTING, row["sat"], "", "")
    is_paid = row["state"] in _PAID
    return PaymentFacts(
        state=row["state"],
        sat=row["amount_sat"],
        payment_hash=row["payment_hash"] or "" if is_paid else "",
        preimage=row["preimage"] or "" if is_paid else "",
    )

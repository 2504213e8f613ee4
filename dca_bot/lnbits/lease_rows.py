"""Lease rows at LNbits: unpaid invoices of the source wallet, found among all its payments.

A lease row's generation stands in its memo, in digits of a fixed length, so LNbits can list the
highest generations first, and no clock takes part. That list is believed only if it proves itself: it
has everything, or it comes in falling generations down to the one that is asked for. Otherwise all
lease rows are read. Whether an invoice is unpaid, paid, expired or failed makes no difference.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from dca_bot.core.lease import LEASE_TAG, LeaseReading, LeaseRow
from dca_bot.core.payout import INVOICE_LIFE
from dca_bot.lnbits.models import LeaseExtra, ListedRow, PaymentPage

AMOUNT_SAT = 1
TOP_ROWS = 10
"""So many rows are looked at; an LNbits before 1.4 asks its node about each unpaid one."""
HINTS = {"tag": LEASE_TAG}
_HIGHEST_FIRST = {**HINTS, "sortby": "memo", "direction": "desc", "limit": str(TOP_ROWS)}


def lease_invoice(row: LeaseRow) -> dict[str, Any]:
    """Return the body of the request that makes LNbits keep a row.

    `internal`: the invoice is made without the Lightning node, which may have a least amount.
    """
    return {
        "out": False,
        "internal": True,
        "unit": "sat",
        "amount": AMOUNT_SAT,
        # Every version of the program writes the memo in this very form: LNbits sorts by it.
        "memo": f"dca-bot lease {row.generation:010d}, not to be paid",
        "expiry": int(INVOICE_LIFE.total_seconds()),
        "extra": {
            "tag": LEASE_TAG,
            "generation": row.generation,
            "instance": row.instance,
            "kind": row.kind,
            "ledger": row.ledger,
            "bot": row.bot,
        },
    }


def top_query(look_id: str) -> dict[str, str]:
    """Return what asks for the highest generations; LNbits ignores `look`, a cache on the way doesn't."""
    return {**_HIGHEST_FIRST, "look": look_id}


def read_top(page: PaymentPage, *, down_to: int) -> LeaseReading | None:
    """Return the rows of the first page; None if it doesn't prove that it has all from `down_to` up."""
    rows = to_lease_rows(page.data)
    if len(page.data) < TOP_ROWS and page.total <= len(page.data):
        return LeaseReading(rows, is_whole=True)
    falls = all(one.generation >= other.generation for one, other in pairwise(rows))
    if rows and len(rows) == len(page.data) and falls and rows[-1].generation < down_to:
        return LeaseReading(rows, is_whole=False)
    return None


def to_lease_rows(listed: Sequence[ListedRow]) -> tuple[LeaseRow, ...]:
    """Return the lease rows among a wallet's payments; what no bot has written isn't one."""
    found = (_lease_row(row.extra) for row in listed if row.amount > 0)
    return tuple(row for row in found if row is not None)


def _lease_row(extra: Any) -> LeaseRow | None:
    if not isinstance(extra, dict) or extra.get("tag") != LEASE_TAG:
        return None
    try:
        return LeaseExtra.model_validate(extra).to_row()
    except ValidationError:
        return None

"""Lease rows at LNbits: unpaid invoices of the source wallet, among all other payments.

A lease row's memo carries the generation in digits of a fixed length, so LNbits can list the
highest generations first, without any clock. The list counts only if complete by its own evidence:
either the list is the whole list, or generations fall row by row below the generation asked for.
Otherwise all rows are read. Unpaid, paid, expired or failed makes no difference to a lease row.
"""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from dca_bot.core.attempt import INVOICE_LIFE
from dca_bot.core.lease import LEASE_TAG, LeaseReading, LeaseRow
from dca_bot.lnbits.api import PAYMENT_ERROR, REFUSALS
from dca_bot.lnbits.models import LeaseExtra, ListedRow, PaymentPage
from dca_bot.web import Reply

_AMOUNT_SAT = 1
TOP_ROWS = 10
"""How many rows a look asks for; an LNbits before 1.4 asks the node about each unpaid row."""
HINTS = {"tag": LEASE_TAG}
_HIGHEST_FIRST = {**HINTS, "sortby": "memo", "direction": "desc", "limit": str(TOP_ROWS)}


def lease_invoice(row: LeaseRow) -> dict[str, Any]:
    """Return the body of the request that makes LNbits keep a row."""
    return {
        "out": False,
        "internal": True,  # made without the Lightning node, whose least amount may be above 1 sat
        "unit": "sat",
        "amount": _AMOUNT_SAT,
        # LNbits sorts by memo: every version of the program must write exactly this form.
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


def refusal(reply: Reply) -> str:
    """Return why LNbits keeps no lease row by its own settings; empty for any other answer."""
    # A starting LNbits, or a program in its place, answers 404 Not Found to each path.
    if reply.status in (HTTPStatus.CREATED, HTTPStatus.TOO_MANY_REQUESTS, *REFUSALS):
        return ""
    # Other errors of 500 and above may be a proxy's, or pass.
    is_own_word = reply.status == PAYMENT_ERROR or reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return reply.words("detail") if is_own_word else ""


def top_query(look_id: str) -> dict[str, str]:
    """Return the parameters that ask for the highest generations.

    LNbits ignores the parameter `look`; a cache on the way doesn't.
    """
    return {**_HIGHEST_FIRST, "look": look_id}


def read_top(page: PaymentPage, *, down_to: int) -> LeaseReading | None:
    """Return the rows of the first page; None unless the page proves to have all from `down_to` up."""
    rows = to_lease_rows(page.data)
    if len(page.data) < TOP_ROWS and page.total <= len(page.data):
        return LeaseReading(rows, is_whole=True)
    falls = all(one.generation >= other.generation for one, other in pairwise(rows))
    if rows and len(rows) == len(page.data) and falls and rows[-1].generation < down_to:
        return LeaseReading(rows, is_whole=False)
    return None


def to_lease_rows(listed: Sequence[ListedRow]) -> tuple[LeaseRow, ...]:
    """Return the lease rows among a wallet's payments; rows that no bot has written are left out."""
    found = (_lease_row(row.extra) for row in listed if row.amount > 0)
    return tuple(row for row in found if row is not None)


def _lease_row(extra: Any) -> LeaseRow | None:
    if not isinstance(extra, dict) or extra.get("tag") != LEASE_TAG:
        return None
    try:
        return LeaseExtra.model_validate(extra).to_row()
    except ValidationError:
        return None

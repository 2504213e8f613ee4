"""The states of a payout, and how shares become payouts.

The invariant: a payout is sent again only as the same invoice. A new invoice is made only after the old
invoice is proven unpaid and can't be paid any more. In doubt, nothing is paid again.

    PLANNED ─▶ INVOICED ─▶ SUBMITTED ─▶ DEBITED ─▶ DONE
                               │  ▲         └────▶ ALERT
                               ▼  │
                            IN_DOUBT ─▶ VOID ─▶ PLANNED (a new attempt) or CANCELLED

The ledger's table `payout_move` lists every allowed move.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.attempt import SETTLED_AFTER

TOP_UP_LIFE = timedelta(hours=24)
TOP_UP_MEMO = "dca-bot: topup"
CREDIT_GRACE = timedelta(minutes=10)
"""Time that a payee's LNbits wallet has to show a debited payout before the payout is alerted."""
SLOW_AFTER = timedelta(minutes=30)
"""Time after the pay request from which the operators hear of an unsettled payout."""
ATTEMPTS_MAX = 3
PASSING_TRIES = 6
"""Tries in a row, within some five minutes, in which a server's trouble counts as passing."""


class PayoutState(StrEnum):
    """Where a payout stands; operators type and read these names.

    MERGED: taken back as too small; the shares wait for further shares. ALERT: the payment at LNbits
    contradicts the ledger.
    """

    PLANNED = "PLANNED"
    INVOICED = "INVOICED"
    HELD = "HELD"
    SUBMITTED = "SUBMITTED"
    IN_DOUBT = "IN_DOUBT"
    DEBITED = "DEBITED"
    DONE = "DONE"
    ALERT = "ALERT"
    VOID = "VOID"
    CANCELLED = "CANCELLED"
    MERGED = "MERGED"


UNSENT = (PayoutState.PLANNED, PayoutState.INVOICED)
"""No pay request of the current attempt has left, and nobody has to decide first."""
IN_QUESTION = (PayoutState.SUBMITTED, PayoutState.IN_DOUBT)
"""A pay request has left, and neither debit nor failure is certain."""
CANCELLABLE = frozenset({*UNSENT, PayoutState.HELD, PayoutState.VOID})
"""No pay request has left, or the payment is proven impossible."""
FINISHED = (PayoutState.DONE, PayoutState.CANCELLED, PayoutState.MERGED)
COLLECTING = "collecting"
"""State shown for a share without a payout, until the client's shares reach the destination's minimum."""


class Waiting(StrEnum):
    """Why a payout waits, as a code in the ledger's `waiting`.

    Other codes in `waiting`: the HoldReason of a held payout, and the Refusal of a destination.
    """

    FUNDS = "not_enough_funds"
    NO_DESTINATION = "no_destination"
    NO_ANSWER = "no_clear_answer"
    ERROR = "unexpected_error"
    ON_ITS_WAY = "on_its_way"
    SENT_AGAIN = "sent_again"
    NOT_SENT = "not_sent_in_time"
    FAILED = "called_failed"
    NOT_VOID = "not_void_yet"
    VANISHED = "row_vanished"
    NO_USABLE_ANSWER = "no_usable_answer"
    ARRIVING = "arriving"
    OTHER_AMOUNT = "lnbits_other_amount"
    UNKNOWN_DEBIT = "unknown_debit"
    OTHER_CREDIT = "other_credit"
    NOT_ARRIVED = "not_arrived"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a payout waits: a code, and what belongs to the code.

    `said`: the destination's own words, with Refusal.SAID. `limit_sat`: the limit of the destination that
    the amount breaks.
    """

    code: str
    said: str = ""
    limit_sat: int | None = None


def is_cancellable(
    state: PayoutState, *, is_debited: bool, expires_at: datetime | None, now: datetime
) -> bool:
    """Tell whether a payout in this state can't be paid any more, so that cancelling is safe.

    An alerted payout is cancellable only if the source wallet was never debited and the invoice (which
    ends at `expires_at`) is over.
    """
    if state is not PayoutState.ALERT:
        return state in CANCELLABLE
    return not is_debited and expires_at is not None and now > expires_at + SETTLED_AFTER


@dataclass(frozen=True, slots=True)
class PlannedShare:
    """A share without a payout; `sat` is the share's amount."""

    id: int
    distribution_id: str
    sat: int


def payout_id(recipient: str, distribution_ids: Iterable[str]) -> str:
    """Derive a payout's id from the recipient's key and the payout's distributions, in any order.

    LNbits keeps the id with each payment: a restored ledger derives the same id and finds the payment.

    >>> payout_id("a" * 64, ["d1"])
    '7eca7417fd56e3e00d79a4d51a2e0a60'
    """
    text = "|".join(["dca-bot payout", recipient, *sorted(distribution_ids)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def group_shares(shares: Sequence[PlannedShare], min_sat: int) -> list[list[PlannedShare]]:
    """Group shares, oldest first, into payouts of at least `min_sat`; leave the last too small group out.

    >>> shares = [PlannedShare(number, "d", sat) for number, sat in enumerate([30, 80, 100, 20])]
    >>> [[share.sat for share in group] for group in group_shares(shares, min_sat=100)]
    [[30, 80], [100]]
    """
    groups: list[list[PlannedShare]] = []
    group: list[PlannedShare] = []
    sat = 0
    for share in shares:
        group.append(share)
        sat += share.sat
        if sat >= min_sat:
            groups.append(group)
            group, sat = [], 0
    return groups


def needed_msat(amount_sat: int, *, is_internal: bool) -> int:
    """Return how much the source wallet must hold to send a payout.

    A payment that may leave LNbits takes LNbits' fee reserve too: max(2 sat, 1 %), rounded up.

    >>> needed_msat(500, is_internal=True), needed_msat(500, is_internal=False)
    (500000, 505000)
    """
    amount_msat = amount_sat * 1000
    return amount_msat if is_internal else amount_msat + max(2000, -(-amount_msat // 100))


def backoff_s(tries: int, *, first_s: int = 5, max_s: int = 600) -> int:
    """Return the pause after so many tries in a row: doubled each time, up to `max_s`.

    >>> [backoff_s(tries) for tries in (1, 2, 3, 8)]
    [5, 10, 20, 600]
    """
    doubled: int = first_s << min(max(tries - 1, 0), 16)
    return min(doubled, max_s)

"""What a payout may do next.

The invariant: a payout is sent again only as the same invoice, and gets a new invoice only when the
old one is proven unpaid and can't be paid any more. When in doubt, it is not paid again.

    PLANNED ─▶ INVOICED ─▶ SUBMITTED ─▶ DEBITED ─▶ DONE
                               │  ▲         └────▶ ALERT
                               ▼  │
                            IN_DOUBT ─▶ VOID ─▶ PLANNED (a new attempt) or CANCELLED

The moves themselves stand in the ledger's table `payout_move`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.market import price_text
from dca_bot.core.money import fiat_text, sat_text
from dca_bot.core.ports import Invoice, Payment, PaymentStatus

INVOICE_LIFE = timedelta(hours=24)
"""How long an invoice of our own asks to live: a short one can lose the credit at LNbits."""
LIFE_MAX = timedelta(days=7)
"""A foreign invoice that lives longer would keep its payout in doubt for as long."""
TOP_UP_LIFE = timedelta(hours=24)
TOP_UP_MEMO = "dca-bot: topup"
OWN_MARGIN = timedelta(minutes=10)
FOREIGN_MARGIN = timedelta(seconds=60)
SETTLED_AFTER = timedelta(minutes=10)
"""So long after its expiry nothing can happen to an invoice any more."""
FAILED_FOR_GOOD = LIFE_MAX + SETTLED_AFTER
"""So long after a failed payment its invoice is over, and nothing can pay it any more."""
CREDIT_GRACE = timedelta(minutes=10)
SLOW_AFTER = timedelta(minutes=30)
"""The operators hear of a payout that was sent and has not settled for so long."""
ATTEMPTS_MAX = 3
PASSING_TRIES = 6
"""So often in a row, within some five minutes, a server may answer as one that is in trouble."""


class PayoutState(StrEnum):
    """Where a payout stands; the names are LNBITS's terms and the operator's."""

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


COLLECTING = "collecting"
"""Where a share stands that belongs to no payout, as it waits for more."""


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


CANCELLABLE = frozenset(
    {PayoutState.PLANNED, PayoutState.INVOICED, PayoutState.HELD, PayoutState.VOID}
)
"""Where nothing was sent, or what was sent can never be paid."""


def is_cancellable(
    state: PayoutState, *, is_debited: bool, expires_at: datetime | None, now: datetime
) -> bool:
    """Tell whether nothing can be paid any more.

    An alerted payout counts only if it never left the source wallet and its invoice is over.
    """
    if state is not PayoutState.ALERT:
        return state in CANCELLABLE
    return not is_debited and expires_at is not None and now > expires_at + SETTLED_AFTER


class Finding(StrEnum):
    """What a look at the source wallet's row says about a submitted payout."""

    DEBITED = "debited"
    PENDING = "pending"
    UNSENT = "unsent"
    FAILED = "failed"
    DEAD = "dead"
    NONSENSE = "nonsense"


@dataclass(frozen=True, slots=True)
class PlannedShare:
    """A share that belongs to no payout yet."""

    id: int
    distribution_id: str
    sat: int


def payout_id(recipient: str, distribution_ids: Iterable[str]) -> str:
    """Derive a payout's id from the recipient's key and the distributions that it covers.

    The same shares always give the same id, so a ledger that forgot a payout finds it at LNbits.
    """
    text = "|".join(["dca-bot payout", recipient, *sorted(distribution_ids)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def group_shares(shares: Sequence[PlannedShare], min_sat: int) -> list[list[PlannedShare]]:
    """Put shares, oldest first, into payouts of at least `min_sat`; the rest waits for more."""
    groups: list[list[PlannedShare]] = []
    group: list[PlannedShare] = []
    for share in shares:
        group.append(share)
        if sum(s.sat for s in group) >= min_sat:
            groups.append(group)
            group = []
    return groups


def judge(
    payment: Payment | None, *, amount_sat: int, expires_at: datetime, now: datetime
) -> Finding:
    """Say what the source wallet's row (None for a 404) means for a submitted payout.

    DEAD means that, as far as the source wallet can tell, the invoice can't be paid any more: the
    payee's side has to agree before the payout is VOID.
    """
    over = now > expires_at + SETTLED_AFTER
    if payment is None:
        return Finding.DEAD if over else Finding.UNSENT
    if payment.status is PaymentStatus.PENDING:
        return Finding.PENDING
    if payment.status is PaymentStatus.FAILED:
        return Finding.DEAD if over else Finding.FAILED
    return Finding.DEBITED if payment.amount_msat == -amount_sat * 1000 else Finding.NONSENSE


def sole_payment(payments: Iterable[Payment], amount_sat: int) -> Payment | None:
    """Return the one payment that has settled a payout; None unless the others have failed."""
    alive = [payment for payment in payments if payment.status is not PaymentStatus.FAILED]
    if len(alive) != 1 or alive[0].status is not PaymentStatus.SUCCESS:
        return None
    return alive[0] if alive[0].amount_msat == -amount_sat * 1000 else None


def over_at(expires_at: datetime) -> datetime:
    """Return from when on nothing can happen to an invoice any more."""
    return expires_at + SETTLED_AFTER + timedelta(seconds=1)


def lives_for(invoice: Invoice, now: datetime) -> timedelta:
    """Return for how long something can happen to an invoice that was made by now, at most.

    Whoever made it wrote its date and its end; the clock may show anything. What lives longer than
    any invoice that is taken was made long ago.
    """
    left = max(invoice.expires_at - now, timedelta())
    return min(max(invoice.life or left, left), LIFE_MAX) + SETTLED_AFTER


def proven_now(now: datetime, *, expires_at: datetime, unwitnessed: timedelta) -> datetime:
    """Return what time it is at least, as far as an invoice's end goes.

    It is no later than that end while some of its life is `unwitnessed`: the clock may be ahead.
    """
    return min(now, expires_at) if unwitnessed > timedelta() else now


def needed_msat(amount_sat: int, *, internal: bool) -> int:
    """Return what the source wallet must hold for a payout, LNbits' fee reserve included.

    The reserve for what may leave LNbits is max(2 sat, 1 %), rounded up.
    """
    amount_msat = amount_sat * 1000
    return amount_msat if internal else amount_msat + max(2000, -(-amount_msat // 100))


def backoff_s(tries: int, *, first_s: int = 5, max_s: int = 600) -> int:
    """Return how long to wait after so many tries: it doubles, up to `max_s`."""
    doubled: int = first_s << min(max(tries - 1, 0), 16)
    return min(doubled, max_s)


def memo(amount_sat: int, minor: int, currency: str) -> str:
    """Write what a person sees beside the payment in the wallet: without words, in no language."""
    if not minor:
        return f"DCA: {sat_text(amount_sat)}"
    price = price_text(minor, amount_sat, currency)
    return f"DCA: {sat_text(amount_sat)} = {fiat_text(minor, currency)} (1 BTC = {price})"

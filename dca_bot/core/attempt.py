"""What may still happen to one attempt at a payout: an invoice, and the payment of that invoice.

The invariant: an attempt is given up only after the invoice is over, and only while the source wallet
shows no payment or a failed one. Until then that invoice can be paid, and no other invoice is made.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from dca_bot.core.ports import Invoice, Payment, PaymentStatus
from dca_bot.errors import Refusal

INVOICE_LIFE = timedelta(hours=24)
"""Expiry asked for in invoices of clients' LNbits wallets: a short expiry can lose the credit at LNbits."""
LIFE_MAX = timedelta(days=7)
"""Longest life of an accepted invoice: a payout in doubt waits until the invoice is over."""
INTERNAL_MARGIN = timedelta(minutes=10)
ADDRESS_MARGIN = timedelta(seconds=60)
SETTLED_AFTER = timedelta(minutes=10)
"""Pause after the expiry; when the pause is over, nothing can pay the invoice any more."""
FAILED_FOR_GOOD = LIFE_MAX + SETTLED_AFTER
"""Age from which a failed payment stays failed: every accepted invoice is over by then."""


class Finding(StrEnum):
    """What the source wallet shows of an attempt.

    UNSENT and FAILED: no payment, or a failed payment, of an invoice that can still be paid. DEAD: the
    same, after the invoice is over. NONSENSE: a payment of another amount.
    """

    DEBITED = "debited"
    PENDING = "pending"
    UNSENT = "unsent"
    FAILED = "failed"
    DEAD = "dead"
    NONSENSE = "nonsense"


def refusal_of_invoice(
    invoice: Invoice, *, amount_sat: int, margin: timedelta, now: datetime
) -> Refusal | None:
    """Say why an invoice is not accepted: another amount, or too short or too long a life; else None.

    `margin`: how long the invoice must still live.
    """
    life = invoice.expires_at - now
    if invoice.amount_msat != amount_sat * 1000:
        return Refusal.OTHER_AMOUNT
    if life <= margin:
        return Refusal.EXPIRES_SOON
    return Refusal.LIVES_LONG if life > LIFE_MAX else None


def judge(
    payment: Payment | None, *, amount_sat: int, expires_at: datetime, now: datetime
) -> Finding:
    """Say what the source wallet's payment (None: LNbits answered 404) means for an attempt.

    DEAD rests on the source wallet alone: the payee's side has to agree before the payout is VOID.
    """
    is_over = now > expires_at + SETTLED_AFTER
    if payment is None:
        return Finding.DEAD if is_over else Finding.UNSENT
    if payment.status is PaymentStatus.PENDING:
        return Finding.PENDING
    if payment.status is PaymentStatus.FAILED:
        return Finding.DEAD if is_over else Finding.FAILED
    return Finding.DEBITED if payment.amount_msat == -amount_sat * 1000 else Finding.NONSENSE


def sole_payment(payments: Iterable[Payment], amount_sat: int) -> Payment | None:
    """Return the succeeded payment of a payout's amount, if all other payments of the payout failed."""
    alive = [payment for payment in payments if payment.status is not PaymentStatus.FAILED]
    if len(alive) != 1 or alive[0].status is not PaymentStatus.SUCCESS:
        return None
    return alive[0] if alive[0].amount_msat == -amount_sat * 1000 else None


def over_at(expires_at: datetime) -> datetime:
    """Return the first second in which nothing can pay an invoice any more.

    >>> str(over_at(datetime(2026, 3, 1, 12, 0)))
    '2026-03-01 12:10:01'
    """
    return expires_at + SETTLED_AFTER + timedelta(seconds=1)


def lives_for(invoice: Invoice, now: datetime) -> timedelta:
    """Return the longest time from `now` in which an invoice may still be paid, whatever the clock shows.

    The computer's clock may be wrong, so the life that the payee wrote into the invoice counts if that
    life is longer. LIFE_MAX bounds both: a longer life means an old invoice and a clock that is behind.
    """
    left = max(invoice.expires_at - now, timedelta())
    return min(max(invoice.life or left, left), LIFE_MAX) + SETTLED_AFTER


def proven_now(now: datetime, *, expires_at: datetime, unwitnessed: timedelta) -> datetime:
    """Return `now`, but no later than an invoice's expiry while part of the invoice's life is unwitnessed.

    `unwitnessed`: how much of that life the bot has not measured by uptime. A clock that is ahead then
    ends no invoice.
    """
    return min(now, expires_at) if unwitnessed > timedelta() else now

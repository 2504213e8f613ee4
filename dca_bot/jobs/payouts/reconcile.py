"""Holds the source wallet's payments against the ledger.

The invariant: a payout or share for which LNbits has an unknown payment is never paid again without an
operator's word. Unknown payments appear after a restored ledger, or when two bots run on copies of a
ledger.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.attempt import (
    FAILED_FOR_GOOD,
    sole_payment,
)
from dca_bot.core.names import short_id
from dca_bot.core.payment_extra import client_of, distributions_of
from dca_bot.core.payout import UNSENT, PayoutState
from dca_bot.core.ports import ListMark, Payment, PaymentStatus, Wallet
from dca_bot.ledger.payouts import (
    booking,
    holds,
    payouts,
    queue,
    transitions,
    unknown_payments,
    witnesses,
)
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme import commission
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

_log = logging.getLogger(__name__)
# With more unknown payments that may still change, the whole list is cheaper than a question for each.
_RENEWED_MAX = 100
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many unknown payments were found, and how far LNbits' list had come before the reading."""

    unknown: int
    mark: ListMark


async def reconcile(
    database: Database,
    wallet: Wallet,
    notices: Notices,
    *,
    now: datetime,
    since: ListMark | None = None,
) -> Reconciled:
    """Read the payments that carry the bot's tag, record unknown payments, and hold the payouts concerned.

    `since`, the mark of an earlier reconciliation, limits the reading to later payments and to unknown
    payments that may still change. Raise LnbitsUnavailable if the list can't be read whole, or
    LnbitsRefused; payments recorded by then stay recorded.
    """
    unknown, batch = 0, list[Payment]()

    async def record() -> int:
        payments = tuple(batch)
        batch.clear()
        return await database.transact(lambda tx: record_unknown(tx, payments, notices, now=now))

    hashes: list[str] = []
    if since is not None:
        hashes = await database.read(lambda tx: _may_change(tx, now))
    mark = await wallet.list_mark()
    is_long = len(hashes) > _RENEWED_MAX
    async for payment in wallet.tagged_payments(None if is_long else since):
        batch.append(payment)
        if len(batch) == _BATCH:
            unknown += await record()
    for payment_hash in () if is_long else hashes:
        renewed = await wallet.payment(payment_hash)
        if renewed is not None:
            batch.append(renewed)
    return Reconciled(unknown + await record(), mark)


def record_unknown(tx: Tx, payments: Iterable[Payment], notices: Notices, *, now: datetime) -> int:
    """Record the unknown payments among `payments`, and hold the unsent payouts concerned.

    Update unknown payments that the ledger has recognised meanwhile. Tell the operators of payments of
    invoices that were given up or cancelled. Return the number of unknown payments.
    """
    payments = tuple(payments)
    hashes = [payment.payment_hash for payment in payments]
    expected = unknown_payments.expected_hashes(tx, hashes)
    remembered = unknown_payments.remembered_hashes(tx, hashes)
    unknown = list[Payment]()
    for payment in payments:
        if payment.payment_hash not in expected and not unknown_payments.is_recorded(tx, payment):
            unknown.append(payment)
        elif payment.payment_hash in remembered:
            unknown_payments.renew(tx, payment)
    new = [payment for payment in unknown if unknown_payments.remember(tx, payment, now=now)]
    for payment in new:
        _tell_if_given_up(tx, payment, notices, now)
    for payment in unknown:
        for payout in _affected(tx, payment, now):
            if not _is_settled(tx, payout, payment):
                hold_for_unknown_payment(tx, payout, notices, now=now)
    return len(unknown)


def _affected(tx: Tx, payment: Payment, now: datetime) -> list[Payout]:
    """Return the unsent payouts that a payment was made for, or that have a share of the same distribution.

    The lost ledger can have grouped the shares into other payouts.
    """
    same = payouts.by_id(tx, payment.external_id)
    found = [same] if same is not None and same.state in UNSENT else []
    seen_at = unknown_payments.first_seen_at(tx, payment.payment_hash) or now
    is_over = seen_at < unknown_payments.failed_for_good_at(tx, now)
    if payment.status is not PaymentStatus.FAILED or not is_over:
        name = client_of(payment)
        shared = queue.unsent_of(tx, distributions_of(payment), client_name=name)
        found += [payout for payout in shared if payout.id != payment.external_id]
    return found


def hold_for_unknown_payment(tx: Tx, payout: Payout, notices: Notices, *, now: datetime) -> None:
    """Hold a payout that LNbits has an unknown payment for.

    Take the payment over instead, if an operator has accepted all the payout's distributions since.
    """
    paid = sole_payment(unknown_payments.of_payout(tx, payout.id), payout.amount_sat)
    hold = transitions.hold(tx, payout, HoldReason.KNOWN_PAYOUT, now=now)
    _log.warning("payout known to LNbits already payout=%s", short_id(payout.id))
    if paid is not None and payout.destination is not None and _is_accepted(tx, payout, paid, now):
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        held = payouts.by_id(tx, payout.id)
        assert held is not None
        booking.take_over(tx, held, paid, now=now)
    elif hold is not None:
        notices.hold_opened(tx, hold, now)


def _may_change(tx: Tx, now: datetime) -> list[str]:
    """Return the hashes that an hourly look asks for one by one, as LNbits may list the rows as old."""
    given_up = witnesses.given_up_hashes(tx, since=now - FAILED_FOR_GOOD, limit=_RENEWED_MAX + 1)
    return [*unknown_payments.open_hashes(tx, now=now, limit=_RENEWED_MAX + 1), *given_up]


def _tell_if_given_up(tx: Tx, payment: Payment, notices: Notices, now: datetime) -> None:
    """Tell the operators that LNbits has paid, or may pay, a cancelled payout or a given-up invoice.

    An unsent payout is held instead.
    """
    own = payouts.of_invoice(tx, payment.payment_hash)
    payout = own or payouts.by_id(tx, payment.external_id)
    if payout is None or payment.status is PaymentStatus.FAILED:
        return
    if payout.state is PayoutState.CANCELLED:
        notices.payouts.cancelled_paid(tx, payout, now)
    elif own is not None and payout.state not in UNSENT:
        notices.payouts.given_up_paid(tx, payout, payment.payment_hash, now)


def _is_accepted(tx: Tx, payout: Payout, paid: Payment, now: datetime) -> bool:
    """Tell whether an operator has accepted each of a payout's distributions since the payment was known."""
    return all(
        holds.was_let_go(tx, commission.cash_out_of(distribution_id), since=paid.seen_at or now)
        for distribution_id in payout.distribution_ids
    )


def _is_settled(tx: Tx, payout: Payout, payment: Payment) -> bool:
    """Tell whether an operator has let the payout go on although LNbits has this failed payment."""
    failed = payment.status is PaymentStatus.FAILED
    return failed and unknown_payments.was_let_go(tx, payout.id, payment)

"""LNbits' payments of one payout, for an operator's decision about the payout.

The invariant: a payment counts as failed only when no invoice of the payout can be paid any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dca_bot.chat.command import Context
from dca_bot.chat.services import Services
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.ledger.payouts import payouts, unknown_payments
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import refuse


async def look_payments(services: Services, payout_id: str) -> tuple[Payment, ...]:
    """Ask LNbits for all payments of a payout, by the payout's id and by the recorded payment hashes.

    Raise LnbitsUnavailable or LnbitsRefused if LNbits does not tell.
    """
    hashes = await services.database.read(lambda tx: payouts.payment_hashes(tx, payout_id))
    by_id = await services.wallet.payments_of(payout_id)
    by_hash = [await services.wallet.payment(payment_hash) for payment_hash in sorted(hashes)]
    found = (*by_id, *(payment for payment in by_hash if payment is not None))
    return tuple({payment.payment_hash: payment for payment in found}.values())


def known_payments(tx: Tx, payout: Payout, fresh: Sequence[Payment]) -> list[Payment]:
    """Return a payout's payments: `fresh` from LNbits, and the recorded rest.

    Each payment keeps `seen_at`, the time at which the bot saw the payment first.
    """
    told = {row.payment_hash: row for row in fresh}
    stored = {row.payment_hash: row for row in unknown_payments.of_payout(tx, payout.id)}
    for payment_hash, row in stored.items():
        if payment_hash in told:
            told[payment_hash] = replace(told[payment_hash], seen_at=row.seen_at)
    return list({**stored, **told}.values())


def refuse_if_pending(known: Iterable[Payment]) -> None:
    """Raise CommandRefused while LNbits is still making one of the payments."""
    if any(payment.status is PaymentStatus.PENDING for payment in known):
        raise refuse("payout.pending")


def refuse_if_failed_lately(tx: Tx, payout: Payout, known: Iterable[Payment], ctx: Context) -> None:
    """Raise CommandRefused while an invoice that the ledger did not record may still be paid."""
    own = payouts.payment_hashes(tx, payout.id)
    for_good_at = unknown_payments.failed_for_good_at(tx, ctx.now)
    for row in known:
        is_unknown = row.status is PaymentStatus.FAILED and row.payment_hash not in own
        if is_unknown and (row.seen_at or ctx.now) > for_good_at:
            raise refuse("payout.failed_lately")

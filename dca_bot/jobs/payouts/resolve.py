"""Finds out what became of a payout after the pay request.

The invariant: no new invoice is made before the old invoice can't be paid any more and two witnesses say
that it was not paid. The first witness is the source wallet, asked by the recorded payment hash; the
second is the payee's wallet at LNbits, the payee's server, or an operator. An arrival is proven by the
source wallet, or by a preimage.
"""

import logging
import sqlite3
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core import attempt as rules
from dca_bot.core.attempt import Finding, over_at
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.core.ports import Payment, PaymentStatus
from dca_bot.errors import LnbitsRefused, place_of
from dca_bot.jobs.payouts.arrival import Arrival
from dca_bot.jobs.payouts.context import PayoutContext, look_up
from dca_bot.jobs.payouts.failed_payments import FailedPayments
from dca_bot.jobs.payouts.send import Sender
from dca_bot.ledger.payouts import booking, deferral, holds, payouts, transitions, unknown_payments
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

_VOID_POLL = timedelta(minutes=10)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Follows a payout from the pay request to the debit."""

    context: PayoutContext
    sender: Sender
    arrival: Arrival
    failed: FailedPayments

    async def resolve(self, payout: Payout, *, paying: bool) -> None:
        """Look up a submitted payout at the source wallet and act on the finding.

        `paying`: a pay request that never reached LNbits may leave once more, with the same invoice. Raise
        LnbitsUnavailable, LnbitsRefused, StateChanged, OutOfFunds or NotHeld.
        """
        payment, finding = await look_up(self.context, payout)
        payout = await self._note_seen(payout, payment)
        now = self.context.clock.now()
        match finding:
            case Finding.DEBITED:
                assert payment is not None
                await self._debit(payout, payment)
            case Finding.PENDING if await self.failed.is_proven_late(payout, now):
                await self.failed.weigh(payout, is_failed=False)
            case Finding.PENDING:
                await self.context.database.transact(lambda tx: self._wait_pending(tx, payout, now))
            case Finding.UNSENT | Finding.FAILED | Finding.DEAD if await self.failed.may_have_left(
                payout
            ):
                await self.failed.weigh(payout, is_failed=payment is not None)
            case Finding.UNSENT:
                await self._send_again(payout, paying=paying)
            case Finding.FAILED:
                await self.failed.doubt(payout)
            case Finding.DEAD:
                await self.failed.void(payout)
            case Finding.NONSENSE:
                await self.arrival.alert(payout, Waiting.OTHER_AMOUNT)
        if payout.state is PayoutState.SUBMITTED and payout.is_late(self.context.clock.now()):
            await self.tell_if_slow(payout)

    async def book_listed(self, payouts: Sequence[Payout]) -> Sequence[Payout]:
        """Book the submitted payouts whose debit and arrival LNbits' lists show; return the others.

        Each of the others is to be resolved: a list that shows less, or doesn't come, proves nothing, and
        an error with one of the payouts books none. Raise LnbitsRefused.
        """
        now = self.context.clock.now()
        try:
            debits = await self._listed_debits(payouts)
            debited = [payout for payout in payouts if payout.id in debits]
            arrived = await self.arrival.listed(debited)
            booked = await self.context.database.transact(
                lambda tx: self._book_arrived(tx, debited, debits, arrived, now=now)
            )
        except (LnbitsRefused, sqlite3.OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - one payout must not keep the others from being booked
            _log.warning(
                "payouts are looked up one by one error=%s at=%s",
                type(error).__name__,
                place_of(error),
            )
            return payouts
        for payout in booked:
            self._note_debit(payout, debits[payout.id])
            _log.info("payout done payout=%s", short_id(payout.id))
        done = {payout.id for payout in booked}
        return [payout for payout in payouts if payout.id not in done]

    def _book_arrived(
        self,
        tx: Tx,
        debited: Sequence[Payout],
        debits: Mapping[str, Payment],
        arrived: Container[str],
        *,
        now: datetime,
    ) -> list[Payout]:
        """Book the debits of the payouts that have arrived; return these payouts."""
        booked = [
            payout
            for payout in debited
            if payout.id in arrived
            and not unknown_payments.is_remembered(tx, payout.last_attempt.payment_hash)
        ]
        for payout in booked:
            self.arrival.finish(tx, _book(tx, payout, debits[payout.id], now=now), now=now)
        return booked

    async def _listed_debits(self, payouts: Sequence[Payout]) -> Mapping[str, Payment]:
        """Return, by payout id, the payments of payouts that the source wallet's list shows as debited."""
        listed = await self.context.wallet.payments_of(*(payout.id for payout in payouts))
        by_hash = {payment.payment_hash: payment for payment in listed}
        found = {}
        for payout in payouts:
            attempt, now = payout.last_attempt, self.context.clock.now()
            payment = by_hash.get(attempt.payment_hash)
            finding = rules.judge(
                payment, amount_sat=payout.amount_sat, expires_at=attempt.expires_at, now=now
            )
            if payment is not None and finding is Finding.DEBITED:
                found[payout.id] = payment
        return found

    async def tell_if_slow(self, payout: Payout) -> None:
        """Tell the operators, once for each attempt, of a payout that was sent and does not settle.

        Raise StateChanged if the payout has moved meanwhile.
        """
        now = self.context.clock.now()

        def work(tx: Tx) -> None:
            fresh = payouts.get(tx, payout.id)
            if fresh.state is PayoutState.SUBMITTED and fresh.is_late(now):
                transitions.note_slow_told(tx, fresh, now=now)
                self.context.notices.payouts.slow(tx, fresh, now)

        await self.context.database.transact(work)

    async def _note_seen(self, payout: Payout, payment: Payment | None) -> Payout:
        """Record a new status of the payment, as LNbits can lose the payment with its data."""
        if payment is None or payment.status == payout.source_status:
            return payout
        if payment.status is not PaymentStatus.SUCCESS:
            await self.context.database.transact(
                lambda tx: transitions.note_seen(tx, payout, payment.status)
            )
        return replace(payout, source_status=payment.status)

    async def _debit(self, payout: Payout, payment: Payment) -> None:
        """Book that the sats have left, close any question about that, and look for the arrival."""
        now = self.context.clock.now()
        debited = await self.context.database.transact(
            lambda tx: _book(tx, payout, payment, now=now)
        )
        self._note_debit(payout, payment)
        await self.arrival.verify_credit(debited)

    def _note_debit(self, payout: Payout, payment: Payment) -> None:
        _log.info("payout debited payout=%s sat=%d", short_id(payout.id), payout.amount_sat)
        self.context.funds.left_msat += payment.amount_msat - payment.fee_msat

    async def _send_again(self, payout: Payout, *, paying: bool) -> None:
        """Send the pay request of an invoice unknown to LNbits once more, while the invoice has time left."""
        now = self.context.clock.now()
        if payout.is_too_old(now):
            over = over_at(payout.last_attempt.expires_at)
            until = over if over > now else now + _VOID_POLL
            await self.context.database.transact(
                lambda tx: deferral.defer(tx, payout, waiting=Waiting.NOT_SENT, until=until)
            )
        elif paying:
            await self.sender.require_funds(payout)
            again = await self.context.database.transact(lambda tx: self._resubmit(tx, payout, now))
            if again is not None:
                await self.sender.request(again)
                await self.resolve(again, paying=False)

    def _resubmit(self, tx: Tx, payout: Payout, now: datetime) -> Payout | None:
        """Record that the pay request leaves once more; None if everything was paused meanwhile."""
        if bot_state.paused(tx):
            return None
        self._back_to_submitted(tx, payout, Waiting.SENT_AGAIN, now)
        return payouts.get(tx, payout.id)

    def _wait_pending(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Wait for LNbits, which is paying (again); a question to the operators is closed."""
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self._back_to_submitted(tx, payout, Waiting.ON_ITS_WAY, now)

    def _back_to_submitted(self, tx: Tx, payout: Payout, waiting: Waiting, now: datetime) -> None:
        if payout.state is PayoutState.IN_DOUBT:
            transitions.move(tx, payout, PayoutState.SUBMITTED)
            payout = payouts.get(tx, payout.id)
        deferral.back_off(tx, payout, waiting, now=now)


def _book(tx: Tx, payout: Payout, payment: Payment, *, now: datetime) -> Payout:
    """Book that the sats of a payout have left, and close any question about that; return the payout."""
    debited = booking.debit(tx, payout, payment, now=now)
    holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
    return debited

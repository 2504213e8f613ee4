"""Sees to payments that LNbits calls failed, or shows no more.

The invariant: LNbits' word alone gives no invoice up, as funding sources report payments as failed that
payees have received. An invoice for a wallet at the same LNbits is given up when it is over and the
payee's wallet shows no credit. An invoice of a Lightning address needs a second witness (`core/witness`);
until a witness has spoken the payout stays in doubt, and nothing of the payout is sent.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core import witness
from dca_bot.core.attempt import Finding, over_at
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.core.ports import PaymentStatus
from dca_bot.core.witness import Outcome, Step, Witness
from dca_bot.jobs.payouts.arrival import Arrival
from dca_bot.jobs.payouts.context import PayoutContext, look_up
from dca_bot.ledger.payouts import booking, deferral, holds, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx

_LOOK_AGAIN = timedelta(minutes=10)
_LOOK_AGAIN_LATE = timedelta(hours=1)
_ASKED_AGAIN = timedelta(days=1)
"""Age from which a question to the operators that LNbits has taken back is asked anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedPayments:
    """Decides about one payout at a time; every method raises StateChanged if the payout has moved."""

    context: PayoutContext
    arrival: Arrival

    async def may_have_left(self, payout: Payout) -> bool:
        """Tell whether a payment to an address may have left LNbits, so that one witness is no proof.

        LNbits has shown the payment, the payee's server has called the invoice paid, or the payout is in
        doubt already.
        """
        if not payout.is_to_address:
            return False
        if payout.source_status or payout.state is PayoutState.IN_DOUBT:
            return True
        return await self.context.database.read(lambda tx: witnesses.is_called_paid(tx, payout))

    async def is_proven_late(self, payout: Payout, now: datetime) -> bool:
        """Tell whether the payee's preimage is here of a payment that LNbits hasn't settled for long."""
        if payout.submitted_at is None or now - payout.submitted_at <= rules.SLOW_AFTER:
            return False
        verdict = await self.context.database.read(lambda tx: witnesses.verdict_of(tx, payout))
        return verdict is not None and verdict.outcome is Outcome.ARRIVED

    async def weigh(self, payout: Payout, *, is_failed: bool) -> None:
        """Do what the witnesses of a payment to an address call for: book, ask the operators, wait or void.

        `is_failed`: LNbits shows the payment now, as failed.
        """
        now = self.context.clock.now()

        def work(tx: Tx) -> Step:
            case = witnesses.case_of(tx, payout, payout.last_attempt, is_failed=is_failed)
            step = witness.next_step(case, now)
            match step:
                case Step.BOOK_AS_PAID:
                    self._book_as_arrived(tx, transitions.put_in_doubt(tx, payout), now)
                case Step.ASK_OPERATORS:
                    self._ask_operators(tx, payout, now)
                case Step.WAIT:
                    self._wait_in_doubt(tx, payout, now)
                case Step.VOID:
                    pass
            return step

        if await self.context.database.transact(work) is Step.VOID:
            await self._void_by_payee(payout)

    async def doubt(self, payout: Payout) -> None:
        """Put an internal payout that LNbits calls failed in doubt until the invoice is over."""
        now = self.context.clock.now()
        over = over_at(payout.last_attempt.expires_at)
        until = min(over, now + _LOOK_AGAIN) if over > now else now + _LOOK_AGAIN

        def work(tx: Tx) -> None:
            fresh = transitions.put_in_doubt(tx, payout)
            if payout.state is PayoutState.SUBMITTED:
                self._tell_of_doubt(tx, fresh, now)
            deferral.defer(tx, fresh, waiting=Waiting.FAILED, until=until)

        await self.context.database.transact(work)

    async def void(self, payout: Payout) -> None:
        """Give up an attempt whose invoice is over, if the payee's side too shows no payment.

        Raise LnbitsUnavailable or LnbitsRefused.
        """
        credit = await self.arrival.credit_of(payout) if payout.is_internal else None
        if credit is not None and credit.status is PaymentStatus.SUCCESS:
            await self.arrival.alert(payout, Waiting.UNKNOWN_DEBIT)
            return
        if credit is not None and credit.status is PaymentStatus.PENDING:
            now = self.context.clock.now()
            await self.context.database.transact(
                lambda tx: deferral.back_off(tx, payout, Waiting.NOT_VOID, now=now, least_s=600)
            )
            return
        _, finding = await look_up(self.context, payout)
        if finding is not Finding.DEAD:
            return
        now = self.context.clock.now()

        def work(tx: Tx) -> None:
            transitions.void(tx, payout, now=now)
            self._tell_if_last(tx, payout, now)

        await self.context.database.transact(work)
        _log_void(payout)

    def _book_as_arrived(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Book a payout that the payee's server has proven by the preimage."""
        booking.book_as_arrived(tx, payout, now=now)
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self.context.notices.clients.payout_arrived(tx, payout, now)
        _log.warning("payout proven by the payee's server payout=%s", short_id(payout.id))

    def _ask_operators(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Hold a payout in doubt: the operators say whether the sats have arrived."""
        doubted = transitions.put_in_doubt(tx, payout)
        until = now + _LOOK_AGAIN
        deferral.defer(tx, doubted, waiting=_why_in_doubt(payout), until=until)
        reason, asked_at = HoldReason.FAILED_TO_ADDRESS, doubted.submitted_at or now
        if holds.reopen(
            tx, HoldKind.PAYOUT, payout.id, reason, since=max(asked_at, now - _ASKED_AGAIN)
        ):
            return  # LNbits goes to and fro: the operators know.
        hold = holds.open_hold(tx, HoldKind.PAYOUT, payout.id, reason, now=now)
        if hold is not None:
            self.context.notices.hold_opened(tx, hold, now)
            _log.error("payout in doubt, the operators decide payout=%s", short_id(payout.id))

    def _wait_in_doubt(self, tx: Tx, payout: Payout, now: datetime) -> None:
        doubted = transitions.put_in_doubt(tx, payout)
        if payout.state is PayoutState.SUBMITTED:
            self._tell_of_doubt(tx, doubted, now)
        is_over = now > over_at(payout.last_attempt.expires_at)
        until = now + (_LOOK_AGAIN_LATE if is_over else _LOOK_AGAIN)
        deferral.defer(tx, doubted, waiting=_why_in_doubt(payout), until=until)

    async def _void_by_payee(self, payout: Payout) -> None:
        """Give up an attempt on the payee's word, if the source wallet agrees in a last look."""
        # By the clock two looks lie a day apart; a clock that leaps brings them together.
        payment, finding = await look_up(self.context, payout, over_for=witness.LOOKS_APART)
        now = self.context.clock.now()
        if finding is Finding.FAILED:
            await self.context.database.transact(lambda tx: self._wait_in_doubt(tx, payout, now))
            return
        if payment is None or finding is not Finding.DEAD:
            return  # LNbits shows another row now; the next round decides.

        def work(tx: Tx) -> None:
            doubted = transitions.put_in_doubt(tx, payout)
            transitions.void_by_verdict(tx, doubted, Witness.VERIFY, now=now)
            self._tell_if_last(tx, payout, now)

        await self.context.database.transact(work)
        _log_void(payout)

    def _tell_of_doubt(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell the operators, once for each attempt, that LNbits calls the payment failed."""
        if payout.doubt_told_at is None:
            transitions.note_doubt_told(tx, payout, now=now)
            self.context.notices.payouts.in_doubt(tx, payout, now)

    def _tell_if_last(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell the operators of a void payout that gets no new attempt by itself."""
        if payout.attempts >= rules.ATTEMPTS_MAX:
            self.context.notices.payouts.void(tx, payout, now)


def _why_in_doubt(payout: Payout) -> Waiting:
    is_failed = payout.source_status == PaymentStatus.FAILED
    return Waiting.FAILED if is_failed else Waiting.VANISHED


def _log_void(payout: Payout) -> None:
    _log.warning("payout void payout=%s attempt=%d", short_id(payout.id), payout.attempts)

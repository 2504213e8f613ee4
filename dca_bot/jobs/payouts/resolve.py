"""Finds out what became of a payout that was sent.

The invariant: nothing gets a new invoice before the old one can't be paid any more, and two witnesses
say that it was not paid: the source wallet's row under the recorded hash, and the payee's row at LNbits,
the payee's server, or an operator. What arrived is told by the source wallet's row, or by a preimage.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core.names import short_id
from dca_bot.core.payout import Finding, PayoutState
from dca_bot.core.ports import Credit, Payment, PaymentStatus
from dca_bot.core.witness import Outcome
from dca_bot.errors import LnbitsRefused
from dca_bot.jobs.payouts.context import Till, attempt_of, known
from dca_bot.jobs.payouts.failed_payments import Doubt, tell_if_last, tell_of_doubt, was_seen
from dca_bot.ledger.payouts import holds, payouts, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payouts import Attempt, Payout
from dca_bot.ledger.programme.clients import INVOICE_KEY
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

PENDING_MAX_S = 600
CREDIT_POLL_S = 15
ALERT_POLL = timedelta(hours=1)
VOID_POLL = timedelta(minutes=10)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Follows one payout after its pay request."""

    till: Till

    async def resolve(self, payout: Payout, *, paying: bool) -> None:
        """Look a sent payout up with the source's key and act on what is found."""
        attempt = attempt_of(payout)
        payment, finding = await self.till.look_up(payout)
        payout = await self._note_seen(payout, payment)
        now = self.till.clock.now()
        match finding:
            case Finding.DEBITED:
                assert payment is not None
                await self._debit(payout, payment)
            case Finding.PENDING if await self._is_proven_late(payout, now):
                await Doubt(self.till).ask(payout, attempt, is_failed=False)
            case Finding.PENDING:
                await self.till.move(lambda tx: self._wait_pending(tx, payout, now))
            case Finding.UNSENT | Finding.FAILED | Finding.DEAD if await self._may_have_left(
                payout
            ):
                await Doubt(self.till).ask(payout, attempt, is_failed=payment is not None)
            case Finding.UNSENT:
                await self._send_again(payout, attempt, paying=paying)
            case Finding.FAILED:
                await self._doubt(payout, attempt)
            case Finding.DEAD:
                await self._void(payout, attempt)
            case Finding.NONSENSE:
                await self._alert(payout, rules.Waiting.OTHER_AMOUNT)
        await self.tell_if_slow(payout)

    async def _may_have_left(self, payout: Payout) -> bool:
        """Tell whether a payment to an address may have left, as LNbits or the payee's server has shown."""
        if not payout.is_to_address:
            return False
        return was_seen(payout) or await self.till.database.read(
            lambda tx: witnesses.is_called_paid(tx, payout)
        )

    async def _is_proven_late(self, payout: Payout, now: datetime) -> bool:
        """Tell whether the payee's preimage is here, while LNbits has not settled a payment for long."""
        if payout.submitted_at is None or now - payout.submitted_at <= rules.SLOW_AFTER:
            return False
        verdict = await self.till.database.read(lambda tx: witnesses.verdict_of(tx, payout))
        return verdict is not None and verdict.outcome is Outcome.ARRIVED

    async def _note_seen(self, payout: Payout, payment: Payment | None) -> Payout:
        """Record what the source wallet shows where that is news; a row can vanish with LNbits' data."""
        if payment is None or payment.status == payout.source_status:
            return payout
        if payment.status is not PaymentStatus.SUCCESS:
            await self.till.move(lambda tx: transitions.note_seen(tx, payout, payment.status))
        return replace(payout, source_status=payment.status)

    async def _debit(self, payout: Payout, payment: Payment) -> None:
        """Record that the sats have left, whatever was in doubt before, and see whether they arrived."""
        now = self.till.clock.now()

        def work(tx: Tx) -> None:
            transitions.debit(tx, payout, payment, now=now)
            holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)

        await self.till.move(work)
        _log.info("payout debited payout=%s sat=%d", short_id(payout.id), payout.amount_sat)
        self.till.funds.spend(payment.fee_msat - payment.amount_msat)
        await self.verify_credit(await self.till.fresh(payout))

    async def tell_if_slow(self, payout: Payout) -> None:
        """Tell the operators once of an attempt that was sent and does not settle, with LNbits' words."""
        now = self.till.clock.now()

        def work(tx: Tx) -> None:
            fresh = known(payouts.by_id(tx, payout.id))
            if _is_slow(fresh, now):
                transitions.note_slow_told(tx, fresh, now=now)
                self.till.notices.payouts.slow(tx, fresh, now)

        if _is_slow(replace(payout, state=PayoutState.SUBMITTED), now):
            await self.till.move(work)

    async def _send_again(self, payout: Payout, attempt: Attempt, *, paying: bool) -> None:
        """LNbits doesn't know the hash: send the same invoice again while it has time left."""
        now = self.till.clock.now()
        if self.till.margin_is_gone(payout):
            over = rules.over_at(attempt.expires_at)
            until = over if over > now else now + VOID_POLL
            await self.till.move(
                lambda tx: transitions.defer(
                    tx, payout, waiting=rules.Waiting.NOT_SENT, until=until
                )
            )
        elif paying:
            await self.till.need_funds(payout)
            if not await self.till.database.transact(lambda tx: self._resubmit(tx, payout, now)):
                return
            fresh = await self.till.fresh(payout)
            await self.till.send(fresh)
            await self.resolve(fresh, paying=False)

    def _resubmit(self, tx: Tx, payout: Payout, now: datetime) -> bool:
        """Record that the pay request leaves once more, unless everything was paused meanwhile."""
        if bot_state.paused(tx):
            return False
        self._back_to_submitted(tx, payout, rules.Waiting.SENT_AGAIN, now)
        return True

    def _wait_pending(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """LNbits is paying (again): what was in doubt is no question for the operators any more."""
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self._back_to_submitted(tx, payout, rules.Waiting.ON_ITS_WAY, now)

    def _back_to_submitted(self, tx: Tx, payout: Payout, waiting: str, now: datetime) -> None:
        until = now + timedelta(seconds=rules.backoff_s(payout.tries + 1, max_s=PENDING_MAX_S))
        if payout.state is PayoutState.IN_DOUBT:
            transitions.move(tx, payout, PayoutState.SUBMITTED)
            payout = known(payouts.by_id(tx, payout.id))
        transitions.defer(tx, payout, waiting=waiting, until=until)

    async def _doubt(self, payout: Payout, attempt: Attempt) -> None:
        """LNbits says failed, which doesn't mean unpaid: nothing may be sent until it can't be."""
        now = self.till.clock.now()
        over = rules.over_at(attempt.expires_at)

        def work(tx: Tx) -> None:
            fresh = transitions.put_in_doubt(tx, payout)
            if payout.state is PayoutState.SUBMITTED:
                tell_of_doubt(self.till, tx, fresh, now)
            until = min(over if over > now else now + VOID_POLL, now + VOID_POLL)
            transitions.defer(tx, fresh, waiting=rules.Waiting.FAILED, until=until)

        await self.till.move(work)

    async def _void(self, payout: Payout, attempt: Attempt) -> None:
        """Give an attempt up, once both sides say that it can't be paid any more."""
        assert payout.destination is not None
        now = self.till.clock.now()
        if payout.destination.kind == INVOICE_KEY:
            try:
                credit = await self.till.wallet.credited(
                    payout.destination.value, attempt.payment_hash
                )
            except LnbitsRefused:
                credit = None
            if credit is not None and credit.status is PaymentStatus.SUCCESS:
                await self._alert(payout, rules.Waiting.UNKNOWN_DEBIT)
                return
            if credit is not None and credit.status is PaymentStatus.PENDING:
                await self.till.defer(payout, rules.Waiting.NOT_VOID, least_s=600)
                return
        _, finding = await self.till.look_up(payout)
        if finding is not Finding.DEAD:
            return

        def work(tx: Tx) -> None:
            transitions.void(tx, payout, now=now)
            tell_if_last(self.till, tx, payout, now)

        await self.till.move(work)
        _log.warning("payout void payout=%s attempt=%d", short_id(payout.id), attempt.number)

    async def verify_credit(self, payout: Payout) -> None:
        """See that the sats arrived, where the payee's side can be asked."""
        if payout.debited_at is None:
            await self._resolve_alert(payout)
            return
        now = self.till.clock.now()
        credit = await self._credit(payout)
        if credit is not None and credit.amount_msat != payout.amount_sat * 1000:
            if payout.state is PayoutState.ALERT:
                await self._wait_alerted(payout)
            else:
                await self._alert(payout, rules.Waiting.OTHER_CREDIT)
        elif credit is not None:

            def work(tx: Tx) -> None:
                transitions.finish(tx, payout, now=now)
                holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
                self.till.notices.clients.payout_arrived(tx, payout, now)

            await self.till.move(work)
            _log.info("payout done payout=%s", short_id(payout.id))
        elif payout.state is PayoutState.ALERT:
            await self._wait_alerted(payout)
        elif now - payout.debited_at > rules.CREDIT_GRACE:
            await self._alert(payout, rules.Waiting.NOT_ARRIVED)
        else:
            await self.till.defer(payout, rules.Waiting.ARRIVING, least_s=CREDIT_POLL_S)

    async def _credit(self, payout: Payout) -> Credit | None:
        """Return what the payee's wallet got, None while that is nothing that can be told.

        Where the payee's wallet can't be asked, what left LNbits counts as arrived.
        """
        assert payout.destination is not None
        if payout.destination.kind != INVOICE_KEY:
            return Credit(PaymentStatus.SUCCESS, payout.amount_sat * 1000)
        try:
            credit = await self.till.wallet.credited(
                payout.destination.value, attempt_of(payout).payment_hash
            )
        except LnbitsRefused:
            return None
        return credit if credit is not None and credit.status is PaymentStatus.SUCCESS else None

    async def _resolve_alert(self, payout: Payout) -> None:
        """Look an alerted payout up that was never seen debited: the operator may have mended it."""
        payment, finding = await self.till.look_up(payout)
        now = self.till.clock.now()
        if finding is Finding.DEBITED and payment is not None:
            await self.till.move(lambda tx: transitions.debit(tx, payout, payment, now=now))
        else:
            await self._wait_alerted(payout)

    async def _wait_alerted(self, payout: Payout) -> None:
        until = self.till.clock.now() + ALERT_POLL
        await self.till.move(
            lambda tx: transitions.defer(tx, payout, waiting=payout.waiting, until=until)
        )

    async def _alert(self, payout: Payout, why: str) -> None:
        now = self.till.clock.now()

        def work(tx: Tx) -> None:
            if payout.state is PayoutState.ALERT:
                return
            transitions.alert(tx, payout, why, look_at=now + ALERT_POLL)
            holds.open_hold(tx, HoldKind.PAYOUT, payout.id, HoldReason.ALERTED, now=now)
            # The operators may have been asked already whether it arrived: that is no question any more.
            holds.reword(tx, HoldKind.PAYOUT, payout.id, HoldReason.ALERTED)
            self.till.notices.payouts.alert(tx, known(payouts.by_id(tx, payout.id)), now)

        await self.till.move(work)
        _log.error("payout alert payout=%s why=%s", short_id(payout.id), why)


def _is_slow(payout: Payout, now: datetime) -> bool:
    """Tell whether the operators are to hear that a payout was sent and does not settle."""
    return (
        payout.state is PayoutState.SUBMITTED
        and payout.slow_told_at is None
        and payout.submitted_at is not None
        and now - payout.submitted_at > rules.SLOW_AFTER
    )

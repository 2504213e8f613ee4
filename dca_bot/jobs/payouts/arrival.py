"""Sees whether the sats of a debited payout have arrived, and alerts the operators if they have not.

The invariant: an alerted payout is looked up again, and never paid again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core.attempt import Finding
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.core.ports import Credit, PaymentStatus
from dca_bot.errors import LnbitsRefused
from dca_bot.jobs.payouts.context import PayoutContext, look_up
from dca_bot.ledger.payouts import (
    booking,
    deferral,
    holds,
    payouts,
    transitions,
    unknown_payments,
)
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx

_CREDIT_POLL_S = 15
_ALERT_POLL = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Follows a payout from the debit to DONE or ALERT."""

    context: PayoutContext

    async def verify_credit(self, payout: Payout) -> None:
        """Finish a debited payout whose sats arrived; alert a payout whose sats are late or too few.

        Raise LnbitsUnavailable, or StateChanged if the payout has moved meanwhile.
        """
        if payout.debited_at is None:
            await self._look_at_alerted(payout)
            return
        now = self.context.clock.now()
        credit = await self._credit(payout)
        if credit is not None and credit.amount_msat == payout.amount_sat * 1000:
            await self._finish(payout)
        elif payout.state is PayoutState.ALERT:
            await self._wait_alerted(payout)
        elif credit is not None:
            await self.alert(payout, Waiting.OTHER_CREDIT)
        elif now - payout.debited_at > rules.CREDIT_GRACE:
            await self.alert(payout, Waiting.NOT_ARRIVED)
        else:
            await self.context.database.transact(
                lambda tx: deferral.back_off(
                    tx, payout, Waiting.ARRIVING, now=now, least_s=_CREDIT_POLL_S
                )
            )

    async def credit_of(self, payout: Payout) -> Credit | None:
        """Return the payee's row of an internal payout; None without a row, or if LNbits refuses the key.

        Raise LnbitsUnavailable.
        """
        return await self._credit_at(payout.goes_to.value, payout)

    async def _credit_at(self, key: str, payout: Payout) -> Credit | None:
        try:
            return await self.context.wallet.credited(key, payout.last_attempt.payment_hash)
        except LnbitsRefused:
            return None

    async def alert(self, payout: Payout, why: Waiting) -> None:
        """Stop paying a payout whose payment at LNbits contradicts the ledger, and ask the operators.

        Raise StateChanged if the payout has moved meanwhile.
        """
        now = self.context.clock.now()

        def work(tx: Tx) -> None:
            if payout.state is PayoutState.ALERT:
                return
            transitions.alert(tx, payout, why, look_at=now + _ALERT_POLL)
            holds.open_hold(tx, HoldKind.PAYOUT, payout.id, HoldReason.ALERTED, now=now)
            # An open question whether the payout arrived is replaced by the alert.
            holds.reword(tx, HoldKind.PAYOUT, payout.id, HoldReason.ALERTED)
            self.context.notices.payouts.alert(tx, payouts.get(tx, payout.id), now)

        await self.context.database.transact(work)
        _log.error("payout alert payout=%s why=%s", short_id(payout.id), why)

    async def _credit(self, payout: Payout) -> Credit | None:
        """Return what the payee's wallet got; None if the wallet shows no settled credit.

        The payee of a Lightning address can't be asked: a debit counts as the arrival.
        """
        keys = [payout.goes_to.value] if payout.is_internal else []
        is_inside = payout.is_internal
        before = await self.context.database.read(lambda tx: _keys_before(tx, payout))
        if before is not None:
            payment = await self.context.wallet.payment(payout.last_attempt.payment_hash)
            is_inside = payment is None or payment.is_inside
            keys += before
        if not is_inside:
            return Credit(PaymentStatus.SUCCESS, payout.amount_sat * 1000)
        for key in dict.fromkeys(keys):
            credit = await self._credit_at(key, payout)
            if credit is not None and credit.status is PaymentStatus.SUCCESS:
                return credit
        return None

    def finish(self, tx: Tx, payout: Payout, *, now: datetime) -> None:
        """Record that the sats arrived, and tell the client; raise StateChanged if the payout has moved."""
        transitions.finish(tx, payout, now=now)
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self.context.notices.clients.payout_arrived(tx, payout, now)

    async def listed(self, payouts: Sequence[Payout]) -> frozenset[str]:
        """Return the ids of those debited payouts that the payees' lists show as arrived in full.

        The payee of a Lightning address can't be asked: a debit counts as the arrival. Raise
        LnbitsUnavailable.
        """
        found = {payout.id for payout in payouts if not payout.is_internal}
        of_key: dict[str, list[Payout]] = {}
        for payout in payouts:
            if payout.is_internal:
                of_key.setdefault(payout.goes_to.value, []).append(payout)
        for key, same in of_key.items():
            listed = await self._credits(key, same)
            found |= {
                payout.id
                for payout in same
                if listed.get(payout.last_attempt.payment_hash)
                == Credit(PaymentStatus.SUCCESS, payout.amount_sat * 1000)
            }
        return frozenset(found)

    async def _credits(self, key: str, payouts: Sequence[Payout]) -> dict[str, Credit]:
        """Return what a payee's list shows of payouts, by payment hash; nothing if LNbits refuses the key."""
        rows = self.context.wallet.credits_of(key, *(payout.id for payout in payouts))
        try:
            return {payment_hash: credit async for payment_hash, credit in rows}
        except LnbitsRefused:
            return {}

    async def _finish(self, payout: Payout) -> None:
        now = self.context.clock.now()
        await self.context.database.transact(lambda tx: self.finish(tx, payout, now=now))
        _log.info("payout done payout=%s", short_id(payout.id))

    async def _look_at_alerted(self, payout: Payout) -> None:
        """Look up an alerted payout without a debit: the operator may have mended the payment."""
        payment, finding = await look_up(self.context, payout)
        now = self.context.clock.now()
        if finding is Finding.DEBITED and payment is not None:
            await self.context.database.transact(
                lambda tx: booking.debit(tx, payout, payment, now=now)
            )
        else:
            await self._wait_alerted(payout)

    async def _wait_alerted(self, payout: Payout) -> None:
        until = self.context.clock.now() + _ALERT_POLL
        await self.context.database.transact(
            lambda tx: deferral.defer(tx, payout, waiting=payout.wait, until=until)
        )


def _keys_before(tx: Tx, payout: Payout) -> list[str] | None:
    """Return the wallets that a payment that was taken over may have gone to; None for any other payment.

    It went where the client's sats went then, which the ledger doesn't know.
    """
    if not unknown_payments.is_remembered(tx, payout.last_attempt.payment_hash):
        return None
    return payouts.invoice_keys_of(tx, payout.client_id)

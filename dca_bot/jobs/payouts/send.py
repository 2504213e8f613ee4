"""Takes a payout from the plan to the pay request.

The invariant: an invoice is checked and recorded before the pay request. Before the first pay request
of an attempt, LNbits is asked for other payments of the same payout; the answer counts for a few seconds,
like a look at the lease.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dca_bot.core import attempt as rules
from dca_bot.core.ceilings import Ceiling, broken
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState, Waiting
from dca_bot.core.ports import AddressInvoice, Invoice, PayAnswer, PaymentStatus, PayReply
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LnbitsUnavailable,
    Refusal,
)
from dca_bot.jobs.payouts.context import OutOfFunds, PayoutContext
from dca_bot.jobs.payouts.lease import Look
from dca_bot.jobs.payouts.reconcile import hold_for_unknown_payment, record_unknown
from dca_bot.ledger.payouts import (
    deferral,
    holds,
    payouts,
    planning,
    queue,
    transitions,
    unknown_payments,
)
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.database import Tx

ASKED_AT_ONCE = 10
"""For how many payouts a single request asks LNbits."""
_STATUSES = frozenset[str]({"", *PaymentStatus})
"""Details of a pay reply that say no more than the payment's status does."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A payout whose pay request has left; `is_called_paid` is LNbits' answer, which proves nothing."""

    payout: Payout
    is_called_paid: bool


@dataclass(slots=True)
class _Unpaid:
    """The payouts of which LNbits had no payment when the look began."""

    look: Look | None = None
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends payouts, one at a time."""

    context: PayoutContext
    _unpaid: _Unpaid = field(default_factory=_Unpaid, init=False)

    async def pay(self, payout: Payout, behind: Sequence[Payout] = ()) -> Sent | None:
        """Bring a PLANNED or INVOICED payout to the pay request; return None if no request left.

        `behind`: the unsent payouts that come next; LNbits is asked about them at once. Raise OutOfFunds,
        NotHeld, DestinationRefused, DestinationUnavailable, LnbitsUnavailable, LnbitsRefused or
        StateChanged; whatever was recorded by then stands.
        """
        context, now = self.context, self.context.clock.now()
        if payout.destination is None:
            await context.database.transact(
                lambda tx: deferral.back_off(
                    tx, payout, Waiting.NO_DESTINATION, now=now, least_s=600
                )
            )
            return None
        if await context.database.transact(lambda tx: self._hold_above_ceiling(tx, payout, now)):
            return None
        await self.require_funds(payout)
        if payout.state is PayoutState.PLANNED:
            invoiced = await self._invoice(payout)
            if invoiced is None:
                return None
            payout = invoiced
        if payout.is_too_old(context.clock.now()):
            await context.database.transact(lambda tx: transitions.discard_invoice(tx, payout))
            return None
        if await self._is_known_to_lnbits(payout, behind):
            return None
        await context.lease.check()
        submitted = await context.database.transact(lambda tx: self._submit(tx, payout))
        return None if submitted is None else Sent(submitted, await self.request(submitted))

    async def require_funds(self, payout: Payout) -> None:
        """Raise OutOfFunds if the source wallet lacks the sats for a payout; record that the payout waits."""
        funds = self.context.funds
        if payout.needed_msat <= funds.left_msat:
            return
        funds.kept_back_msat = payout.needed_msat
        if payout.waiting != Waiting.FUNDS:
            await self.context.database.transact(
                lambda tx: deferral.defer(
                    tx, payout, waiting=Waiting.FUNDS, until=payout.try_at, counted=False
                )
            )
        raise OutOfFunds

    async def request(self, payout: Payout) -> bool:
        """Send the pay request of a submitted payout; tell whether LNbits calls the payout paid.

        The answer proves nothing: the payment is to be looked up. Raise NotHeld if another bot has the
        lease: then no request has left. Raise LnbitsUnavailable or LnbitsRefused if LNbits doesn't show who
        has the lease.
        """
        await self.context.lease.check()
        attempt = payout.last_attempt
        reply = await self.context.wallet.pay(
            attempt.bolt11,
            external_id=payout.id,
            extra=payout.payment_extra(self.context.programme.currency),
        )
        level = logging.INFO if reply.answer is PayAnswer.ANSWERED else logging.WARNING
        _log.log(
            level,
            "payout sent payout=%s attempt=%d answer=%s detail=%s",
            short_id(payout.id),
            attempt.number,
            reply.answer,
            reply.detail,
        )
        if reply.answer is not PayAnswer.NO_ANSWER and reply.detail not in _STATUSES:
            await self.context.database.transact(
                lambda tx: transitions.note_said(tx, payout, reply.detail)
            )
        return reply == PayReply(PayAnswer.ANSWERED, PaymentStatus.SUCCESS)

    def _hold_above_ceiling(self, tx: Tx, payout: Payout, now: datetime) -> bool:
        """Hold a payout that breaks a ceiling, unless an operator has accepted the payout."""
        reason = self._broken_ceiling(tx, payout, now)
        if reason is None:
            return False
        hold = transitions.hold(tx, payout, reason, now=now)
        if hold is not None:
            self.context.notices.hold_opened(tx, hold, now)
        return True

    def _broken_ceiling(self, tx: Tx, payout: Payout, now: datetime) -> Ceiling | None:
        return broken(
            payout.amount_sat,
            sent_sat=queue.submitted_sat_since(tx, now - queue.DAY, beside=payout),
            ceilings=self.context.programme.ceilings,
            accepted=holds.accepted_reasons(tx, payout.id),
        )

    async def _invoice(self, payout: Payout) -> Payout | None:
        """Have an invoice made, check and record the invoice; return the payout.

        Return None if the payout is below the address's minimum, and was taken back.
        """
        context, verify_url = self.context, ""
        if payout.is_internal:
            invoice = await self._internal_invoice(payout)
        else:
            made = await self._address_invoice(payout)
            if made is None:
                return None
            invoice, verify_url = await context.wallet.decode(made.bolt11), made.verify_url
        now, uptime = context.clock.now(), context.clock.uptime()
        refusal = rules.refusal_of_invoice(
            invoice, amount_sat=payout.amount_sat, margin=payout.margin, now=now
        )
        if refusal is not None:
            raise DestinationRefused(refusal)
        return await context.database.transact(
            lambda tx: transitions.accept_invoice(
                tx, payout, invoice, verify_url=verify_url, now=now, uptime=uptime
            )
        )

    async def _internal_invoice(self, payout: Payout) -> Invoice:
        """Have the client's LNbits wallet make an invoice; a refusal concerns this client alone."""
        currency = self.context.programme.currency
        try:
            return await self.context.wallet.request_invoice(
                payout.goes_to.value,
                amount_sat=payout.amount_sat,
                memo=payout.memo(currency),
                expiry_s=int(rules.INVOICE_LIFE.total_seconds()),
                external_id=payout.id,
                extra=payout.payment_extra(currency),
            )
        except LnbitsUnavailable as error:
            raise DestinationUnavailable(Refusal.NO_OWN_INVOICE, str(error)) from error

    async def _address_invoice(self, payout: Payout) -> AddressInvoice | None:
        """Have the server of a Lightning address make an invoice; None if the payout is too small."""
        limits = await self.context.addresses.limits(payout.goes_to.value)
        if payout.amount_sat < limits.min_sat:
            await self._take_back(payout, min_sat=limits.min_sat)
            return None
        if payout.amount_sat > limits.max_sat:
            raise DestinationRefused(Refusal.ABOVE_MAXIMUM, limit_sat=limits.max_sat)
        comment = payout.memo(self.context.programme.currency)[: limits.comment_length_max]
        return await self.context.addresses.request_invoice(
            limits, amount_sat=payout.amount_sat, comment=comment
        )

    async def _take_back(self, payout: Payout, *, min_sat: int) -> None:
        """Let a payout's shares wait for more; a payout that no further shares can help is refused."""
        now = self.context.clock.now()
        if payout.submitted_at is not None or min_sat > self.context.programme.payout_max_sat:
            raise DestinationRefused(Refusal.BELOW_MINIMUM, limit_sat=min_sat)
        await self.context.database.transact(
            lambda tx: planning.merge(tx, payout, min_sat=min_sat, now=now)
        )

    async def _is_known_to_lnbits(self, payout: Payout, behind: Sequence[Payout]) -> bool:
        """Ask LNbits for unknown payments of a payout; tell whether the payout is held because of them.

        The payouts `behind` are asked about with the same request, and held likewise.
        """
        clock, unpaid = self.context.clock, self._unpaid
        if payout.id in unpaid.ids and unpaid.look is not None and unpaid.look.is_fresh(clock):
            # One answer is for one attempt.
            unpaid.ids -= {payout.id}
            return False
        asked = [payout.id, *(other.id for other in behind[: ASKED_AT_ONCE - 1])]
        unpaid.look, unpaid.ids = Look.begin(clock), frozenset()
        found = await self.context.wallet.payments_of(*asked)
        unpaid.ids = frozenset(asked[1:]) - {payment.external_id for payment in found}
        if not found:
            return False
        now = clock.now()

        def work(tx: Tx) -> bool:
            record_unknown(tx, found, self.context.notices, now=now)
            return payouts.get(tx, payout.id).state is not payout.state

        return await self.context.database.transact(work)

    def _submit(self, tx: Tx, payout: Payout) -> Payout | None:
        """Record that the pay request leaves now; None if a pause, a ceiling or LNbits forbids that."""
        now = self.context.clock.now()
        if bot_state.paused(tx) or self._broken_ceiling(tx, payout, now):
            return None
        if unknown_payments.covers_share(tx, payout, now=now):
            hold_for_unknown_payment(tx, payout, self.context.notices, now=now)
            return None
        return transitions.submit(tx, payout, now=now)

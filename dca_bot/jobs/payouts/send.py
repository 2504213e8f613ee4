"""Takes a payout from its plan to the pay request.

The invariant: the invoice is checked and recorded before it is paid, and LNbits is asked for other
payments of the same payout before the first pay request leaves.
"""

from dataclasses import dataclass
from datetime import datetime

from dca_bot.core import payout as rules
from dca_bot.core.ceilings import broken
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import AddressInvoice, Invoice
from dca_bot.errors import (
    DestinationRefused,
    DestinationUnavailable,
    LnbitsUnavailable,
    Refusal,
    StateChanged,
)
from dca_bot.jobs.payouts.context import Till, known
from dca_bot.jobs.payouts.reconcile import hold_known, record_unknown
from dca_bot.ledger.payouts import holds, payouts, transitions, unknown_payments
from dca_bot.ledger.payouts.payouts import Payout
from dca_bot.ledger.programme.clients import INVOICE_KEY
from dca_bot.ledger.store import bot_state, clock
from dca_bot.ledger.store.database import Tx


@dataclass(frozen=True, slots=True)
class Payer:
    """Pays one payout."""

    till: Till

    async def pay(self, payout: Payout) -> Payout | None:
        """Bring a PLANNED or INVOICED payout to its pay request; return it if that has left.

        Raise OutOfFunds, NotHeld, DestinationRefused, DestinationUnavailable, LnbitsUnavailable or
        StateChanged; whatever was recorded by then stands.
        """
        if payout.destination is None:
            await self.till.defer(payout, rules.Waiting.NO_DESTINATION, least_s=600)
            return None
        if await self._is_over_ceiling(payout):
            return None
        await self.till.need_funds(payout)
        if payout.state is PayoutState.PLANNED:
            found = await self._invoice(payout)
            if found is None:
                return None
            payout = await self._record_invoice(payout, *found)
        if self.till.margin_is_gone(payout):
            await self.till.move(lambda tx: transitions.discard_invoice(tx, payout))
            return None
        if await self._is_known_to_lnbits(payout):
            return None
        await self.till.lease.check()
        submitted = await self.till.database.transact(lambda tx: self._submit(tx, payout))
        if submitted is not None:
            await self.till.send(submitted)
        return submitted

    async def _invoice(self, payout: Payout) -> tuple[Invoice, str] | None:
        """Have an invoice made and check it; None if the payout has to wait.

        Beside the invoice stands where the payee's server tells of it, if anywhere.
        """
        assert payout.destination is not None
        verify_url = ""
        if payout.destination.kind == INVOICE_KEY:
            invoice = await self._own_invoice(payout, payout.destination.value)
        else:
            made = await self._address_invoice(payout, payout.destination.value)
            if made is None:
                return None
            invoice, verify_url = await self.till.wallet.decode(made.bolt11), made.verify_url
        if invoice.amount_msat != payout.amount_sat * 1000:
            raise DestinationRefused(Refusal.OTHER_AMOUNT)
        life = invoice.expires_at - self.till.clock.now()
        if life <= self.till.margin(payout):
            raise DestinationRefused(Refusal.EXPIRES_SOON)
        if life > rules.LIFE_MAX:
            raise DestinationRefused(Refusal.LIVES_LONG)
        return invoice, verify_url

    async def _address_invoice(self, payout: Payout, address: str) -> AddressInvoice | None:
        """Have the server of a Lightning address make an invoice; None if it takes no so small one."""
        terms = await self.till.addresses.terms(address)
        if payout.amount_sat < terms.min_sat:
            await self._too_small(payout, terms.min_sat)
            return None
        if payout.amount_sat > terms.max_sat:
            raise DestinationRefused(Refusal.ABOVE_MAXIMUM, limit_sat=terms.max_sat)
        comment = self.till.memo(payout)[: terms.comment_length_max]
        return await self.till.addresses.request_invoice(
            terms, amount_sat=payout.amount_sat, comment=comment
        )

    async def _own_invoice(self, payout: Payout, invoice_key: str) -> Invoice:
        """Have the client's LNbits wallet make an invoice; a refusal concerns this client alone."""
        try:
            return await self.till.wallet.request_invoice(
                invoice_key,
                amount_sat=payout.amount_sat,
                memo=self.till.memo(payout),
                expiry_s=int(rules.INVOICE_LIFE.total_seconds()),
                external_id=payout.id,
                extra=self.till.payment_extra(payout),
            )
        except LnbitsUnavailable as error:
            raise DestinationUnavailable(Refusal.NO_OWN_INVOICE, str(error)) from error

    async def _record_invoice(self, payout: Payout, invoice: Invoice, verify_url: str) -> Payout:
        def work(tx: Tx) -> Payout:
            if payouts.has_invoice(tx, invoice.payment_hash):
                raise DestinationRefused(Refusal.SAME_INVOICE)
            if not _same_place(known(payouts.by_id(tx, payout.id)), payout):
                raise StateChanged("The client has another wallet by now; the invoice is dropped.")
            now, witnessed = self.till.clock.now(), clock.witnessed(tx, self.till.clock.uptime())
            transitions.record_invoice(
                tx, payout, invoice, now=now, verify_url=verify_url, witnessed=witnessed
            )
            return known(payouts.by_id(tx, payout.id))

        return await self.till.database.transact(work)

    def _submit(self, tx: Tx, payout: Payout) -> Payout | None:
        """Record that the pay request leaves now, if everything is still as it was."""
        now = self.till.clock.now()
        if bot_state.paused(tx) or self._ceiling(tx, payout, now):
            return None
        if unknown_payments.covers_share(tx, payout, now=now):
            hold_known(tx, payout, self.till.notices, now=now)
            return None
        transitions.submit(tx, payout, now=now)
        return known(payouts.by_id(tx, payout.id))

    async def _is_known_to_lnbits(self, payout: Payout) -> bool:
        """Ask LNbits for payments with this payout's id that the ledger has no invoice of."""
        found = await self.till.wallet.payments_of(payout.id)
        if not found:
            return False
        now = self.till.clock.now()

        def work(tx: Tx) -> bool:
            record_unknown(tx, found, self.till.notices, now=now)
            return known(payouts.by_id(tx, payout.id)).state is not payout.state

        return await self.till.database.transact(work)

    async def _is_over_ceiling(self, payout: Payout) -> bool:
        now = self.till.clock.now()

        def work(tx: Tx) -> bool:
            reason = self._ceiling(tx, payout, now)
            if reason:
                hold = transitions.hold(tx, payout, reason, now=now)
                if hold is not None:
                    self.till.notices.hold_opened(tx, hold, now)
            return bool(reason)

        return await self.till.database.transact(work)

    def _ceiling(self, tx: Tx, payout: Payout, now: datetime) -> str:
        """Return the ceiling that a payout breaks and that the operator has not let it break."""
        sent_sat = payouts.submitted_sat_since(tx, now - payouts.DAY, beside=payout)
        return (
            broken(
                payout.amount_sat,
                sent_sat=sent_sat,
                ceilings=self.till.programme.ceilings,
                accepted=holds.accepted_reasons(tx, payout.id),
            )
            or ""
        )

    async def _too_small(self, payout: Payout, min_sat: int) -> None:
        now = self.till.clock.now()
        if payout.submitted_at is not None or min_sat > self.till.programme.payout_max_sat:
            raise DestinationRefused(Refusal.BELOW_MINIMUM, limit_sat=min_sat)
        await self.till.move(lambda tx: transitions.merge(tx, payout, min_sat=min_sat, now=now))


def _same_place(one: Payout, other: Payout) -> bool:
    """Tell whether two readings of a payout go to the same destination."""
    places = [(p.destination.kind, p.destination.value) for p in (one, other) if p.destination]
    return len(places) == 2 and places[0] == places[1]

"""What paying and resolving share: the parts, the order's purse, and the marks on a payment."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dca_bot.core import payout as rules
from dca_bot.core.names import short_id
from dca_bot.core.payout import Finding, Waiting
from dca_bot.core.ports import Addresses, Clock, PayAnswer, Payment, PaymentStatus, Wallet
from dca_bot.core.programme import Programme
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.payouts.lease import Lease
from dca_bot.ledger.payouts import payouts, transitions
from dca_bot.ledger.payouts.payouts import Attempt, Payout
from dca_bot.ledger.programme.clients import INVOICE_KEY
from dca_bot.ledger.store import clock
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

_STATUSES = frozenset[str]({"", *PaymentStatus})
NO_TIME = timedelta()
_log = logging.getLogger(__name__)


class OutOfFunds(Exception):
    """The next payout needs more than the source wallet has: those behind it wait too."""


@dataclass(frozen=True, slots=True)
class Till:
    """Everything a payout needs on its way, and the few steps that happen at several places."""

    database: Database
    wallet: Wallet
    addresses: Addresses
    funds: Funds
    notices: Notices
    programme: Programme
    clock: Clock
    lease: Lease

    async def move(self, work: Callable[[Tx], None]) -> None:
        """Record one step; raise StateChanged if the payout has moved meanwhile."""
        await self.database.transact(work)

    async def defer(self, payout: Payout, waiting: str | rules.Wait, *, least_s: int = 0) -> None:
        """Note why a payout waits, and try again after a while that grows."""
        delay_s = max(least_s, rules.backoff_s(payout.tries + 1))
        until = self.clock.now() + timedelta(seconds=delay_s)
        await self.move(lambda tx: transitions.defer(tx, payout, waiting=waiting, until=until))

    async def fresh(self, payout: Payout) -> Payout:
        """Read a payout again."""
        return known(await self.database.read(lambda tx: payouts.by_id(tx, payout.id)))

    async def look_up(
        self, payout: Payout, *, over_for: timedelta = NO_TIME
    ) -> tuple[Payment | None, Finding]:
        """Return the source wallet's row of the last invoice, and what it means.

        A clock that is ahead ends no invoice: as much time must have been witnessed as the invoice
        lives, and `over_for` beyond.
        """
        attempt, uptime = attempt_of(payout), self.clock.uptime()
        payment = await self.wallet.payment(attempt.payment_hash)
        witnessed = await self.database.read(lambda tx: clock.witnessed(tx, uptime))
        end = attempt.witnessed_end
        now = rules.proven_now(
            self.clock.now(),
            expires_at=attempt.expires_at,
            unwitnessed=NO_TIME if end is None else end + over_for - witnessed,
        )
        return payment, rules.judge(
            payment, amount_sat=payout.amount_sat, expires_at=attempt.expires_at, now=now
        )

    async def need_funds(self, payout: Payout) -> None:
        """Raise OutOfFunds, and say so in the ledger, if the source wallet lacks what it takes."""
        assert payout.destination is not None
        internal = payout.destination.kind == INVOICE_KEY
        if self.funds.covers(rules.needed_msat(payout.amount_sat, internal=internal)):
            return
        if payout.waiting != Waiting.FUNDS:
            await self.move(
                lambda tx: transitions.defer(
                    tx, payout, waiting=Waiting.FUNDS, until=payout.try_at, counted=False
                )
            )
        raise OutOfFunds

    async def send(self, payout: Payout) -> None:
        """Ask LNbits to pay; whatever it answers, only the hash's row counts.

        Raise NotHeld if another bot has the lease: then nothing was sent.
        """
        await self.lease.check()
        attempt = attempt_of(payout)
        reply = await self.wallet.pay(
            attempt.bolt11, external_id=payout.id, extra=self.payment_extra(payout)
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
            await self.move(lambda tx: transitions.note_said(tx, payout, reply.detail))

    def margin(self, payout: Payout) -> timedelta:
        """Return how long an invoice must still live when it is sent."""
        internal = payout.destination is not None and payout.destination.kind == INVOICE_KEY
        return rules.OWN_MARGIN if internal else rules.FOREIGN_MARGIN

    def margin_is_gone(self, payout: Payout) -> bool:
        """Tell whether the invoice is too old to be sent (again)."""
        return attempt_of(payout).expires_at - self.clock.now() <= self.margin(payout)

    def memo(self, payout: Payout) -> str:
        """Write what the client sees beside the payment."""
        return rules.memo(payout.amount_sat, payout.minor, self.programme.currency)

    def payment_extra(self, payout: Payout) -> dict[str, Any]:
        """Return what goes along to LNbits, so that a payment can be told from the ledger's."""
        return {
            "distributions": list(payout.distribution_ids),
            "client": payout.client_name,
            "fiat_minor": payout.minor,
            "currency": self.programme.currency,
        }


def known(payout: Payout | None) -> Payout:
    """Return a payout that must be there."""
    assert payout is not None
    return payout


def attempt_of(payout: Payout) -> Attempt:
    """Return the invoice of a payout that has one."""
    assert payout.attempt is not None
    return payout.attempt

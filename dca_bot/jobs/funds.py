"""The source wallet's balance against what is owed, and the operators' top-up invoice."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.chat.herald import Herald
from dca_bot.core import payout as rules
from dca_bot.core.payout import FUNDS, PayoutState
from dca_bot.core.ports import Clock, Invoice, Wallet
from dca_bot.core.programme import Programme
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.ledger import facts, payouts
from dca_bot.ledger.clients import INVOICE_KEY
from dca_bot.ledger.database import Database, Tx
from dca_bot.ledger.instant import instant, micros

RETRY_WITHOUT_INVOICE = timedelta(hours=6)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Funds:
    """What the source wallet can still pay in this round; `refresh` starts one."""

    database: Database
    wallet: Wallet
    herald: Herald
    programme: Programme
    clock: Clock
    balance_msat: int = field(default=0, init=False)
    left_msat: int = field(default=0, init=False)
    was_short: bool = field(default=False, init=False)

    async def refresh(self) -> None:
        """Ask LNbits for the balance."""
        self.balance_msat = self.left_msat = await self.wallet.balance_msat()
        self.was_short = False

    def covers(self, needed_msat: int) -> bool:
        """Tell whether the wallet has so much left; a no is remembered for `report`."""
        self.was_short = self.was_short or needed_msat > self.left_msat
        return needed_msat <= self.left_msat

    def spend(self, spent_msat: int) -> None:
        """Take what has left the wallet off the balance."""
        self.left_msat -= spent_msat

    async def report(self) -> None:
        """Send the operators one top-up invoice while payouts wait for funds, and the all-clear."""
        now = self.clock.now()
        noted = await self.database.read(lambda tx: facts.get(tx, facts.SHORTAGE))
        if not self.was_short:
            if noted is not None and not await self.database.read(_is_waiting):
                await self.database.transact(self._all_clear)
        elif noted is None or self._is_used_up(noted, now):
            await self._ask_for_top_up()

    def _is_used_up(self, noted: str, now: datetime) -> bool:
        """Tell whether the last top-up invoice has expired, or was paid and did not suffice."""
        expires_at, left_msat, asked_sat = (int(part) for part in noted.split())
        was_paid = asked_sat > 0 and self.balance_msat >= left_msat + asked_sat * 1000
        return was_paid or instant(expires_at) <= now

    def _all_clear(self, tx: Tx) -> None:
        if facts.drop(tx, facts.SHORTAGE):
            self.herald.funds_back(tx, self.clock.now())

    async def _ask_for_top_up(self) -> None:
        needed_msat = await self.database.read(_needed_msat)
        short_sat = -(-(needed_msat - self.left_msat) // 1000)
        wanted_sat = max(short_sat, self.programme.top_up_to_sat - self.left_msat // 1000)
        invoice = await self._invoice(wanted_sat) or await self._invoice(short_sat)
        expires_at = invoice.expires_at if invoice else self.clock.now() + RETRY_WITHOUT_INVOICE

        asked_sat = invoice.amount_msat // 1000 if invoice else 0

        def work(tx: Tx) -> None:
            noted = f"{micros(expires_at)} {self.left_msat} {asked_sat}"
            facts.put(tx, facts.SHORTAGE, noted)
            self.herald.short_of_funds(
                tx,
                owed_sat=payouts.owed(tx)[1],
                short_sat=short_sat,
                bolt11=invoice.bolt11 if invoice else "",
                amount_sat=asked_sat,
                expires_at=expires_at,
                now=self.clock.now(),
            )

        await self.database.transact(work)
        _log.warning("source wallet short of funds short_sat=%d", short_sat)

    async def _invoice(self, amount_sat: int) -> Invoice | None:
        """Have a top-up invoice made; None if LNbits won't, as above its own limit."""
        try:
            return await self.wallet.top_up_invoice(
                amount_sat=amount_sat,
                memo=rules.TOP_UP_MEMO,
                expiry_s=int(rules.TOP_UP_LIFE.total_seconds()),
            )
        except (LnbitsUnavailable, LnbitsRefused) as error:
            _log.warning("no top-up invoice amount_sat=%d detail=%s", amount_sat, error)
            return None


def _is_waiting(tx: Tx) -> bool:
    return any(payout.waiting == FUNDS for payout in payouts.open_payouts(tx))


def _needed_msat(tx: Tx) -> int:
    return sum(
        rules.needed_msat(
            payout.amount_sat,
            internal=payout.destination is not None and payout.destination.kind == INVOICE_KEY,
        )
        for payout in payouts.open_payouts(tx)
        if payout.debited_at is None and payout.state is not PayoutState.HELD
    )

"""Holds the source wallet's balance against the payouts' need, and sends the operators top-up invoices."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dca_bot.core import funds as rules
from dca_bot.core.funds import Levels, Purse, Step, TopUp, Trouble
from dca_bot.core.money import sat_floor
from dca_bot.core.payout import TOP_UP_LIFE, TOP_UP_MEMO
from dca_bot.core.ports import Clock, Invoice, Wallet
from dca_bot.core.programme import Programme
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable
from dca_bot.ledger.payouts import payout_need, top_ups
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

_RETRY_WITHOUT_INVOICE = timedelta(hours=6)
_RENEWED_EVERY_MIN = timedelta(hours=1)
"""Least life of a top-up invoice, even if LNbits' clock is far behind the bot's."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Funds:
    """What the source wallet can still pay in a round of the payout worker; `refresh` starts a round.

    `seen_msat`: the balance that LNbits has told last; None before LNbits has answered. `left_msat`: balance
    at the start of the round, less what was spent since. `kept_back_msat`: need of the last payout in this
    round that the wallet lacked the sats for, or 0.
    """

    database: Database
    wallet: Wallet
    notices: Notices
    programme: Programme
    clock: Clock
    seen_msat: int | None = field(default=None, init=False)
    left_msat: int = field(default=0, init=False)
    kept_back_msat: int = field(default=0, init=False)
    _at_start: Purse = field(default=Purse(0, 0), init=False)
    _told: TopUp | None = field(default=None, init=False)

    async def refresh(self) -> None:
        """Start a round: ask LNbits for the balance, then read the need, before anything is paid.

        Raise LnbitsUnavailable or LnbitsRefused.
        """
        self._told, self._at_start = await self._look()
        self.left_msat = self._at_start.balance_msat
        self.kept_back_msat = 0

    async def report(self, *, was_idle: bool = False) -> None:
        """Send the operators the next notice about the funds, if `core/funds` calls for a notice.

        Unless the round `was_idle` it has held, taken back or sent payouts, so balance and need are read
        again before a notice. Raise LnbitsUnavailable or LnbitsRefused.
        """
        told, purse = self._told, self._at_start
        if not was_idle:
            told, is_waiting = await self.database.read(_read_told)
            purse = replace(purse, is_waiting=is_waiting)
        purse = self._of_round(purse, has_msat=self.left_msat)
        if self._step(purse, told) is Step.NOTHING:
            return
        told, fresh = await self._look()
        purse = self._of_round(fresh, has_msat=fresh.balance_msat)
        match self._step(purse, told):
            case Step.ASK:
                await self._ask(Trouble.SHORT, purse, told)
            case Step.WARN:
                await self._ask(Trouble.LOW, purse, told)
            case Step.EASE:
                assert told is not None
                await self.database.transact(lambda tx: self._ease(tx, purse, told))
            case Step.ALL_CLEAR:
                assert told is not None
                await self.database.transact(lambda tx: self._all_clear(tx, purse, told))
            case Step.NOTHING:
                pass

    def _of_round(self, purse: Purse, *, has_msat: int) -> Purse:
        """Return a purse with the facts of this round.

        `has_msat`: the wallet's balance for the payout that was kept back.
        """
        kept_back_msat = self.kept_back_msat if self.kept_back_msat > has_msat else 0
        return replace(purse, peak_msat=self._at_start.balance_msat, kept_back_msat=kept_back_msat)

    def _step(self, purse: Purse, told: TopUp | None) -> Step:
        return rules.next_step(purse, self._levels, told, self.clock.now())

    @property
    def _levels(self) -> Levels:
        return Levels(self.programme.low_balance_sat, self.programme.top_up_to_sat)

    async def _look(self) -> tuple[TopUp | None, Purse]:
        """Ask LNbits for the balance, then read the last notice and the need."""
        balance_msat = self.seen_msat = await self.wallet.balance_msat()

        def work(tx: Tx) -> tuple[TopUp | None, Purse]:
            need = payout_need.need(tx, self.programme.ceilings, now=self.clock.now())
            told, is_waiting = _read_told(tx)
            return told, Purse(balance_msat, need.needed_msat, is_waiting=is_waiting)

        return await self.database.read(work)

    def _ease(self, tx: Tx, purse: Purse, told: TopUp) -> None:
        low = TopUp(Trouble.LOW, told.expires_at, told.balance_msat, told.asked_sat)
        top_ups.note(tx, low)
        self.notices.funds.eased(tx, low, free_sat=_free_sat(purse), now=self.clock.now())

    def _all_clear(self, tx: Tx, purse: Purse, told: TopUp) -> None:
        if top_ups.forget(tx):
            self.notices.funds.enough(
                tx, told.trouble, free_sat=_free_sat(purse), now=self.clock.now()
            )

    async def _ask(self, trouble: Trouble, purse: Purse, told: TopUp | None) -> None:
        """Have a top-up invoice made and send the operators the invoice, in place of the last invoice."""
        least_sat = rules.least_sat(purse, self._levels, trouble)
        if least_sat <= 0:
            return
        invoice = await self._invoice(rules.wanted_sat(purse, self._levels))
        invoice = invoice or await self._invoice(least_sat)
        now = self.clock.now()
        top_up = TopUp(
            trouble,
            expires_at=_expiry(invoice, now) if invoice else now + _pause(trouble),
            balance_msat=purse.balance_msat,
            asked_sat=sat_floor(invoice.amount_msat) if invoice else 0,
        )
        bolt11 = invoice.bolt11 if invoice else ""

        def work(tx: Tx) -> None:
            top_ups.note(tx, top_up)
            if trouble is Trouble.LOW:
                free_sat = _free_sat(purse)
                self.notices.funds.low(tx, top_up, bolt11, free_sat=free_sat, now=now)
            else:
                self.notices.funds.short(
                    tx, top_up, bolt11, short_sat=least_sat, instead_of=told, now=now
                )

        await self.database.transact(work)
        _log.warning("source wallet %s of funds least_sat=%d", trouble, least_sat)

    async def _invoice(self, amount_sat: int) -> Invoice | None:
        """Have a top-up invoice made; None if LNbits makes none, above LNbits' own limit for example."""
        try:
            return await self.wallet.top_up_invoice(
                amount_sat=amount_sat, memo=TOP_UP_MEMO, expiry_s=int(TOP_UP_LIFE.total_seconds())
            )
        except (LnbitsUnavailable, LnbitsRefused) as error:
            _log.warning("no top-up invoice amount_sat=%d detail=%s", amount_sat, error)
            return None


def _read_told(tx: Tx) -> tuple[TopUp | None, bool]:
    """Return the last notice, and whether a payout waits for funds."""
    return top_ups.told(tx), payout_need.is_waiting_for_funds(tx)


def _expiry(invoice: Invoice, now: datetime) -> datetime:
    return min(max(invoice.expires_at, now + _RENEWED_EVERY_MIN), now + TOP_UP_LIFE)


def _pause(trouble: Trouble) -> timedelta:
    """Return the pause before the next try to have an invoice made."""
    return _RETRY_WITHOUT_INVOICE if trouble is Trouble.SHORT else TOP_UP_LIFE


def _free_sat(purse: Purse) -> int:
    return max(sat_floor(purse.free_msat), 0)

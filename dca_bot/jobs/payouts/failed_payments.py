"""What is done about a payment to a Lightning address that LNbits calls failed, or shows no more.

The invariant: LNbits' word alone gives no invoice up (`core.witness` says whose word does); until
somebody has spoken, the payout stays in doubt and nothing of it is sent.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core import payout as rules
from dca_bot.core import witness
from dca_bot.core.names import short_id
from dca_bot.core.payout import Finding, PayoutState
from dca_bot.core.ports import PaymentStatus
from dca_bot.core.witness import Step, Witness
from dca_bot.jobs.payouts.context import Till
from dca_bot.ledger.payouts import holds, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldKind, HoldOutcome, HoldReason
from dca_bot.ledger.payouts.payouts import Attempt, Payout
from dca_bot.ledger.store.database import Tx

LOOK_AGAIN = timedelta(minutes=10)
LOOK_AGAIN_LATE = timedelta(hours=1)
ASKED_AGAIN = timedelta(days=1)
"""A question to the operators that LNbits has taken back for longer is asked anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Sees to one payout to a Lightning address that is in doubt."""

    till: Till

    async def ask(self, payout: Payout, attempt: Attempt, *, is_failed: bool) -> None:
        """LNbits says failed of a payment that left LNbits: one witness is no proof."""
        now = self.till.clock.now()

        def work(tx: Tx) -> Step:
            case = witnesses.case_of(tx, payout, attempt, is_failed=is_failed)
            step = witness.next_step(case, now)
            match step:
                case Step.BOOK_AS_PAID:
                    self._book_as_arrived(tx, transitions.put_in_doubt(tx, payout), now)
                case Step.ASK_OPERATORS:
                    self._ask_operators(tx, payout, now)
                case Step.WAIT:
                    self._wait_in_doubt(tx, payout, attempt, now)
                case Step.VOID:
                    pass
            return step

        if await self.till.database.transact(work) is Step.VOID:
            await self._void_by_payee(payout, attempt)

    def _book_as_arrived(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Book what the payee's server has proven by its preimage."""
        transitions.book_as_arrived(tx, payout, now=now)
        holds.close(tx, HoldKind.PAYOUT, payout.id, outcome=HoldOutcome.BY_ITSELF, now=now)
        self.till.notices.clients.payout_arrived(tx, payout, now)
        _log.warning("payout proven by the payee's server payout=%s", short_id(payout.id))

    def _ask_operators(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Hold a payout in doubt: the operators say whether it has arrived."""
        doubted = transitions.put_in_doubt(tx, payout)
        until = now + LOOK_AGAIN
        transitions.defer(tx, doubted, waiting=_why_in_doubt(payout), until=until)
        reason, asked_at = HoldReason.FAILED_TO_ADDRESS, doubted.submitted_at or now
        if holds.reopen(
            tx, HoldKind.PAYOUT, payout.id, reason, since=max(asked_at, now - ASKED_AGAIN)
        ):
            return  # LNbits goes to and fro: the operators know.
        hold = holds.open_hold(tx, HoldKind.PAYOUT, payout.id, reason, now=now)
        if hold is not None:
            self.till.notices.hold_opened(tx, hold, now)
            _log.error("payout in doubt, the operators decide payout=%s", short_id(payout.id))

    def _wait_in_doubt(self, tx: Tx, payout: Payout, attempt: Attempt, now: datetime) -> None:
        doubted = transitions.put_in_doubt(tx, payout)
        if payout.state is PayoutState.SUBMITTED:
            tell_of_doubt(self.till, tx, doubted, now)
        is_over = now > rules.over_at(attempt.expires_at)
        until = now + (LOOK_AGAIN_LATE if is_over else LOOK_AGAIN)
        transitions.defer(tx, doubted, waiting=_why_in_doubt(payout), until=until)

    async def _void_by_payee(self, payout: Payout, attempt: Attempt) -> None:
        """Give an attempt up on the payee's word, if the source wallet says the same once more."""
        # By the clock two looks lie a day apart; a clock that leaps brings them together.
        payment, finding = await self.till.look_up(payout, over_for=witness.LOOKS_APART)
        now = self.till.clock.now()
        if finding is Finding.FAILED:
            await self.till.move(lambda tx: self._wait_in_doubt(tx, payout, attempt, now))
            return
        if payment is None or finding is not Finding.DEAD:
            return  # The next round sees to what has changed meanwhile.

        def work(tx: Tx) -> None:
            transitions.void_by_verdict(
                tx, transitions.put_in_doubt(tx, payout), Witness.VERIFY, now=now
            )
            tell_if_last(self.till, tx, payout, now)

        await self.till.move(work)
        _log.warning("payout void payout=%s attempt=%d", short_id(payout.id), attempt.number)


def was_seen(payout: Payout) -> bool:
    """Tell whether a payment was seen at the source wallet, or is in doubt for another reason."""
    return payout.source_status != "" or payout.state is PayoutState.IN_DOUBT


def tell_of_doubt(till: Till, tx: Tx, payout: Payout, now: datetime) -> None:
    """Tell the operators once of an attempt that LNbits calls failed, however often it does."""
    if payout.doubt_told_at is None:
        transitions.note_doubt_told(tx, payout, now=now)
        till.notices.payouts.in_doubt(tx, payout, now)


def tell_if_last(till: Till, tx: Tx, payout: Payout, now: datetime) -> None:
    """Tell the operators of a void payout that gets no new attempt by itself."""
    if payout.attempts >= rules.ATTEMPTS_MAX:
        till.notices.payouts.void(tx, payout, now)


def _why_in_doubt(payout: Payout) -> rules.Waiting:
    is_failed = payout.source_status == PaymentStatus.FAILED
    return rules.Waiting.FAILED if is_failed else rules.Waiting.VANISHED

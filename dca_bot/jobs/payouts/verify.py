"""Asks payees' servers whether invoices of Lightning addresses are settled (LUD-21).

The invariant: nothing in this module pays a payout or gives an invoice up. Answers are recorded; the
payout worker decides. The verifier runs beside the payout worker, so that a slow server delays no payout.
"""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from dca_bot.core.names import short_id
from dca_bot.core.payout import IN_QUESTION, UNSENT, PayoutState
from dca_bot.core.ports import Addresses, Clock, VerifyAnswer
from dca_bot.core.witness import Outcome, Said, Witness, proves
from dca_bot.errors import DestinationUnavailable
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.payouts import deferral, payouts, transitions, witnesses
from dca_bot.ledger.payouts.holds import HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.witnesses import Question
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

LOOK_S = 30
BATCH = 20
AT_ONCE = 4
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Verifier:
    """Asks about every sent invoice that has a URL to ask; `run` never ends."""

    database: Database
    addresses: Addresses
    notices: Notices
    clock: Clock
    signals: Signals
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Ask about each invoice when due, at most every LOOK_S seconds; never return."""
        while True:
            next_at = await self.database.read(witnesses.next_due_at)
            if next_at is not None and next_at <= self.clock.now():
                async with self._boundary.over(Guarded.VERIFY):
                    await self.look_once()
                next_at = await self.database.read(witnesses.next_due_at)
            pause_s = pause_until(self.clock.now(), next_at, least_s=LOOK_S)
            await self.signals.verify.wait(self.clock, pause_s)

    async def look_once(self) -> None:
        """Ask about the due invoices, a few at a time."""
        now = self.clock.now()
        due = await self.database.read(partial(witnesses.due, now=now, limit=BATCH))
        room = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._ask(question, room) for question in due))

    async def _ask(self, question: Question, room: asyncio.Semaphore) -> None:
        async with room:
            try:
                answer = await self.addresses.verify(question.verify_url)
            except DestinationUnavailable:
                answer = None
        said = judge(answer, question)
        if await self.database.transact(lambda tx: self._record(tx, question, said, answer)):
            self.signals.payouts.ring()
            self.signals.outbox.ring()
        _log.info("payee's server asked payout=%s said=%s", short_id(question.payout_id), said)

    def _record(self, tx: Tx, question: Question, said: Said, answer: VerifyAnswer | None) -> bool:
        """Record an answer; return whether the payout is in question, or a given-up invoice was paid."""
        now = self.clock.now()
        payout = payouts.by_id(tx, question.payout_id)
        assert payout is not None
        witnesses.note_look(tx, question, payout, said, now=now)
        if witnesses.was_given_up(tx, payout, question.number):
            if said is Said.SETTLED:
                self._stop_paying_again(tx, payout, question, now)
            return said is Said.SETTLED
        if said is Said.SETTLED and answer is not None:
            witnesses.record_verdict(
                tx, payout, Outcome.ARRIVED, Witness.VERIFY, preimage=answer.preimage, now=now
            )
        is_in_question = payout.state in IN_QUESTION
        if is_in_question:
            deferral.look_again(tx, payout, now=now)
        return is_in_question

    def _stop_paying_again(self, tx: Tx, payout: Payout, question: Question, now: datetime) -> None:
        """Hold a payout whose given-up invoice was paid after all; tell of a payout that is paid twice."""
        witnesses.forget(tx, question.payout_id, question.number)
        if payout.state is PayoutState.VOID:
            transitions.retry(tx, payout, now=now)
            payout = replace(payout, state=PayoutState.PLANNED)
        if payout.state not in UNSENT:
            self.notices.payouts.given_up_proven(tx, payout, question.payment_hash, now)
            return
        hold = transitions.hold(tx, payout, HoldReason.ARRIVED_AFTER_ALL, now=now)
        if hold is not None:
            self.notices.hold_opened(tx, hold, now)


def judge(answer: VerifyAnswer | None, question: Question) -> Said:
    """Judge an answer (None: no clear answer): only a preimage of the payment hash proves a payment."""
    if answer is None:
        return Said.UNCLEAR
    if proves(answer.preimage, question.payment_hash):
        return Said.SETTLED
    if answer.bolt11 and answer.bolt11.lower() != question.bolt11.lower():
        return Said.UNCLEAR
    return Said.UNPROVEN if answer.is_settled else Said.UNSETTLED

"""Notices to operators about payouts."""

from datetime import datetime

from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.payouts.slow_destinations import SlowDestination
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices.writer import NoticeWriter
from dca_bot.messages.say import Moment, Sat, Say


class PayoutNotices:
    """Words and writes notices about payouts to the operators."""

    def __init__(self, writer: NoticeWriter) -> None:
        self._writer = writer

    def in_doubt(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that LNbits calls a payment failed, and until when the payment may still arrive."""
        expiry = payout.attempt.expires_at if payout.attempt else now
        told = Say(
            "notice.payout_in_doubt", payout=describe.payout_short(payout), expiry=Moment(expiry)
        )
        self._writer.tell_operators(tx, told, now)

    def alert(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that sats may have left without arriving; the bot does not pay again by itself."""
        told = Say(
            "notice.payout_alert",
            payout=describe.payout_short(payout),
            hash=describe.payment_hash(payout),
            why=describe.waiting(payout.wait),
        )
        self._writer.tell_operators(tx, told, now)

    def slow(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that a payout was sent and has not settled for long, with LNbits' words."""
        told = Say(
            "notice.payout_slow",
            payout=describe.payout_short(payout),
            wallet=describe.destination(payout.destination),
            at=Moment(payout.submitted_at or now),
            why=describe.waiting(payout.wait),
            said=describe.lnbits_said(payout),
            hash=describe.payment_hash(payout),
        )
        self._writer.tell_operators(tx, told, now)

    def void(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that a payout is proven unpaid, and that the bot makes no further attempt."""
        told = Say(
            "notice.payout_void", payout=describe.payout_short(payout), id=short_id(payout.id)
        )
        self._writer.tell_operators(tx, told, now)

    def cancelled_paid(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that LNbits has paid, or may pay, a cancelled payout."""
        told = Say("notice.cancelled_paid", payout=describe.payout_short(payout))
        self._writer.tell_operators(tx, told, now)

    def given_up_paid(self, tx: Tx, payout: Payout, payment_hash: str, now: datetime) -> None:
        """Tell that LNbits has paid, or may pay, an invoice that the bot gave up as unpaid."""
        is_void = payout.state is PayoutState.VOID
        told = Say(
            "notice.given_up_paid_void" if is_void else "notice.given_up_paid",
            payout=describe.payout_short(payout),
            hash=payment_hash,
            name=payout.client_name,
            id=short_id(payout.id),
        )
        self._writer.tell_operators(tx, told, now)

    def given_up_proven(self, tx: Tx, payout: Payout, payment_hash: str, now: datetime) -> None:
        """Tell that a given-up invoice was paid after the payout had gone on with another invoice."""
        told = Say(
            "notice.given_up_proven",
            payout=describe.payout_short(payout),
            hash=payment_hash,
            name=payout.client_name,
        )
        self._writer.tell_operators(tx, told, now)

    def destination_slow(self, tx: Tx, slow: SlowDestination, now: datetime) -> None:
        """Tell that payouts have waited for long because the destination does not take payments."""
        told = Say(
            "notice.destination_slow",
            n=slow.count,
            name=slow.client_name,
            sats=Sat(slow.sat),
            wallet=describe.destination(slow.destination),
            why=describe.waiting(slow.wait),
        )
        self._writer.tell_operators(tx, told, now)

"""Notices to operators about the sats in the source wallet."""

from datetime import datetime

from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.programme import Programme
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices.writer import NoticeWriter
from dca_bot.messages.owed import need_of
from dca_bot.messages.say import NOTHING, Bolt11, Field, Moment, Sat, Say


class FundsNotices:
    """Words and writes notices about the source wallet's sats to the operators."""

    def __init__(self, writer: NoticeWriter, programme: Programme) -> None:
        self._writer = writer
        self._programme = programme

    def low(self, tx: Tx, top_up: TopUp, bolt11: str, *, free_sat: int, now: datetime) -> None:
        """Warn before a payout has to wait; with a top-up invoice unless `bolt11` is empty."""
        free = Sat(free_sat)
        told = (
            Say("notice.low_on_funds", free=free, **_invoice(top_up, bolt11))
            if bolt11
            else Say("notice.low_without_invoice", free=free)
        )
        self._writer.tell_operators(tx, told, now)

    def short(
        self,
        tx: Tx,
        top_up: TopUp,
        bolt11: str,
        *,
        short_sat: int,
        instead_of: TopUp | None,
        now: datetime,
    ) -> None:
        """Ask for a top-up because payouts wait; with an invoice unless `bolt11` is empty.

        `instead_of`: the top-up whose invoice this notice replaces.
        """
        owed, short = Sat(need_of(tx, self._programme, now).amount_sat), Sat(short_sat)
        if not bolt11:
            told = Say("notice.short_without_invoice", owed=owed, short=short)
            self._writer.tell_operators(tx, told, now)
            return
        was_warned = instead_of is not None and instead_of.trouble is Trouble.LOW
        told = Say(
            "notice.short_of_funds",
            owed=owed,
            short=short,
            instead=Say("notice.instead_of_warning") if was_warned else NOTHING,
            **_invoice(top_up, bolt11),
        )
        self._writer.tell_operators(tx, told, now)

    def eased(self, tx: Tx, top_up: TopUp, *, free_sat: int, now: datetime) -> None:
        """Tell that payouts go on, and that the top-up is still needed."""
        told = Say(
            "notice.funds_eased",
            free=Sat(free_sat),
            amount=Sat(top_up.asked_sat),
            expiry=Moment(top_up.expires_at),
        )
        self._writer.tell_operators(tx, told, now)

    def enough(self, tx: Tx, trouble: Trouble, *, free_sat: int, now: datetime) -> None:
        """Tell that the shortage or the warning is over."""
        key = "notice.funds_back" if trouble is Trouble.SHORT else "notice.funds_refilled"
        self._writer.tell_operators(tx, Say(key, free=Sat(free_sat)), now)


def _invoice(top_up: TopUp, bolt11: str) -> dict[str, Field]:
    """Return the fields of each text with a top-up invoice."""
    return {
        "invoice": Bolt11(bolt11),
        "amount": Sat(top_up.asked_sat),
        "expiry": Moment(top_up.expires_at),
    }

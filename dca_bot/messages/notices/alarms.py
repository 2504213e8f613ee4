"""Notices to operators about the bot: what keeps the bot from working or from paying."""

from collections.abc import Sequence
from datetime import datetime

from dca_bot.core.lease import Dispute, short_name
from dca_bot.core.programme import Programme
from dca_bot.errors import LedgerError, OffsiteFailed
from dca_bot.ledger.correspondence import outbox
from dca_bot.ledger.programme.start import Start
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices.writer import NoticeWriter
from dca_bot.messages.say import NOTHING, Moment, Say, Word

MissedRow = tuple[datetime, str, str]
_MISSED_LINES = 15
"""So many lines of a list of messages fit into one notice."""
_CLOCK = "clock"
"""The alarm that the clock is in doubt."""


class AlarmNotices:
    """Words and writes notices about the bot to the operators."""

    def __init__(self, writer: NoticeWriter, programme: Programme, bot_name: str) -> None:
        self._writer = writer
        self._programme = programme
        self._bot_name = bot_name

    def raised(
        self, tx: Tx, name: str, told: Say, now: datetime, *, except_for: str | None = None
    ) -> None:
        """Raise an alarm, to each operator but the pubkey `except_for`.

        An unsent notice of the alarm can be withdrawn by the alarm's name.
        """
        self._writer.tell_operators(tx, told, now, except_for, alarm=name)

    def ended(
        self,
        tx: Tx,
        name: str,
        *,
        over: Say,
        unheard: Say,
        now: datetime,
        except_for: str | None = None,
    ) -> None:
        """End an alarm: tell `over`, or `unheard` to an operator whom no notice of the alarm has reached."""
        missed = outbox.withdraw(tx, name, now=now)
        for operator in sorted(self._programme.operators - {except_for}):
            told = unheard if operator in missed else over
            self._writer.tell_operator(tx, operator, told, now)

    def clock_doubted(self, tx: Tx, shown: datetime, now: datetime) -> None:
        """Tell that the clock went far back, and that the bot decides and pays nothing meanwhile."""
        told = Say("notice.clock_went_back", before=Moment(shown), today=Moment(now))
        self._writer.tell_operators(tx, told, now, alarm=_CLOCK)

    def clock_right(self, tx: Tx, now: datetime) -> None:
        """Tell that the clock is right again, to operators whom the notice of doubt has reached."""
        missed = outbox.withdraw(tx, _CLOCK, now=now)
        for operator in sorted(self._programme.operators - missed):
            self._writer.tell_operator(tx, operator, Say("notice.clock_right"), now)

    def clock_leapt(self, tx: Tx, before: datetime, now: datetime) -> None:
        """Tell that the clock seems to have been set ahead."""
        told = Say("notice.clock_leapt", before=Moment(before), now=Moment(now))
        self._writer.tell_operators(tx, told, now)

    def source_changed(self, tx: Tx, now: datetime, *, is_copy: bool) -> None:
        """Tell that nothing is paid while payouts of a former source wallet have not settled.

        `is_copy`: the ledger was put back, and that wallet's payments since the copy are unknown.
        """
        told = "notice.source_of_copy" if is_copy else "notice.source_changed"
        self._writer.tell_operators(tx, Say(told), now)

    def lease_disputed(self, tx: Tx, dispute: Dispute, now: datetime) -> None:
        """Tell that this bot has stopped paying because another bot may pay from the same wallet."""
        told = Say(
            "notice.lease_disputed",
            why=Word("lease", dispute.reason),
            me=self._bot_name,
            rival=short_name(dispute.rival.instance),
        )
        self._writer.tell_operators(tx, told, now)

    def lease_refused(self, tx: Tx, words: str, now: datetime) -> None:
        """Tell that nothing is paid because LNbits refuses the invoice that would keep the lease."""
        self._writer.tell_operators(tx, Say("notice.lease_refused", why=words), now)

    def restored(self, tx: Tx, polled_at: datetime | None, now: datetime) -> None:
        """Tell that the bot was started on a restored ledger, and what to do."""
        last = Say("status.last_poll", at=Moment(polled_at)) if polled_at else Say("status.no_poll")
        self._writer.tell_operators(tx, Say("notice.restored", last=last), now)

    def put_back(self, tx: Tx, made_at: datetime, now: datetime) -> None:
        """Tell that the command `restore` has put the ledger back, and how all goes on."""
        self._writer.tell_operators(tx, Say("notice.put_back", at=Moment(made_at)), now)

    def missed(self, tx: Tx, rows: Sequence[MissedRow], more: int, now: datetime) -> None:
        """List what was written to the bot since the copy that was put back, in several notices.

        `rows`: when, who and what, the oldest first; `more`: so many older messages are left out.
        """
        lines = [
            Say("notice.missed_line", at=Moment(at), who=who, text=text) for at, who, text in rows
        ]
        if more:
            lines.insert(0, Say("notice.missed_more", n=more))
        for start in range(0, len(lines), _MISSED_LINES):
            listed = tuple(lines[start : start + _MISSED_LINES])
            head = Say("notice.missed", n=len(rows) + more) if start == 0 else NOTHING
            self._writer.tell_operators(tx, Say("lines", lines=(head, *listed)), now)

    def start_moved_back(self, tx: Tx, begun: Start, now: datetime) -> None:
        """Tell that all is paused because an earlier `start_at` would bring in older cash-outs."""
        told = Say("notice.start_moved_back", start=Moment(begun.at), used=Moment(begun.used))
        self._writer.tell_operators(tx, told, now)

    def backup_failing(self, tx: Tx, error: LedgerError, now: datetime) -> None:
        """Tell that the bot cannot back the ledger up."""
        told = Say("notice.backup_failing", why=describe.ledger_fault(error))
        self._writer.tell_operators(tx, told, now)

    def offsite_failing(self, tx: Tx, place: str, error: OffsiteFailed, now: datetime) -> None:
        """Tell that a place keeps no copy of the ledger."""
        told = Say("notice.offsite_failing", place=place, why=describe.outside_failure(error))
        self._writer.tell_operators(tx, told, now)

    def offsite_works(self, tx: Tx, place: str, since: datetime, now: datetime) -> None:
        """Tell that a place has the newest copy again; `since` is the time of the first failure."""
        told = Say("notice.offsite_works", place=place, since=Moment(since))
        self._writer.tell_operators(tx, told, now)

    def copy_rehearsed_badly(self, tx: Tx, made_at: datetime, why: Say, now: datetime) -> None:
        """Tell that the newest copy on this computer could not be put back."""
        told = Say("notice.copy_rehearsed_badly", at=Moment(made_at), why=why)
        self._writer.tell_operators(tx, told, now)

    def restore_rehearsal_due(self, tx: Tx, last_at: datetime | None, now: datetime) -> None:
        """Ask the operators to rehearse a restore with the recovery key."""
        last = Say("notice.restore_rehearsal_last", at=Moment(last_at)) if last_at else NOTHING
        self._writer.tell_operators(tx, Say("notice.restore_rehearsal_due", last=last), now)

    def backup_works(self, tx: Tx, since: datetime, now: datetime) -> None:
        """Tell that backups work again; `since` is the time of the first failure."""
        self._writer.tell_operators(tx, Say("notice.backup_works", since=Moment(since)), now)

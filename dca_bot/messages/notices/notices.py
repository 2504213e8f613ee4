"""All notices together. `writer` says how a notice leaves."""

from collections.abc import Callable
from datetime import datetime

from dca_bot.core.names import short_id, short_npub
from dca_bot.core.programme import Programme
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.programme import clients
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices.alarms import AlarmNotices
from dca_bot.messages.notices.clients import ClientNotices
from dca_bot.messages.notices.funds import FundsNotices
from dca_bot.messages.notices.payouts import PayoutNotices
from dca_bot.messages.notices.writer import NoticeWriter
from dca_bot.messages.render import Texts
from dca_bot.messages.say import NOTHING, Moment, Say


class Notices:
    """All notices. `clients` go to clients; `payouts`, `funds`, `alarms` and holds go to operators."""

    def __init__(
        self,
        programme: Programme,
        texts: Texts,
        npub: Callable[[str], str] = str,
        *,
        bot_name: str = "",
    ) -> None:
        """Build the notices of a programme.

        `npub` encodes a pubkey for people. `bot_name` tells this bot from a bot on a copy of the ledger.
        """
        self._writer = writer = NoticeWriter(programme, texts)
        self.tell_client = writer.tell_client
        self.tell_operators = writer.tell_operators
        self.tell_operator = writer.tell_operator
        self._tell_person = writer.tell_person
        self.clients = ClientNotices(writer, programme)
        self.payouts = PayoutNotices(writer)
        self.funds = FundsNotices(writer, programme)
        self.alarms = AlarmNotices(writer, programme, bot_name)
        self.npub = npub

    @property
    def written(self) -> int:
        """Return how many notices were written so far: unchanged after work that told nobody."""
        return self._writer.written

    def hold_opened(self, tx: Tx, hold: Hold, now: datetime, *, told: Say | None = None) -> None:
        """Tell operators of a new hold; `told` adds details that the ledger does not keep."""
        lines = (describe.held(tx, hold), told or NOTHING, describe.choice(tx, hold))
        self.tell_operators(tx, Say("notice.hold_opened", hold=Say("lines", lines=lines)), now)

    def report_contradicts(
        self, tx: Tx, cash_out: RecordedCashOut, contradiction: Say, now: datetime
    ) -> None:
        """Tell operators that a machine's reports contradict a cash-out that was shared out nevertheless."""
        told = Say(
            "notice.report_contradicts",
            id=short_id(cash_out.id),
            machine=describe.short(cash_out.machine),
            at=Moment(cash_out.at),
            contradiction=contradiction,
        )
        self.tell_operators(tx, told, now)

    def code_over(self, tx: Tx, pubkey: str, now: datetime) -> None:
        """Tell a person whom a message with a code didn't reach in time."""
        self._tell_person(tx, pubkey, Say("notice.code_over"), now)

    def money_command(self, tx: Tx, actor_pubkey: str, done: Say, now: datetime) -> None:
        """Report a money command to all operators but the sender of the command."""
        client = clients.by_pubkey(tx, actor_pubkey)
        who = client.name if client else short_npub(self.npub(actor_pubkey))
        self.tell_operators(tx, Say("notice.money_command", who=who, done=done), now, actor_pubkey)

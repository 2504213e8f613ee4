"""Notices to clients."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from dca_bot.core.calendar import local_date
from dca_bot.core.clients import Mode, Notify
from dca_bot.core.destination_text import is_wallet_key
from dca_bot.core.moving_in import Opening
from dca_bot.core.periods import Period
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import payout_notices, statements
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.distributions import missed
from dca_bot.ledger.payouts import owed, unknown_payments
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.programme import clients, commission, deposits
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import account_table, describe, forecast_text, obstacles, statement_text
from dca_bot.messages.notices.writer import NoticeWriter
from dca_bot.messages.render import LANGUAGES
from dca_bot.messages.say import NOTHING, Fiat, LanguageOffer, Rate, Sat, Say


class ClientNotices:
    """Words and writes notices to clients."""

    def __init__(self, writer: NoticeWriter, programme: Programme) -> None:
        self._writer = writer
        self._programme = programme

    def welcome(self, tx: Tx, client: Client, now: datetime, *, offered: str) -> None:
        """Greet a client whom an operator has just added, and ask for the wallet.

        `offered`: the payable Lightning address of the client's profile; empty without such an address.
        """
        wallet = Say("welcome.offer", address=offered) if offered else Say("welcome.wallet")
        self._writer.tell_client(tx, client, self._greeting(client, wallet), now)

    def moved_in(
        self, tx: Tx, client: Client, opening: Opening, now: datetime, *, wallet: str
    ) -> None:
        """Greet an imported client; `client` has the opening balance and the mode of before.

        `wallet`: the destination of before, which the client has to send and to confirm; empty if unknown.
        """
        asked, pending, paid = Say("welcome.wallet"), NOTHING, NOTHING
        if wallet:
            is_key = is_wallet_key(wallet)
            asked = Say("welcome.moved" if is_key else "welcome.moved_address", address=wallet)
        if opening.pending_minor:
            pending = Say("welcome.brought_pending", amount=Fiat(sum(opening.pending_minor)))
        if opening.paid_sat:
            sats, fiat = Sat(opening.paid_sat), Fiat(opening.paid_minor)
            paid = Say("welcome.brought_paid", sats=sats, fiat=fiat)
        brought = Say("welcome.brought", balance=Fiat(client.balance_minor))
        others = (one for one in self._hindrances(tx, client) if one != Say("wallet.none"))
        lines = (self._greeting(client, asked), brought, pending, paid, *others)
        self._writer.tell_client(tx, client, Say("lines", lines=lines), now)

    def _greeting(self, client: Client, wallet: Say) -> Say:
        """Say how clients buy here, and ask for the wallet."""
        how, then = Say("welcome.flow"), NOTHING
        if not self._programme.flow_enabled or client.mode is Mode.FIXED:
            is_fixed = self._programme.fixed.enabled
            fixed = Say("welcome.fixed", margin=describe.margin(self._programme.fixed))
            how = fixed if is_fixed else Say("welcome.off")
            is_limited = client.fixed_limit_minor > 0
            then = Say("welcome.then_limit") if is_fixed and not is_limited else NOTHING
        others = [code for code in LANGUAGES if code != client.language]
        return Say(
            "notice.welcome",
            name=client.name,
            how=how,
            wallet=wallet,
            then=then,
            other=tuple(Say("welcome.also", offer=LanguageOffer(code)) for code in others),
        )

    def deposit_pending(
        self, tx: Tx, client: Client, amount_minor: int, now: datetime, *, is_new: bool = False
    ) -> None:
        """Tell a client that cash is noted; unless `is_new`, also what keeps the cash from buying."""
        told = Say("notice.deposit_pending", amount=Fiat(amount_minor))
        lines = (told,) if is_new else (told, *self._hindrances(tx, client))
        self._writer.tell_client(tx, client, Say("lines", lines=lines), now)

    def deposit_confirmed(self, tx: Tx, client: Client, deposit: Deposit, now: datetime) -> None:
        """Tell a client that a deposit counts; `client` has the new balance."""
        told = Say(
            "notice.deposit_confirmed",
            amount=Fiat(deposit.amount_minor),
            balance=Fiat(client.balance_minor),
        )
        lines = (told, *self._hindrances(tx, client))
        self._writer.tell_client(tx, client, Say("lines", lines=lines), now)

    def resumed(self, tx: Tx, client: Client, now: datetime) -> None:
        """Tell a client that the operator has ended the pause; `client` has the new state."""
        still = obstacles.to_client(client, self._programme)
        told = Say("notice.client_resumed_but") if still else Say("notice.client_resumed")
        self._writer.tell_client(tx, client, Say("lines", lines=(told, *still)), now)

    def deposit_low(self, tx: Tx, client: Client, level: str, now: datetime) -> None:
        """Ask a client for the next deposit; `level` is 'low' or 'used up'."""
        if level == "low":
            count = forecast_text.deposit_days(tx, self._programme, client, now)
            lasts = (
                NOTHING if count is None else Say("notice.lasts", days=forecast_text.days(count))
            )
            told = Say(
                "notice.deposit_low",
                balance=Fiat(client.balance_minor),
                lasts=lasts,
                next=_next_deposit(tx, client, "notice.next_soon"),
            )
        else:
            asked = _next_deposit(tx, client, "notice.next_to_go_on")
            unarrived_sat = owed.unarrived_sat(tx, client)
            told = Say("notice.deposit_arrived", next=asked)
            if unarrived_sat:
                told = Say("notice.deposit_used_up", sats=Sat(unarrived_sat), next=asked)
            told = Say("lines", lines=(told, obstacles.too_small_told(tx, self._programme, client)))
        self._writer.tell_client(tx, client, told, now)

    def note_low(
        self, tx: Tx, client_ids: Iterable[int], now: datetime, *, is_cash_back: bool = False
    ) -> None:
        """Ask the clients whose balance has just become low or used up for the next deposit.

        `is_cash_back`: a client got the balance back in cash, and is not asked once nothing is left.
        """
        sunk = clients.cross_low(tx, client_ids, self._programme.low_deposit_minor)
        for client_id, level in sunk.items():
            if level == "low" or not is_cash_back:
                self.deposit_low(tx, clients.by_id(tx, client_id), level, now)

    def payout_arrived(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell a client that sats have arrived, at once or in a digest, by the client's wish.

        A payment from before a backup was restored is not told again.
        """
        client = clients.by_id(tx, payout.client_id)
        if payout.attempt is not None and unknown_payments.is_remembered(
            tx, payout.attempt.payment_hash
        ):
            payout_notices.leave_untold(tx, payout)
            self._milestone(tx, payout)
            return
        self._congratulate(tx, client, payout, now)
        if not payout_notices.arrive(tx, payout, client):
            return
        if payout.is_commission:
            told = Say("notice.commission_arrived", sats=Sat(payout.amount_sat))
            self._writer.tell_client(tx, client, told, now)
            return
        told = Say(
            "notice.payout_arrived",
            sats=Sat(payout.amount_sat),
            fiat=Fiat(payout.minor),
            rate=Rate(payout.minor, payout.amount_sat),
            balance=Fiat(client.balance_minor),
        )
        lines = (told, _all_arrived(tx, client))
        self._writer.tell_client(tx, client, Say("lines", lines=lines), now)

    def digest(
        self, tx: Tx, client_id: int, now: datetime, *, urgency: Urgency = Urgency.BULK
    ) -> bool:
        """Tell a client of all payouts since the last digest; return False without a payout."""
        arrived = payout_notices.take(tx, client_id)
        if arrived is None:
            return False
        client = clients.by_id(tx, client_id)
        all_arrived = _all_arrived(tx, client) if arrived.minor else NOTHING
        lines = (describe.arrived(arrived, client), all_arrived)
        told = Say("lines", lines=lines)
        self._writer.tell_client(tx, client, told, now, urgency=urgency)
        return True

    def statement(self, tx: Tx, client_id: int, month: Period, now: datetime) -> bool:
        """Tell a client what a month brought, with the month's account as a file for whoever wants files.

        Return False for a client who is told nothing of the month.
        """
        if not statements.take(tx, client_id, month.month):
            return False
        client = clients.by_id(tx, client_id)
        told = statement_text.statement(tx, self._programme, client, month)
        if told is None:
            return False
        self._writer.tell_client(tx, client, told, now, urgency=Urgency.BULK)
        lines = account_table.of_period(tx, self._programme, client, month)
        self._writer.send_table(tx, client, lines, now)
        return True

    def sale_missed(self, tx: Tx, distribution_id: str, now: datetime) -> None:
        """Tell clients without a wallet of a missed cash-out; at most once on a local date."""
        for client in missed.of_distribution(tx, distribution_id):
            told = Say("notice.sale_missed", balance=Fiat(client.balance_minor))
            self._tell_missed(tx, client, told, now)
        for client in missed.waiting_for_wallet(tx, commission.split_id(distribution_id)):
            told = Say("notice.sats_wait", sats=Sat(client.owed_sat))
            self._tell_missed(tx, client, told, now)

    def run_missed(self, tx: Tx, now: datetime) -> None:
        """Tell clients without a wallet or limit of a missed fixed run; at most once on a local date."""
        for client in missed.would_miss_run(tx):
            told = Say("notice.run_missed", balance=Fiat(client.balance_minor))
            self._tell_missed(tx, client, told, now)

    def broadcast(self, tx: Tx, readers: Sequence[Client], text: str, now: datetime) -> None:
        """Pass an operator's words on to many clients."""
        for client in readers:
            told = Say("notice.broadcast", text=text)
            self._writer.tell_client(tx, client, told, now, urgency=Urgency.BULK)

    def _congratulate(self, tx: Tx, client: Client, payout: Payout, now: datetime) -> None:
        """Tell a client of a milestone that a payout has reached, unless `notify` is off."""
        reached_sat = self._milestone(tx, payout)
        if reached_sat is not None and client.notify is not Notify.OFF:
            told = Say("notice.milestone", sats=Sat(reached_sat))
            self._writer.tell_client(tx, client, told, now, urgency=Urgency.BULK)

    def _milestone(self, tx: Tx, payout: Payout) -> int | None:
        """Note the milestone that a payout has reached, and return it in sats; None for no new one."""
        if payout.is_commission:
            return None
        bought_sat = purchases.got(tx, payout.client_id).bought_sat
        return statements.reach_milestone(
            tx,
            payout.client_id,
            bought_sat=bought_sat,
            before_sat=max(bought_sat - payout.amount_sat, 0),
        )

    def _tell_missed(self, tx: Tx, client: Client, told: Say, now: datetime) -> None:
        zone, last = self._programme.timezone, missed.told_at(tx, client.id)
        if last is not None and local_date(last, zone) == local_date(now, zone):
            return
        missed.note_told(tx, client.id, now=now)
        lines = (told, *obstacles.to_client(client, self._programme))
        self._writer.tell_client(tx, client, Say("lines", lines=lines), now)

    def _hindrances(self, tx: Tx, client: Client) -> tuple[Say, ...]:
        """Say what keeps a client's cash from becoming bitcoin in the client's wallet."""
        too_small = obstacles.too_small_told(tx, self._programme, client)
        return (*obstacles.to_client(client, self._programme), too_small)


def _next_deposit(tx: Tx, client: Client, asked: str) -> Say:
    """Ask for the next deposit; a pending deposit is named instead."""
    pending_minor = deposits.pending_minor(tx, client.id)
    return Say("notice.next_is_noted", amount=Fiat(pending_minor)) if pending_minor else Say(asked)


def _all_arrived(tx: Tx, client: Client) -> Say:
    """Say that all of a client's cash is bitcoin in the client's wallet; NOTHING while a part is not."""
    if client.balance_minor or owed.unarrived_sat(tx, client):
        return NOTHING
    return Say("notice.all_arrived")

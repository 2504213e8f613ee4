"""Tells people what they did not ask for: each push is written into the caller's transaction.

So a message leaves if, and only if, what it tells of was committed. Clients are told in their own
language, operators in the programme's.
"""

from collections.abc import Callable
from datetime import datetime

from dca_bot.core.calendar import local_date
from dca_bot.core.funds import TopUp, Trouble
from dca_bot.core.lease import Dispute, short_name
from dca_bot.core.names import short_id
from dca_bot.core.payout import PayoutState
from dca_bot.core.programme import Programme
from dca_bot.ledger.correspondence import outbox, payout_notices
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.distributions import missed
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.payouts.payouts import Payout
from dca_bot.ledger.payouts.slow_destinations import SlowDestination
from dca_bot.ledger.programme import clients, commission, deposits
from dca_bot.ledger.programme.clients import RECIPIENT, Client
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.programme.start import Start
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, forecast_text, obstacles
from dca_bot.messages.owed import need_of
from dca_bot.messages.render import Texts
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Rate, Sat, Say, Word

CLOCK = "clock"
"""The alarm that the clock is in doubt."""


class Notices:
    """Writes pushes into the outbox.

    `npub` shows a public key as people know it; `bot_name` tells this bot from one on a copy.
    """

    def __init__(
        self,
        programme: Programme,
        texts: Texts,
        npub: Callable[[str], str] = str,
        *,
        bot_name: str = "",
    ) -> None:
        self._programme = programme
        self._texts = texts
        self._npub = npub
        self._bot_name = bot_name

    # Clients

    def welcome(self, tx: Tx, client: Client, now: datetime) -> None:
        """Greet a client whom the operator has just added."""
        how, then = Say("welcome.flow"), NOTHING
        if not self._programme.flow_enabled:
            is_fixed = self._programme.fixed.enabled
            how = Say("welcome.fixed") if is_fixed else Say("welcome.off")
            then = Say("welcome.then_limit") if is_fixed else NOTHING
        told = Say("notice.welcome", name=client.name, how=how, then=then)
        self.tell_client(tx, client, told, now)

    def deposit_pending(
        self, tx: Tx, client: Client, amount_minor: int, now: datetime, *, is_new: bool = False
    ) -> None:
        """Tell a client that cash is noted; a new one was just told what is still to be set."""
        told = Say("notice.deposit_pending", amount=Fiat(amount_minor))
        lines = (told,) if is_new else (told, *self._hindrances(tx, client))
        self.tell_client(tx, client, Say("lines", lines=lines), now)

    def deposit_confirmed(self, tx: Tx, client: Client, deposit: Deposit, now: datetime) -> None:
        """Tell a client that a deposit counts; `client` has the balance after it."""
        told = Say(
            "notice.deposit_confirmed",
            amount=Fiat(deposit.amount_minor),
            balance=Fiat(client.balance_minor),
        )
        lines = (told, *self._hindrances(tx, client))
        self.tell_client(tx, client, Say("lines", lines=lines), now)

    def client_resumed(self, tx: Tx, client: Client, now: datetime) -> None:
        """Tell a client that the operator has ended the pause; `client` is as after it."""
        still = obstacles.to_client(client, self._programme)
        told = Say("notice.client_resumed_but") if still else Say("notice.client_resumed")
        self.tell_client(tx, client, Say("lines", lines=(told, *still)), now)

    def sale_missed(self, tx: Tx, distribution_id: str, now: datetime) -> None:
        """Tell, at most once on a local date, the clients whom a cash-out passed by without a wallet."""
        for client in missed.of_distribution(tx, distribution_id):
            told = Say("notice.sale_missed", balance=Fiat(client.balance_minor))
            self._tell_missed(tx, client, told, now)
        for client in missed.waiting_for_wallet(tx, commission.split_id(distribution_id)):
            told = Say("notice.sats_wait", sats=Sat(client.owed_sat))
            self._tell_missed(tx, client, told, now)

    def run_missed(self, tx: Tx, now: datetime) -> None:
        """Tell, at most once on a local date, the clients whom a fixed run passed by."""
        for client in missed.would_miss_run(tx):
            told = Say("notice.run_missed", balance=Fiat(client.balance_minor))
            self._tell_missed(tx, client, told, now)

    def _tell_missed(self, tx: Tx, client: Client, told: Say, now: datetime) -> None:
        zone, last = self._programme.timezone, missed.told_at(tx, client.id)
        if last is not None and local_date(last, zone) == local_date(now, zone):
            return
        missed.note_told(tx, client.id, now=now)
        lines = (told, *obstacles.to_client(client, self._programme))
        self.tell_client(tx, client, Say("lines", lines=lines), now)

    def _hindrances(self, tx: Tx, client: Client) -> tuple[Say, ...]:
        """Tell what keeps a client's cash from becoming bitcoin in her wallet."""
        too_small = obstacles.too_small_told(tx, self._programme, client)
        return (*obstacles.to_client(client, self._programme), too_small)

    def payout_arrived(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell a client that sats were paid, or leave it to the digest, as the client wishes.

        What LNbits had paid before an old copy was put back came then, and was told then.
        """
        client = clients.by_id(tx, payout.client_id)
        if payout.attempt is not None and unknown_payments.is_remembered(
            tx, payout.attempt.payment_hash
        ):
            payout_notices.leave_untold(tx, payout)
            return
        if not payout_notices.arrive(tx, payout, client):
            return
        if payout.is_commission:
            told = Say("notice.commission_arrived", sats=Sat(payout.amount_sat))
            self.tell_client(tx, client, told, now)
            return
        told = Say(
            "notice.payout_arrived",
            sats=Sat(payout.amount_sat),
            fiat=Fiat(payout.minor),
            rate=Rate(payout.minor, payout.amount_sat),
            balance=Fiat(client.balance_minor),
        )
        self.tell_client(tx, client, told, now)

    def digest(
        self, tx: Tx, client_id: int, now: datetime, *, urgency: Urgency = Urgency.BULK
    ) -> bool:
        """Tell a client of all payouts that waited for it; False if there are none."""
        arrived = payout_notices.take(tx, client_id)
        if arrived is None:
            return False
        client = clients.by_id(tx, client_id)
        told = describe.arrived(arrived, client)
        self.tell_client(tx, client, told, now, urgency=urgency)
        return True

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
            owed = (
                Say("notice.still_owed", sats=Sat(client.owed_sat)) if client.owed_sat else NOTHING
            )
            asked = _next_deposit(tx, client, "notice.next_to_go_on")
            told = Say("notice.deposit_used_up", owed=owed, next=asked)
            told = Say("lines", lines=(told, obstacles.too_small_told(tx, self._programme, client)))
        self.tell_client(tx, client, told, now)

    def tell_client(
        self,
        tx: Tx,
        client: Client,
        told: Say,
        now: datetime,
        *,
        urgency: Urgency = Urgency.NOTICE,
    ) -> None:
        """Write to a client; a recipient of commission reads no messages."""
        if client.role == RECIPIENT:
            return
        text = self._texts.render(told, client.language)
        outbox.write(tx, client.pubkey, text, now=now, urgency=urgency)

    def note_low(
        self, tx: Tx, client_id: int, now: datetime, *, is_cash_back: bool = False
    ) -> None:
        """After a balance changed, ask for the next deposit if it has just become low or used up.

        Who got all of it back in cash is not asked.
        """
        level = clients.cross_low(tx, client_id, self._programme.low_deposit_minor)
        if level == "low" or (level and not is_cash_back):
            self.deposit_low(tx, clients.by_id(tx, client_id), level, now)

    def broadcast(self, tx: Tx, text: str, now: datetime) -> int:
        """Pass the operator's words on to all clients; return how many they are."""
        readers = clients.everyone(tx)
        for client in readers:
            told = Say("notice.broadcast", text=text)
            self.tell_client(tx, client, told, now, urgency=Urgency.BULK)
        return len(readers)

    # Operators

    def hold_opened(self, tx: Tx, hold: Hold, now: datetime, *, told: Say | None = None) -> None:
        """Tell what is held, why, and what to type, and what is known at this moment alone."""
        lines = (describe.held(tx, hold), told or NOTHING, describe.choice(tx, hold))
        self.tell_operators(tx, Say("notice.hold_opened", hold=Say("lines", lines=lines)), now)

    def report_contradicts(
        self, tx: Tx, cash_out: RecordedCashOut, contradiction: Say, now: datetime
    ) -> None:
        """Tell that a machine's reports contradict a sale that was shared out all the same."""
        told = Say(
            "notice.report_contradicts",
            id=short_id(cash_out.id),
            machine=describe.short(cash_out.machine),
            at=Moment(cash_out.at),
            contradiction=contradiction,
        )
        self.tell_operators(tx, told, now)

    def payout_in_doubt(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that LNbits calls a payout failed, which proves nothing yet."""
        expiry = payout.attempt.expires_at if payout.attempt else now
        told = Say(
            "notice.payout_in_doubt", payout=describe.payout_short(payout), expiry=Moment(expiry)
        )
        self.tell_operators(tx, told, now)

    def payout_alert(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that sats may have left without arriving, and that nobody pays again by itself."""
        told = Say(
            "notice.payout_alert",
            payout=describe.payout_short(payout),
            hash=describe.payment_hash(payout),
            why=describe.waiting(payout.waiting),
        )
        self.tell_operators(tx, told, now)

    def payout_slow(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that a payout was sent and does not settle, with LNbits' words if there are any."""
        told = Say(
            "notice.payout_slow",
            payout=describe.payout_short(payout),
            wallet=describe.destination(payout.destination),
            at=Moment(payout.submitted_at or now),
            why=describe.waiting(payout.waiting),
            said=describe.lnbits_said(payout),
            hash=describe.payment_hash(payout),
        )
        self.tell_operators(tx, told, now)

    def payout_void(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that a payout is proven unpaid and has no attempts left."""
        told = Say(
            "notice.payout_void", payout=describe.payout_short(payout), id=short_id(payout.id)
        )
        self.tell_operators(tx, told, now)

    def cancelled_paid(self, tx: Tx, payout: Payout, now: datetime) -> None:
        """Tell that LNbits has paid, or may pay, what was cancelled here."""
        told = Say("notice.cancelled_paid", payout=describe.payout_short(payout))
        self.tell_operators(tx, told, now)

    def given_up_paid(self, tx: Tx, payout: Payout, payment_hash: str, now: datetime) -> None:
        """Tell that LNbits has paid, or may pay, an invoice that was given up as unpaid."""
        is_void = payout.state is PayoutState.VOID
        told = Say(
            "notice.given_up_paid_void" if is_void else "notice.given_up_paid",
            payout=describe.payout_short(payout),
            hash=payment_hash,
            name=payout.client_name,
            id=short_id(payout.id),
        )
        self.tell_operators(tx, told, now)

    def given_up_proven(self, tx: Tx, payout: Payout, payment_hash: str, now: datetime) -> None:
        """Tell that an invoice that was given up has arrived, while the payout went on without it."""
        told = Say(
            "notice.given_up_proven",
            payout=describe.payout_short(payout),
            hash=payment_hash,
            name=payout.client_name,
        )
        self.tell_operators(tx, told, now)

    def source_changed(self, tx: Tx, now: datetime) -> None:
        """Tell that nothing is paid, as the source wallet is another one than before."""
        self.tell_operators(tx, Say("notice.source_changed"), now)

    def lease_disputed(self, tx: Tx, dispute: Dispute, now: datetime) -> None:
        """Tell that this bot has stopped paying, as another one pays or may pay from the same wallet."""
        told = Say(
            "notice.lease_disputed",
            why=Word("lease", dispute.reason),
            me=self._bot_name,
            rival=short_name(dispute.rival.instance),
        )
        self.tell_operators(tx, told, now)

    def lease_refused(self, tx: Tx, words: str, now: datetime) -> None:
        """Tell that nothing is paid, as LNbits makes no invoice to keep the lease in."""
        self.tell_operators(tx, Say("notice.lease_refused", why=words), now)

    def money_command(self, tx: Tx, actor_pubkey: str, done: Say, now: datetime) -> None:
        """Report a money command that was carried out to all operators but the one who gave it."""
        client = clients.by_pubkey(tx, actor_pubkey)
        who = client.name if client else describe.short(self._npub(actor_pubkey))
        self.tell_operators(tx, Say("notice.money_command", who=who, done=done), now, actor_pubkey)

    def restored(self, tx: Tx, polled_at: datetime | None, now: datetime) -> None:
        """Tell that the bot was started on a copy of the ledger, and what to do."""
        last = Say("status.last_poll", at=Moment(polled_at)) if polled_at else Say("status.no_poll")
        self.tell_operators(tx, Say("notice.restored", last=last), now)

    def start_moved_back(self, tx: Tx, begun: Start, now: datetime) -> None:
        """Tell that everything is paused because older cash-outs would count, and what to do."""
        told = Say("notice.start_moved_back", start=Moment(begun.at), used=Moment(begun.used))
        self.tell_operators(tx, told, now)

    def low_on_funds(
        self, tx: Tx, top_up: TopUp, bolt11: str, *, free_sat: int, now: datetime
    ) -> None:
        """Warn the operators before anything has to wait, with a top-up invoice if there is one."""
        free = Sat(free_sat)
        told = (
            Say("notice.low_on_funds", free=free, **_invoice(top_up, bolt11))
            if bolt11
            else Say("notice.low_without_invoice", free=free)
        )
        self.tell_operators(tx, told, now)

    def short_of_funds(
        self,
        tx: Tx,
        top_up: TopUp,
        bolt11: str,
        *,
        short_sat: int,
        instead_of: TopUp | None,
        now: datetime,
    ) -> None:
        """Ask the operators for a top-up, with an invoice that any wallet can pay, if there is one."""
        owed, short = Sat(need_of(tx, self._programme, now).amount_sat), Sat(short_sat)
        if not bolt11:
            told = Say("notice.short_without_invoice", owed=owed, short=short)
            self.tell_operators(tx, told, now)
            return
        was_warned = instead_of is not None and instead_of.trouble is Trouble.LOW
        told = Say(
            "notice.short_of_funds",
            owed=owed,
            short=short,
            instead=Say("notice.instead_of_warning") if was_warned else NOTHING,
            **_invoice(top_up, bolt11),
        )
        self.tell_operators(tx, told, now)

    def funds_eased(self, tx: Tx, top_up: TopUp, *, free_sat: int, now: datetime) -> None:
        """Tell that payouts go on, and that the invoice is still wanted."""
        told = Say(
            "notice.funds_eased",
            free=Sat(free_sat),
            amount=Sat(top_up.asked_sat),
            expiry=Moment(top_up.expires_at),
        )
        self.tell_operators(tx, told, now)

    def funds_back(self, tx: Tx, trouble: Trouble, *, free_sat: int, now: datetime) -> None:
        """Tell that the shortage, or the warning, is over."""
        key = "notice.funds_back" if trouble is Trouble.SHORT else "notice.funds_refilled"
        self.tell_operators(tx, Say(key, free=Sat(free_sat)), now)

    def destination_slow(self, tx: Tx, slow: SlowDestination, now: datetime) -> None:
        """Tell that a client's payouts have waited for long for where they go."""
        told = Say(
            "notice.destination_slow",
            n=slow.count,
            name=slow.client_name,
            sats=Sat(slow.sat),
            wallet=describe.destination(slow.destination),
            why=describe.waiting(slow.waiting),
        )
        self.tell_operators(tx, told, now)

    def alarm(self, tx: Tx, name: str, told: Say, now: datetime) -> None:
        """Raise an alarm; its letters can be withdrawn for as long as they haven't left."""
        self.tell_operators(tx, told, now, alarm=name)

    def all_clear(self, tx: Tx, name: str, *, over: Say, unheard: Say, now: datetime) -> None:
        """End an alarm: whom it never reached is told all of it at once, `unheard`."""
        missed = outbox.withdraw(tx, name, now=now)
        for operator in sorted(self._programme.operators):
            told = unheard if operator in missed else over
            text = self._texts.render(told, self._programme.language)
            outbox.write(tx, operator, text, now=now)

    def clock_doubted(self, tx: Tx, shown: datetime, now: datetime) -> None:
        """Tell that the clock went back so far that nothing is decided or paid."""
        told = Say("notice.clock_went_back", before=Moment(shown), today=Moment(now))
        self.tell_operators(tx, told, now, alarm=CLOCK)

    def clock_right(self, tx: Tx, now: datetime) -> None:
        """Tell that all goes on, whoever has heard that the clock was in doubt."""
        missed = outbox.withdraw(tx, CLOCK, now=now)
        text = self._texts.render(Say("notice.clock_right"), self._programme.language)
        for operator in sorted(self._programme.operators - missed):
            outbox.write(tx, operator, text, now=now)

    def clock_leapt(self, tx: Tx, before: datetime, now: datetime) -> None:
        """Tell that the clock was set ahead, as far as can be told."""
        told = Say("notice.clock_leapt", before=Moment(before), now=Moment(now))
        self.tell_operators(tx, told, now)

    def backup_failing(self, tx: Tx, why: str, now: datetime) -> None:
        """Tell that no copy of the ledger can be made."""
        self.tell_operators(tx, Say("notice.backup_failing", why=why), now)

    def backup_works(self, tx: Tx, since: datetime, now: datetime) -> None:
        """Tell that copies of the ledger can be made again; `since` is when they failed first."""
        self.tell_operators(tx, Say("notice.backup_works", since=Moment(since)), now)

    def tell_operators(
        self,
        tx: Tx,
        told: Say,
        now: datetime,
        except_for: str | None = None,
        *,
        alarm: str = "",
    ) -> None:
        """Write to every operator, but for the one who is answered anyway."""
        text = self._texts.render(told, self._programme.language)
        for operator in sorted(self._programme.operators):
            if operator != except_for:
                outbox.write(tx, operator, text, now=now, alarm=alarm)


def _next_deposit(tx: Tx, client: Client, asked: str) -> Say:
    """Ask for the next deposit, unless it is noted already and only has to get into the machine."""
    pending_minor = deposits.pending_minor(tx, client.id)
    return Say("notice.next_is_noted", amount=Fiat(pending_minor)) if pending_minor else Say(asked)


def _invoice(top_up: TopUp, bolt11: str) -> dict[str, Field]:
    """Return the fields of every text that has a top-up invoice in it."""
    return {
        "invoice": bolt11,
        "amount": Sat(top_up.asked_sat),
        "expiry": Moment(top_up.expires_at),
    }

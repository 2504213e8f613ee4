"""Tells ledger stories in few words: every step is one transaction on a real SQLite file."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from here import at_once, open_here
from scaffold import FLOW, cash_out_row, in_english, open_ledger

from dca_bot.core.cash_out import Amounts, Decision, Reason, Verdict
from dca_bot.core.ceilings import Ceilings
from dca_bot.core.payout import PayoutState
from dca_bot.core.ports import Invoice, Payment, PaymentStatus
from dca_bot.ledger.audit.audit import audit_ledger
from dca_bot.ledger.distributions import cash_outs, distributions, flow_mode
from dca_bot.ledger.payouts import booking, payout_need, payouts, planning, queue, transitions
from dca_bot.ledger.programme import clients, commission, deposits, machine_cash, machines
from dca_bot.ledger.programme.clients import Destination
from dca_bot.ledger.programme.machine_cash import CASH_IN, CASH_OUT, Flow
from dca_bot.ledger.store import accounts

CEILINGS = Ceilings(payout_max_sat=1_000_000, day_max_sat=10_000_000)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Destination(clients.INVOICE_KEY, "f" * 32)
ADDRESS = Destination(clients.ADDRESS, "ana@wallet.example")


def hex_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Story:
    """A ledger with a clock that only moves when told."""

    def __init__(self, folder):
        self.folder = folder
        self.now = START
        self.database = None
        self.open()

    def open(self):
        # Nobody else waits meanwhile: a thread for the file would only be waited for.
        self.database = at_once(open_ledger(self.folder, open_here))

    def close(self):
        at_once(self.database.aclose())

    def end(self):
        self.close()

    def do(self, work, *args, **named):
        """Run a ledger function as one transaction."""
        return at_once(self.database.transact(lambda tx: work(tx, *args, **named)))

    def read(self, work, *args, **named):
        return at_once(self.database.read(lambda tx: work(tx, *args, **named)))

    def sql(self, statement, *values):
        return self.do(lambda tx: tx.execute(statement, values).fetchall())

    def later(self, **delta):
        self.now += timedelta(**delta)
        return self.now

    def crash_in(self, steps):
        """Do steps whose transactions all break off at the very end, and open the file anew."""
        whole = self.do

        def broken(work, *args, **named):
            def breaks_off(tx):
                work(tx, *args, **named)
                raise ConnectionAbortedError

            return whole(breaks_off)

        self.do = broken
        with suppress(ConnectionAbortedError):
            steps()
        self.do = whole
        self.close()
        self.open()

    # Clients and their cash

    def client(self, name, *, balance=0, destination=KEY, pubkey=None):
        pubkey = pubkey or hex_of(name)
        client = self.do(clients.add, name=name, pubkey=pubkey, language="en", now=self.now)
        if destination:
            self.do(clients.set_destination, client.id, destination)
        if balance:
            self.deposit(client.id, balance)
        return client.id

    def recipient(self, name, percent_bp=0, *, destination=KEY):
        """Have somebody who gets commission and is no client."""
        named = {"name": name, "destination": destination, "language": "en"}
        added = self.do(commission.add_recipient, **named, now=self.now)
        if percent_bp:
            self.percent(added.id, percent_bp)
        return added.id

    def percent(self, client_id, percent_bp):
        """Set what somebody gets of the commission; 0 removes."""
        if percent_bp:
            return self.do(commission.set_share, client_id, percent_bp, now=self.now)
        return self.do(commission.remove_share, client_id, now=self.now)

    def pending(self, client_id, minor):
        return self.do(deposits.add, client_id, amount_minor=minor, note="", now=self.now)

    def confirm(self, deposit, *, machine=None):
        self.do(deposits.confirm, deposit, machine=machine, now=self.now)
        return self.read(deposits.by_id, deposit.id)

    def deposit(self, client_id, minor, *, machine=None):
        return self.confirm(self.pending(client_id, minor), machine=machine)

    def withdraw(self, client_id, minor):
        self.do(deposits.withdraw, client_id, amount_minor=minor, note="", now=self.now)

    def state(self, client_id, state):
        self.do(lambda tx: clients.set_state(tx, clients.by_id(tx, client_id), state))

    def balance(self, client_id):
        return self.read(accounts.balance, accounts.balance_of(client_id))

    def owed(self, client_id):
        return self.read(accounts.balance, accounts.owed_to(client_id))

    def total(self, account):
        return self.read(accounts.balance, account)

    # The machines' cash

    def names(self, names):
        """Have Lamassu list its machines."""
        self.do(machines.record, names)
        self.do(machine_cash.find_places, now=self.now)

    def cash_in(self, ref, minor, *, machine, at=None):
        flow = Flow(CASH_IN, ref, machine, minor, at or self.now)
        self.do(machine_cash.follow, [flow], now=self.now)

    def cash_left(self, ref, minor, *, machine, at=None):
        flow = Flow(CASH_OUT, ref, machine, -minor, at or self.now)
        self.do(machine_cash.follow, [flow], now=self.now)

    def count(self, machine, minor):
        self.do(machine_cash.count, machine, minor, now=self.now)

    def machine(self, device_id):
        found = {cash.machine.device_id: cash for cash in self.read(machine_cash.of_all)}
        return found[device_id]

    def should_be(self, device_id):
        return self.machine(device_id).expected_minor

    def unnamed(self):
        return self.read(machine_cash.unnamed_minor)

    def known_machines(self):
        return [machine.label for machine in self.read(machines.everything)]

    # Cash-outs

    def record(self, id_, *, state="waiting", reason="", amounts=None, at=None):
        decision = Decision(Verdict.WAIT, Reason.NOT_FINAL, at or self.now, amounts)
        row = cash_out_row(id_, self.now)
        self.do(cash_outs.record, row, decision, state=state, reason=reason, now=self.now)

    def distribute(self, id_, sat, minor, *, commission_sat=0, at=None, flow=True):
        self.do(
            flow_mode.distribute,
            id_,
            Amounts(sat, minor, commission_sat),
            at=at or self.now,
            now=self.now,
            rules=replace(FLOW, enabled=flow),
        )
        return self.read(distributions.by_id, id_)

    def cash_out(self, id_, sat, minor, **named):
        self.record(id_)
        return self.distribute(id_, sat, minor, **named)

    def shares(self, id_):
        found = self.read(distributions.by_id, id_)
        return {share.client_id: (share.minor, share.sat) for share in found.shares}

    # Payouts

    def payouts(self, client_id=None):
        found = self.read(queue.open_payouts)
        return [p for p in found if client_id in (None, p.client_id)]

    def need(self, ceilings=CEILINGS):
        return self.read(payout_need.need, ceilings, now=self.now)

    def payout(self, id_):
        return self.read(payouts.by_id, id_)

    def invoice(self, payout, *, hash_=None):
        return Invoice(
            bolt11="lnbc1",
            payment_hash=hash_ or hex_of(f"{payout.id} {payout.attempts}"),
            amount_msat=payout.amount_sat * 1000,
            expires_at=self.now + timedelta(hours=24),
        )

    def payment(self, payout, *, status=PaymentStatus.SUCCESS, sat=None, hash_=None):
        recorded = payout.attempt.payment_hash if payout.attempt else hex_of(f"lost {payout.id}")
        return Payment(
            payment_hash=hash_ or recorded,
            amount_msat=-1000 * (payout.amount_sat if sat is None else sat),
            fee_msat=0,
            status=status,
            seen_at=self.now,
            external_id=payout.id,
        )

    def step(self, id_, to):
        """Bring a payout one state further through the public function that does it."""
        payout, state = self.payout(id_), PayoutState(to)
        match state:
            case PayoutState.INVOICED:
                self.do(transitions.record_invoice, payout, self.invoice(payout), now=self.now)
            case PayoutState.SUBMITTED:
                self.do(transitions.submit, payout, now=self.now)
            case PayoutState.DEBITED:
                self.do(booking.debit, payout, self.payment(payout), now=self.now)
            case PayoutState.DONE:
                self.do(transitions.finish, payout, now=self.now)
            case PayoutState.HELD:
                self.do(transitions.hold, payout, "ceiling_payout", now=self.now)
            case PayoutState.CANCELLED:
                self.do(booking.cancel, payout, now=self.now)
            case PayoutState.PLANNED if payout.state is PayoutState.INVOICED:
                self.do(transitions.discard_invoice, payout)
            case PayoutState.PLANNED:
                self.do(transitions.retry, payout, now=self.now)
            case PayoutState.MERGED:
                more = payout.amount_sat + 1
                self.do(planning.merge, payout, min_sat=more, now=self.now)
            case _:
                self.do(transitions.move, payout, state)
        return self.payout(id_)

    def bring(self, id_, to):
        """Bring a planned payout to a state along its usual way."""
        for state in WAYS[to]:
            self.step(id_, state)
        return self.payout(id_)

    def findings(self):
        return in_english(self.read(audit_ledger).findings)


_SENT = ("INVOICED", "SUBMITTED")
WAYS = {
    "PLANNED": (),
    "INVOICED": ("INVOICED",),
    "HELD": ("HELD",),
    "SUBMITTED": _SENT,
    "IN_DOUBT": (*_SENT, "IN_DOUBT"),
    "DEBITED": (*_SENT, "DEBITED"),
    "DONE": (*_SENT, "DEBITED", "DONE"),
    "ALERT": (*_SENT, "DEBITED", "ALERT"),
    "VOID": (*_SENT, "VOID"),
    "CANCELLED": ("CANCELLED",),
    "MERGED": ("MERGED",),
}

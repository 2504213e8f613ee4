"""Interleaves everything that moves money with crashes, against a model of plain dicts."""

import sqlite3
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dca_bot.core.payout import payout_id
from dca_bot.core.witness import Witness
from dca_bot.errors import StateChanged
from dca_bot.ledger.payouts import booking, payouts, planning, transitions
from dca_bot.ledger.programme import clients, commission, deposits
from dca_bot.ledger.programme.clients import Destination

from .story import Story, hex_of

NAMES = ("ana", "ben", "cam")
RECIPIENTS = ("rosa", "luis")
REFUSED = (StateChanged, sqlite3.IntegrityError)

# What each step makes of each state; from all others it is refused.
STEPS = {
    "invoice": {"PLANNED": "INVOICED", "INVOICED": "INVOICED"},
    "discard": {"INVOICED": "PLANNED"},
    "hold": {"PLANNED": "HELD", "INVOICED": "HELD", "HELD": "HELD"},
    "retry": {"HELD": "PLANNED", "VOID": "PLANNED"},
    "submit": {"INVOICED": "SUBMITTED", "IN_DOUBT": "SUBMITTED", "SUBMITTED": "SUBMITTED"},
    "doubt": {"SUBMITTED": "IN_DOUBT", "IN_DOUBT": "IN_DOUBT"},
    "debit": {"SUBMITTED": "DEBITED", "IN_DOUBT": "DEBITED"},
    "take over": {"HELD": "DEBITED", "SUBMITTED": "DEBITED", "IN_DOUBT": "DEBITED"},
    "finish": {"DEBITED": "DONE", "ALERT": "DONE", "DONE": "DONE"},
    "alert": {"DEBITED": "ALERT", "ALERT": "ALERT"},
    "void": {"SUBMITTED": "VOID", "IN_DOUBT": "VOID", "VOID": "VOID"},
    "book": {"IN_DOUBT": "DONE"},
    "cancel": dict.fromkeys(("PLANNED", "INVOICED", "HELD", "VOID"), "CANCELLED"),
}
OVER = ("DONE", "CANCELLED", "MERGED")


def portions(total, weights):
    """Share a total out by largest remainder; earlier ones first among equals."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights] if whole else []
    places = sorted(range(len(weights)), key=lambda n: (-(total * weights[n] % whole), n))
    for place in places[: total - sum(parts)]:
        parts[place] += 1
    return parts


def allot(sat, minor, balances):
    """Return {client: (minor, sat)} word by word as the rules of money say it."""
    live = sorted(balances, key=lambda client: (-balances[client], client))
    while True:
        fiat = min(minor, sum(balances[client] for client in live))
        minors = portions(fiat, [balances[client] for client in live])
        sats = portions(sat * fiat // minor, minors)
        dropped = [c for c, m, s in zip(live, minors, sats, strict=True) if m and not s]
        if not dropped:
            rows = zip(live, minors, sats, strict=True)
            return {client: (m, s) for client, m, s in rows if m}
        live = [client for client in live if client not in dropped]


def split(commission_sat, percents_bp):
    """Return {name: sats}: whole sats first, then one each to who lacks most, the rest last."""
    names = sorted(percents_bp)
    weights = [*(percents_bp[name] for name in names), 10_000 - sum(percents_bp.values())]
    parts = portions(commission_sat, weights)
    return {name: sat for name, sat in zip(names, parts, strict=False) if sat}


def guatemalan_date(at):
    return (at - timedelta(hours=6)).date()


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.story = Story(Path(self.place.name) / "data")
        self.clients = {}  # id: {"name", "state", "balance", "min", "role"}, recipients too
        self.terms = {}  # id: basis points of the commission
        self.deposits = {}  # id: {"client", "minor", "state", "at"}
        self.cash_outs = {}  # id: (sat, minor)
        self.shares = []  # [{"client", "minor", "sat", "of", "at", "payout"}], in order
        self.payouts = {}  # id: {"client", "state", "sent"}
        self.totals = Counter()
        self.invoices = 0

    def teardown(self):
        self.story.end()
        self.place.cleanup()

    # Drawing

    def pick(self, data, things):
        return data.draw(st.sampled_from(sorted(things)))

    def payees(self):
        return [id_ for id_, client in self.clients.items() if client["state"] != "closed"]

    def living(self):
        return [id_ for id_ in self.payees() if self.clients[id_]["role"] == "client"]

    def try_(self, allowed, work, *args, **named):
        """Do it where the model allows it; see it refused where it doesn't."""
        if allowed:
            return self.story.do(work, *args, **named)
        with pytest.raises(REFUSED):
            self.story.do(work, *args, **named)
        return None

    # Clients and their cash

    @initialize(balances=st.lists(st.integers(500, 9000), min_size=2, max_size=2))
    def start(self, balances):
        for name, minor in zip(NAMES, balances, strict=False):
            self.add_client(name, 1)
            self.hand_in(max(self.clients), minor)
            self.confirm_deposit(max(self.deposits))
        self.story.later(hours=2)

    @rule(
        data=st.data(), what=st.sampled_from(["resume", "resume", "add", "cap", "pause", "close"])
    )
    def people_change(self, data, what):
        if what == "add":
            min_sat = data.draw(st.sampled_from([1, 1, 50, 400]))
            self.add_client(data.draw(st.sampled_from(NAMES)), min_sat)
        elif what == "cap":
            id_, cap = self.pick(data, self.clients), data.draw(st.none() | st.integers(1, 400))
            self.story.do(clients.set_flow_cap, id_, cap)
            self.clients[id_]["cap"] = cap
        else:
            state = {"pause": "paused", "resume": "active", "close": "closed"}[what]
            self.move_client(self.pick(data, self.clients), state)

    def add_client(self, name, min_sat):
        taken = name in {self.clients[id_]["name"] for id_ in self.payees()}
        named = {"name": name.title(), "pubkey": hex_of(name), "language": "en"}
        added = self.try_(not taken, clients.add, **named, now=self.story.now)
        if added:
            destination = Destination(clients.INVOICE_KEY, "f" * 32, min_sat)
            self.story.do(clients.set_destination, added.id, destination)
            fresh = {"name": name, "state": "active", "balance": 0, "min": min_sat}
            self.clients[added.id] = fresh | {"role": "client", "key": hex_of(name)}

    def move_client(self, id_, state):
        client = self.clients[id_]
        if client["state"] == "closed":
            return
        empty = not client["balance"] and not self.owed(id_) and id_ not in self.terms
        pending = [
            d for d in self.deposits.values() if (d["client"], d["state"]) == (id_, "pending")
        ]
        if state == "closed" and pending:
            return
        found = self.story.read(clients.by_id, id_)
        self.try_(state != "closed" or empty, clients.set_state, found, state)
        if state != "closed" or empty:
            client["state"] = state

    @precondition(lambda self: self.living())
    @rule(data=st.data(), minor=st.integers(1, 2000))
    def cash_comes(self, data, minor):
        self.hand_in(self.pick(data, self.living()), minor)
        if data.draw(st.booleans()):
            self.confirm_deposit(max(self.deposits))

    @rule(data=st.data(), what=st.sampled_from(["confirm", "void", "withdraw", "withdraw all"]))
    def cash_moves(self, data, what):
        if what in ("confirm", "void"):
            id_ = self.pick(data, self.deposits)
            (self.confirm_deposit if what == "confirm" else self.void_deposit)(id_)
        elif self.living():
            id_ = self.pick(data, self.living())
            balance = self.clients[id_]["balance"]
            self.withdraw(id_, balance if "all" in what else data.draw(st.integers(1, 2000)))

    def hand_in(self, id_, minor):
        deposit = self.story.pending(id_, minor)
        self.deposits[deposit.id] = {"client": id_, "minor": minor, "state": "pending", "at": None}

    def confirm_deposit(self, id_):
        deposit = self.deposits[id_]
        pending = deposit["state"] == "pending"
        found = self.story.read(deposits.by_id, id_)
        self.try_(pending, deposits.confirm, found, machine=None, now=self.story.now)
        if pending:
            deposit.update(state="confirmed", at=self.story.now)
            self.clients[deposit["client"]]["balance"] += deposit["minor"]
            self.totals["cash"] -= deposit["minor"]

    def void_deposit(self, id_):
        deposit = self.deposits[id_]
        client, minor = self.clients[deposit["client"]], deposit["minor"]
        confirmed = deposit["state"] == "confirmed"
        allowed = deposit["state"] == "pending" or (confirmed and client["balance"] >= minor)
        found = self.story.read(deposits.by_id, id_)
        self.try_(allowed, deposits.void, found, now=self.story.now)
        if allowed:
            deposit["state"] = "voided"
            if confirmed:
                client["balance"] -= minor
                self.totals["cash"] += minor

    def withdraw(self, id_, minor):
        client = self.clients[id_]
        allowed = minor <= client["balance"]
        named = {"amount_minor": minor, "note": "", "now": self.story.now}
        self.try_(allowed, deposits.withdraw, id_, **named)
        if allowed:
            client["balance"] -= minor
            self.totals["cash"] += minor

    # Who gets the commission

    @rule(
        data=st.data(),
        percent_bp=st.one_of(st.integers(0, 10_000), st.sampled_from([0, 2500, 3333, 5000])),
        min_sat=st.sampled_from([1, 1, 50]),
        crash=st.booleans(),
    )
    def commission_is_set(self, data, percent_bp, min_sat, crash):
        name = data.draw(st.sampled_from((*RECIPIENTS, *NAMES)))
        same = [id_ for id_ in self.payees() if self.clients[id_]["name"] == name]
        id_ = same[0] if same else self.add_recipient(name, min_sat)
        others = sum(bp for other, bp in self.terms.items() if other != id_)
        allowed = others + percent_bp <= 10_000
        if crash and allowed:
            self.story.crash_in(lambda: self.story.percent(id_, percent_bp))
        if not percent_bp:
            self.story.percent(id_, 0)
            self.terms.pop(id_, None)
            return
        self.try_(allowed, commission.set_share, id_, percent_bp, now=self.story.now)
        if allowed:
            self.terms[id_] = percent_bp

    def add_recipient(self, name, min_sat):
        destination = Destination(clients.INVOICE_KEY, "e" * 32, min_sat)
        id_ = self.story.recipient(name, destination=destination)
        fresh = {"name": name, "state": "active", "balance": 0, "min": min_sat}
        key = commission.recipient_key(name)
        self.clients[id_] = fresh | {"role": "recipient", "key": key}
        return id_

    @precondition(lambda self: self.payees() != self.living())
    @rule(data=st.data())
    def cash_never_comes_for_recipients(self, data):
        id_ = self.pick(data, set(self.payees()) - set(self.living()))
        named = {"amount_minor": 5, "note": "", "now": self.story.now}
        for work in (deposits.add, deposits.withdraw):
            with pytest.raises(sqlite3.IntegrityError):
                self.story.do(work, id_, **named)

    # Cash-outs

    @rule(
        sat=st.one_of(st.integers(0, 20), st.integers(0, 100_000)),
        minor=st.integers(1, 400),
        commission_sat=st.integers(0, 500),
        age_min=st.sampled_from([0, 0, 0, 45]),
        flow=st.sampled_from([True, True, True, False]),
        crash=st.booleans(),
    )
    def cash_out(self, sat, minor, commission_sat, age_min, flow, crash):
        id_, at = f"d{len(self.cash_outs)}", self.story.now - timedelta(minutes=age_min)
        self.story.record(id_)
        named = {"commission_sat": commission_sat, "at": at, "flow": flow}
        if crash:
            self.story.crash_in(lambda: self.story.distribute(id_, sat, minor, **named))
        self.story.distribute(id_, sat, minor, **named)
        self.cash_outs[id_] = (sat, minor)
        given = allot(sat, minor, self.eligible(at) if flow else {})
        for client, (share_minor, share_sat) in given.items():
            self.clients[client]["balance"] -= share_minor
            self.totals["converted"] += share_minor
            share = {"client": client, "minor": share_minor, "sat": share_sat, "of": id_, "at": at}
            self.shares.append({**share, "payout": None})
        self.totals["operator"] += sat - sum(s for _, s in given.values())
        self.totals["machine"] -= sat + commission_sat
        for client in given:
            self.plan(client)
        self.split_commission(id_, commission_sat, at)

    def split_commission(self, id_, commission_sat, at):
        names = {self.clients[client]["name"]: client for client in self.terms}
        given = split(commission_sat, {name: self.terms[names[name]] for name in names})
        for name, sat in given.items():
            share = {"client": names[name], "minor": 0, "sat": sat, "of": f"commission:{id_}"}
            self.shares.append({**share, "at": at, "payout": None})
        self.totals["commission"] += commission_sat - sum(given.values())
        for name in given:
            self.plan(names[name])

    @precondition(lambda self: self.cash_outs)
    @rule(data=st.data())
    def cash_out_again(self, data):
        id_ = self.pick(data, self.cash_outs)
        self.story.record(id_)
        with pytest.raises(StateChanged):
            self.story.distribute(id_, *self.cash_outs[id_])

    def eligible(self, at):
        balances = {}
        for id_, client in self.clients.items():
            after = sum(
                deposit["minor"]
                for deposit in self.deposits.values()
                if deposit["client"] == id_
                and deposit["state"] == "confirmed"
                and deposit["at"] > at
            )
            counted = client["balance"] - after
            if client.get("cap") is not None:
                counted = min(counted, max(0, client["cap"] - self.given(client["key"], at)))
            if client["state"] == "active" and counted > 0:
                balances[id_] = counted
        return balances

    def given(self, key, at):
        """The fiat of a key's standing shares of the cash-outs of a date."""
        return sum(
            share["minor"]
            for share in self.shares
            if self.clients[share["client"]]["key"] == key
            and guatemalan_date(share["at"]) == guatemalan_date(at)
            and self.payouts.get(share["payout"], {"state": ""})["state"] != "CANCELLED"
        )

    # Payouts

    def plan(self, client):
        waiting = [s for s in self.shares if s["client"] == client and s["payout"] is None]
        earned = [s for s in waiting if s["of"].startswith("commission:")]
        bought = [s for s in waiting if s not in earned]
        for pile in (bought, earned):
            self.plan_pile(client, sorted(pile, key=lambda share: share["at"]))

    def plan_pile(self, client, pile):
        group, of_client = [], self.clients[client]
        for share in pile:
            group.append(share)
            if sum(s["sat"] for s in group) >= of_client["min"]:
                id_ = payout_id(of_client["key"], [s["of"] for s in group])
                sent = self.payouts.get(id_, {"sent": False})["sent"]
                self.payouts[id_] = {"client": client, "state": "PLANNED", "sent": sent}
                for s in group:
                    s["payout"] = id_
                group = []

    def covered(self, id_):
        return [share for share in self.shares if share["payout"] == id_]

    @precondition(lambda self: self.payouts)
    @rule(data=st.data(), step=st.sampled_from(sorted(STEPS)))
    def any_step(self, data, step):
        self.take(self.pick(data, self.payouts), step)

    @precondition(lambda self: self.open())
    @rule(data=st.data(), number=st.integers(1, 8), usual=st.sampled_from([True, True, False]))
    def fitting_steps(self, data, number, usual):
        left_out = {"hold", "cancel", "discard"} if usual else set()
        for id_ in self.open()[:2]:
            for _ in range(number):
                state = self.payouts[id_]["state"]
                fitting = [s for s in STEPS if STEPS[s].get(state, state) != state]
                fitting = sorted(set(fitting) - left_out) or fitting
                if fitting:
                    self.take(id_, data.draw(st.sampled_from(fitting)))

    def open(self):
        return [id_ for id_, payout in self.payouts.items() if payout["state"] not in OVER]

    def take(self, id_, step):
        payout = self.payouts[id_]
        to = STEPS[step].get(payout["state"])
        work = getattr(self, "do_" + step.replace(" ", "_"))
        if to is None and (step, payout["state"]) in {("debit", "HELD"), ("alert", "SUBMITTED")}:
            return  # the schema has these moves for other stories
        if to is None and (step, payout["state"]) == ("alert", "IN_DOUBT"):
            return
        if to is None:
            with pytest.raises(REFUSED):
                work(self.story.payout(id_))
            return
        work(self.story.payout(id_))
        minor = sum(share["minor"] for share in self.covered(id_))
        sat = sum(share["sat"] for share in self.covered(id_))
        payout["state"] = to
        payout["sent"] |= step in ("submit", "take over")
        if step in ("debit", "take over", "book"):
            self.totals["paid"] += sat
        if step == "cancel":
            self.clients[payout["client"]]["balance"] += minor
            self.totals["converted"] -= minor
            self.totals["operator"] += sat

    def do_invoice(self, payout):
        self.invoices += 1
        invoice = self.story.invoice(payout, hash_=hex_of(f"invoice {self.invoices}"))
        self.story.do(transitions.record_invoice, payout, invoice, now=self.story.now)

    def do_discard(self, payout):
        self.story.do(transitions.discard_invoice, payout)

    def do_hold(self, payout):
        self.story.do(transitions.hold, payout, "known", now=self.story.now)

    def do_retry(self, payout):
        self.story.do(transitions.retry, payout, now=self.story.now)

    def do_submit(self, payout):
        self.story.do(transitions.submit, payout, now=self.story.now)

    def do_doubt(self, payout):
        self.story.do(transitions.move, payout, payouts.PayoutState.IN_DOUBT)

    def do_debit(self, payout):
        self.story.do(booking.debit, payout, self.story.payment(payout), now=self.story.now)

    def do_take_over(self, payout):
        payment = self.story.payment(payout)
        self.story.do(booking.take_over, payout, payment, now=self.story.now)

    def do_finish(self, payout):
        self.story.do(transitions.finish, payout, now=self.story.now)

    def do_alert(self, payout):
        self.story.do(transitions.move, payout, payouts.PayoutState.ALERT)

    def do_void(self, payout):
        """Give an attempt up; one outside LNbits that is in doubt on an operator's word."""
        if payout.is_to_address and payout.state == "IN_DOUBT":
            told = {"now": self.story.now, "message_id": "m"}
            self.story.do(transitions.void_by_verdict, payout, Witness.OPERATOR, **told)
        else:
            self.story.do(transitions.move, payout, payouts.PayoutState.VOID)

    def do_book(self, payout):
        self.story.do(booking.book_as_arrived, payout, now=self.story.now, message_id="m")

    def do_cancel(self, payout):
        self.story.do(booking.cancel, payout, now=self.story.now)

    @precondition(lambda self: self.payouts)
    @rule(data=st.data(), min_sat=st.sampled_from([1, 50, 400, 10_000]))
    def merge(self, data, min_sat):
        planned = [id_ for id_ in self.open() if self.payouts[id_]["state"] == "PLANNED"]
        id_ = self.pick(data, planned or self.payouts)
        payout = self.payouts[id_]
        if payout["state"] == "MERGED":
            return
        found, now = self.story.payout(id_), self.story.now
        # What was sent before keeps its destination, whose minimum isn't the client's any more.
        client = self.story.read(clients.by_id, found.client_id)
        goes_there = found.destination.value == client.destination.value
        allowed = payout["state"] == "PLANNED" and goes_there
        self.try_(allowed, planning.merge, found, min_sat=min_sat, now=now)
        if allowed:
            payout["state"] = "MERGED"
            self.clients[payout["client"]]["min"] = min_sat
            for share in self.covered(id_):
                share["payout"] = None
            self.plan(payout["client"])

    @precondition(lambda self: self.payees())
    @rule(
        data=st.data(),
        min_sat=st.sampled_from([1, 50, 400]),
        kind=st.sampled_from([clients.ADDRESS, clients.LNURL]),
    )
    def change_destination(self, data, min_sat, kind):
        id_ = self.pick(data, self.payees())
        destination = Destination(kind, f"ana{min_sat}@wallet.example", min_sat)
        self.story.do(clients.set_destination, id_, destination)
        self.clients[id_]["min"] = min_sat
        for payout in self.payouts.values():
            if payout["client"] == id_ and payout["state"] == "INVOICED" and not payout["sent"]:
                payout["state"] = "PLANNED"

    def plan_all(self):
        self.story.do(planning.plan_all, now=self.story.now)
        for client in {share["client"] for share in self.shares if share["payout"] is None}:
            self.plan(client)

    # The world

    @rule(minutes=st.sampled_from([0, 1, 60, 1500]))
    def time_passes_or_the_bot_restarts(self, minutes):
        self.story.later(minutes=minutes)
        if not minutes:
            self.story.close()
            self.story.open()
        self.plan_all()

    # What always holds

    def owed(self, client):
        unpaid = ("DEBITED", "DONE", "ALERT", "CANCELLED")
        return sum(
            share["sat"]
            for share in self.shares
            if share["client"] == client
            and (share["payout"] is None or self.payouts[share["payout"]]["state"] not in unpaid)
        )

    @invariant()
    def the_audit_finds_nothing(self):
        assert self.story.findings() == ()

    @invariant()
    def the_ledger_says_what_the_model_says(self):
        rows = self.story.sql("SELECT kind, client_id, unit, balance FROM account")
        found = {(row["kind"], row["client_id"]): row["balance"] for row in rows}
        expected = {(kind, None): self.totals[kind] for kind, client in found if client is None}
        for id_, client in self.clients.items():
            expected["balance", id_] = client["balance"]
            expected["owed", id_] = self.owed(id_)
        assert found == expected
        assert sum(row["balance"] for row in rows if row["unit"] == "sat") == 0
        assert sum(row["balance"] for row in rows if row["unit"] == "minor") == 0

    @invariant()
    def every_share_belongs_to_the_payout_of_the_model(self):
        rows = self.story.sql("SELECT id, state, client_id, amount_sat FROM payout")
        assert {row["id"]: (row["state"], row["client_id"]) for row in rows} == {
            id_: (payout["state"], payout["client"]) for id_, payout in self.payouts.items()
        }
        shares = self.story.sql(
            "SELECT client_id, distribution_id, minor, sat, payout_id FROM share"
        )
        keys = ("client", "of", "minor", "sat", "payout")
        assert Counter(map(tuple, shares)) == Counter(
            tuple(share[key] for key in keys) for share in self.shares
        )


class LongLedgerMachine(LedgerMachine):
    """The same, for a run of many examples."""


SETTINGS = settings(
    max_examples=50,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestLedger = LedgerMachine.TestCase
TestLedger.pytestmark = [pytest.mark.slow(20)]
TestLedger.settings = SETTINGS
TestLongLedger = LongLedgerMachine.TestCase
TestLongLedger.pytestmark = [pytest.mark.long]
TestLongLedger.settings = settings(SETTINGS, max_examples=500)

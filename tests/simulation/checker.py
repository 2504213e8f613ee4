"""Holds the ledger's tables against the truth of the world, without any code of the program.

The rules are written a second time here and in `sharing`, from docs/money.md alone.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache

from dca_bot.core.cash_out import CashOut
from simulation import commission_rule, fixed_rule, sums
from simulation.commands import Commands
from simulation.lamassu import Lamassu, Sale, SaleKind
from simulation.lnbits import Lnbits
from simulation.pay_requests import PayRequests
from simulation.people import Operator, Saver
from simulation.promise import hold
from simulation.sharing import shared_out
from simulation.virtual_time import BEGIN, ComputerClock

_TOLD = re.compile(
    r"([\d,]+) sats? (?:\([^)]*\) )?ha(?:s|ve) arrived in your wallet|Bought: ([\d,]+) sats?"
)
_EARNED = re.compile(
    r"([\d,]+) sats? of commission ha(?:s|ve) arrived|part of the commission: ([\d,]+) sats?"
)
_PAYOUTS = (
    "SELECT payout.id, amount_sat, payout.state, coalesce(payout.destination, ''), pubkey FROM payout"
    " JOIN client ON client.id = client_id"
)
_BEHIND_MAX = timedelta(days=-20)
"""A clock that is further behind has shown later times, in each copy of the ledger too: all waits."""
_DONE_WITHIN = timedelta(hours=9)
_ASKED_MAX = 3
_TOLD_WITHIN = timedelta(hours=30)
_PRICE_AGE_MAX = timedelta(minutes=2)
_DAY_US = 24 * 3600 * 10**6
_TO_UTC_US = 6 * 3600 * 10**6
"""A local date begins six hours after the date of UTC."""
_NEWEST = (
    "SELECT (SELECT max(rowid) FROM distribution), (SELECT max(id) FROM command_log),"
    " (SELECT group_concat(id || ' ' || attempt) FROM open_payout WHERE state = 'SUBMITTED')"
)
"""What `after` looks at is told by these: new rows, and payouts that are sent."""
_SUBMITTED = (
    "SELECT id, bolt11 FROM payout JOIN attempt ON payout_id = payout.id AND number = payout.attempt"
    " WHERE submitted_at IS NOT NULL"
)
_SUBMITTED_WHERE = (
    "SELECT payout.id, payout.destination, client.destination, pubkey, bolt11 FROM open_payout AS payout"
    " JOIN client ON client.id = client_id"
    " JOIN attempt ON payout_id = payout.id AND number = payout.attempt WHERE payout.state = 'SUBMITTED'"
)
_OPEN_PAYOUTS = (
    "SELECT id, state, waiting FROM payout WHERE state NOT IN ('DONE', 'CANCELLED', 'MERGED')"
    " AND NOT EXISTS (SELECT 1 FROM hold WHERE ref = payout.id AND closed_at IS NULL)"
)


@dataclass(frozen=True)
class People:
    """The people of a world, and what the checker knows of what they want; `savers`: by public key."""

    operator: Operator
    savers: dict[str, Saver]
    commands: Commands
    requests: PayRequests


@dataclass
class Checker:
    """The checker of one world: `after` looks at what changed, `whole` at everything.

    `is_restored`: an older copy was put back; the operators settle what the copy lacks, some of it by hand.
    `calm_at`: when the faults have ended.
    """

    lamassu: Lamassu
    lnbits: Lnbits
    people: People
    clock: ComputerClock
    distributions: int = 0
    payouts: int = 0
    is_restored: bool = False
    calm_at: datetime = BEGIN
    _last: int = 0
    _newest: tuple[object, ...] = ()
    _submitted: dict[str, str] = field(default_factory=dict)

    def after(self, ledger: sqlite3.Connection) -> None:
        """Check what was recorded since the last look; raise Violation."""
        self.people.requests.check()
        self._check_questions()
        newest = tuple(ledger.execute(_NEWEST).fetchone())
        if newest == self._newest:
            return
        self._newest = newest
        self.people.commands.after(ledger)
        self._check_destinations(ledger)
        for rowid, id_, kind in ledger.execute(
            "SELECT rowid, id, kind FROM distribution WHERE rowid > ? ORDER BY rowid", (self._last,)
        ).fetchall():
            self._last = rowid
            self.distributions += 1
            if kind == "flow":
                self._check_flow(ledger, id_)
            elif kind == "fixed":
                self._check_fixed(ledger, id_)
            else:
                commission_rule.check(ledger, id_)
            self._check_wishes(ledger, id_, kind)

    def go_on_with(self, ledger: sqlite3.Connection) -> None:
        """Go on with a copy that was put in the ledger's place; what the copy has was checked once."""
        (self._last,) = ledger.execute(
            "SELECT coalesce(max(rowid), 0) FROM distribution"
        ).fetchone()
        self.is_restored, self._newest = True, ()
        self._submitted = dict(ledger.execute(_SUBMITTED).fetchall())
        self.people.requests.restored_at = self.lamassu.time.now()
        self.people.commands.go_on_with(ledger)

    def whole(self, ledger: sqlite3.Connection) -> None:
        """Check all that must hold at any moment; raise Violation."""
        _check_entries(ledger)
        sums.check(ledger)
        _check_shares(ledger)
        _check_fixed(ledger)
        self._check_once_only()
        self._check_payouts(ledger)
        sums.check_nothing_left(ledger)
        if not self.is_restored:
            self._check_in_time(ledger)
        for saver in () if self.is_restored else self.people.savers.values():
            _check_told_so_far(ledger, saver, self.clock)

    def settled(self, ledger: sqlite3.Connection, savers: Iterable[Saver]) -> None:
        """Check that all that was promised has come to pass, after some quiet days; raise Violation."""
        self.whole(ledger)
        for id_, state, waiting in ledger.execute(_OPEN_PAYOUTS):
            hold(f"payout {id_} is {state} ({waiting}), and nobody was asked", is_kept=False)
        (unsent,) = ledger.execute(
            "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND dropped_at IS NULL"
        ).fetchone()
        hold(f"{unsent} messages have not left", is_kept=not unsent)
        self._check_sales(ledger)
        for saver in () if self.is_restored else savers:
            _check_told(ledger, saver, self.calm_at)
            hold(f"{saver.name} was told {saver.told_in_vain!r}", is_kept=not saver.told_in_vain)
        (self.payouts,) = ledger.execute(
            "SELECT count(*) FROM payout WHERE state = 'DONE'"
        ).fetchone()

    # A distribution

    def _check_flow(self, ledger: sqlite3.Connection, id_: str) -> None:
        at, sat, minor, commission_sat, left_over_sat = ledger.execute(
            "SELECT at, principal_sat, principal_minor, commission_sat, unallocated_sat"
            " FROM distribution WHERE id = ?",
            (id_,),
        ).fetchone()
        hold(f"{id_} was shared out and never sold", is_kept=id_ in self.lamassu.sales)
        sale = self.lamassu.sales[id_]
        shares = _shares(ledger, id_)
        if self.is_restored and sale.row(self.lamassu.time.now()) is None:
            # Neither ledger nor Lamassu knows the sale: LNbits' payments alone tell of it.
            hold(f"{id_}: {shares}, not as paid", is_kept=shares == self._paid(ledger, id_))
            return
        left_at = round(sale.left_at.timestamp() * 1_000_000)
        hold(f"{id_} counts from {at}, not {left_at}", is_kept=at == left_at)
        if not self.is_restored:
            commission_rule.check_is_split(ledger, id_, commission_sat)
        wanted = _amounts(sale, minor)
        found = (minor, sat, commission_sat)
        hold(f"{id_}: amounts {found}, not {wanted}", is_kept=found == wanted)
        rule = shared_out(_balances(ledger, id_, at), minor, sat)
        # After an older copy was put back, a sale that can't come out as it did is recorded as it was paid.
        is_as_paid = self.is_restored and shares == self._paid(ledger, id_)
        hold(f"{id_}: shares {shares}, not {rule}", is_kept=shares == rule or is_as_paid)
        given_sat = sum(share_sat for _, share_sat in shares.values())
        hold(f"{id_}: {given_sat} + {left_over_sat} sats", is_kept=given_sat + left_over_sat == sat)

    def _check_fixed(self, ledger: sqlite3.Connection, id_: str) -> None:
        now = self.lamassu.time.now()
        if self.is_restored and _shares(ledger, id_) == self._paid(ledger, id_):
            return  # An operator has recorded what LNbits had paid.
        lately = [price for at, price in self.lnbits.prices_told if now - at <= _PRICE_AGE_MAX]
        prices = [price for price in lately if price is not None]
        fixed_rule.check(ledger, id_, prices=prices, now=self.clock.now())

    def _check_wishes(self, ledger: sqlite3.Connection, id_: str, kind: str) -> None:
        """Nobody gets anything while everything is paused, and who is paused only by settling."""
        stopped_at = self.people.operator.stopped_at
        hold(f"{id_} was shared out, paused since {stopped_at}", is_kept=stopped_at is None)
        is_behind = self.clock.wrong() < _BEHIND_MAX
        hold(
            f"{id_} was shared out, the clock is wrong by {self.clock.wrong()}",
            is_kept=not is_behind,
        )
        is_as_paid = self.is_restored and _shares(ledger, id_) == self._paid(ledger, id_)
        if kind == "commission" or is_as_paid or fixed_rule.SETTLES in id_:
            return
        # After an older copy was put back an operator records what LNbits had paid before the pause.
        paid = self._paid(ledger, id_) if self.is_restored else {}
        for client, pubkey in ledger.execute(
            "SELECT client_id, pubkey FROM share JOIN client ON client.id = client_id"
            " WHERE distribution_id = ?",
            (id_,),
        ):
            if client in paid:
                continue
            saver = self.people.savers[pubkey]
            named = f"{id_} gave to {saver.name}, paused since {saver.paused_at}"
            hold(named, is_kept=saver.paused_at is None)

    def _check_destinations(self, ledger: sqlite3.Connection) -> None:
        """A payout goes where the client's sats go at its first pay request.

        A payout that is sent again is the same invoice, or another one once nobody can pay the first.
        """
        for id_, destination, now, pubkey, bolt11 in ledger.execute(_SUBMITTED_WHERE):
            if self._submitted.get(id_) == bolt11:
                continue
            before, self._submitted[id_] = self._submitted.get(id_), bolt11
            if before is not None:
                self.people.requests.check_is_over(id_, before)
                continue
            hold(f"payout {id_} is sent to {destination}, not {now}", is_kept=destination == now)
            saver = self.people.savers[pubkey]
            is_own = destination in saver.destinations
            hold(f"payout {id_}: {saver.name} never chose {destination}", is_kept=is_own)

    def _paid(self, ledger: sqlite3.Connection, id_: str) -> dict[int, tuple[int, int]]:
        """Return what LNbits has paid of a distribution: {client: (minor units, sats)}."""
        clients = dict(ledger.execute("SELECT name, id FROM client"))
        found = {}
        for row in self.lnbits.rows:
            extra = row.payment.extra or {}
            is_of_it = extra["distributions"] == [id_] and extra["client"] in clients
            if is_of_it and row.payment.status == "success":
                part = (extra["fiat_minor"], -row.payment.amount_msat // 1000)
                found[clients[extra["client"]]] = part
        return found

    # Payments

    def _check_once_only(self) -> None:
        """Each part of a distribution has reached its client once at most, whatever the ledger knows."""
        parts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for row in self.lnbits.rows:
            extra = row.payment.extra or {}
            if self.lnbits.invoices[row.bolt11].received_at is not None:
                for distribution_id in extra["distributions"]:
                    parts[distribution_id, extra["client"]] += 1
        for part, count in parts.items():
            hold(f"{part} was paid {count} times", is_kept=count == 1)

    def _check_payouts(self, ledger: sqlite3.Connection) -> None:
        """Each payout has brought its amount to its payee, if and only if the ledger says so."""
        received = self._received()
        for id_, sat, state, destination, pubkey in ledger.execute(_PAYOUTS).fetchall():
            made = received.get(id_)
            if made is None:
                hold(f"payout {id_} is done, and nobody received it", is_kept=state != "DONE")
                continue
            # A merged payout's shares are held, as LNbits has paid for them; `_check_once_only` counts them.
            is_open_question = self.is_restored and state in ("HELD", "CANCELLED", "MERGED")
            payee, msat = made
            saver = self.people.savers[pubkey]
            # LNbits doesn't tell where a payment went that a restored ledger takes over.
            is_own = destination == payee or (self.is_restored and payee in saver.destinations)
            is_right = msat == sat * 1000 and is_own and state != "CANCELLED"
            hold(
                f"payout {id_} ({state}, {sat} sats to {destination}): {payee} got {msat} msat",
                is_kept=is_right or is_open_question,
            )

    def _received(self) -> dict[str, tuple[str, int]]:
        """Return who received how much by payouts' ids: {payout: (payee, msat)}."""
        found = {}
        for row in self.lnbits.rows:
            made = self.lnbits.invoices[row.bolt11]
            if made.received_at is not None:
                payee = made.wallet or made.payee
                found[row.payment.external_id] = (payee, made.invoice.amount_msat)
        return found

    # Promises

    def _check_in_time(self, ledger: sqlite3.Connection) -> None:
        """What nothing has kept back for some hours is done: messages, sales, and questions for sats."""
        now = self.lamassu.time.now()
        if now - self.clock.changed_at < _DONE_WITHIN:
            return
        long_ago = int((now - _DONE_WITHIN).timestamp())
        (unsent,) = ledger.execute(
            "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND dropped_at IS NULL AND created_at < ?",
            (long_ago,),
        ).fetchone()
        hold(f"{unsent} messages have not left for hours", is_kept=not unsent)
        if now - self.people.operator.resumed_at < _DONE_WITHIN:
            return
        states = dict(ledger.execute("SELECT id, state FROM cash_out"))
        for sale in self.lamassu.sales.values():
            state = states.get(sale.id, "unknown")
            is_due = sale.kind is SaleKind.CLEAN and now - sale.left_at > _DONE_WITHIN
            named = f"sale {sale.id} of {sale.left_at} is {state} still"
            hold(named, is_kept=state == "distributed" or not is_due)
        (short,) = ledger.execute(
            "SELECT count(*) FROM open_payout WHERE waiting = 'not_enough_funds' AND due_at < ?",
            (long_ago * 1_000_000,),
        ).fetchone()
        hold(f"{short} payouts wait for sats for hours", is_kept=not short)

    def _check_questions(self) -> None:
        """An operator who has said that the clock is right is asked no more until the clock is set."""
        asked = [at for at in self.people.operator.asked_of_clock if at > self.clock.changed_at]
        is_kept = self.is_restored or len(asked) <= _ASKED_MAX
        hold(f"the operator was asked {len(asked)} times about one clock", is_kept=is_kept)

    def _check_sales(self, ledger: sqlite3.Connection) -> None:
        """Each clean sale was shared out."""
        states = dict(ledger.execute("SELECT id, state FROM cash_out"))
        for sale in self.lamassu.sales.values():
            state = states.get(sale.id, "unknown")
            is_given_up = self.is_restored and state == "ignored"
            is_kept = sale.kind is not SaleKind.CLEAN or state == "distributed" or is_given_up
            hold(f"sale {sale.id} of {sale.left_at} is {state}", is_kept=is_kept)


def _check_entries(ledger: sqlite3.Connection) -> None:
    """Each account has the sum of its entries, and nobody is below zero."""
    sums: defaultdict[int, int] = defaultdict(int)
    for source, target, amount in ledger.execute(
        "SELECT from_account, to_account, amount FROM entry"
    ):
        sums[source] -= amount
        sums[target] += amount
    for id_, kind, balance in ledger.execute("SELECT id, kind, balance FROM account"):
        hold(f"account {kind} has {balance}, not {sums[id_]}", is_kept=sums[id_] == balance)
        is_below = kind in ("balance", "owed") and balance < 0
        hold(f"account {kind} is below zero", is_kept=not is_below)


def _check_shares(ledger: sqlite3.Connection) -> None:
    """Each payout is of the sats of its shares."""
    sums: defaultdict[str, int] = defaultdict(int)
    for payout_id, sat in ledger.execute(
        "SELECT payout_id, sat FROM share WHERE payout_id IS NOT NULL"
    ):
        sums[payout_id] += sat
    for id_, sat, state, *_ in ledger.execute(_PAYOUTS):
        is_kept = state == "MERGED" or sums[id_] == sat
        hold(f"payout {id_} of {sat} sats, its shares {sums[id_]}", is_kept=is_kept)


def _check_fixed(ledger: sqlite3.Connection) -> None:
    """No client gives more than the programme's limit on a local date."""
    for client, day, minor in ledger.execute(
        "SELECT client_id, day, sum(minor) FROM share JOIN distribution ON distribution.id ="
        f" distribution_id WHERE kind = 'fixed' AND instr(distribution.id, '{fixed_rule.SETTLES}') = 0"
        " GROUP BY 1, 2"
    ):
        hold(f"client {client} gave {minor} on {day}", is_kept=minor <= fixed_rule.DAILY_MAX_MINOR)


def _check_told_so_far(ledger: sqlite3.Connection, saver: Saver, clock: ComputerClock) -> None:
    """No payment was told twice, and what arrived a day and some hours ago was told."""
    told_sat = _told_in_all_sat(saver)
    named = f"{saver.name} ({saver.pubkey[:8]}) heard of {told_sat} sats"
    done_sat = _done_sat(ledger, saver)
    hold(f"{named}, got {done_sat}", is_kept=told_sat <= done_sat)
    if saver.was_silent or saver.was_patient:
        return
    if clock.changed_at < saver.time.now() - _TOLD_WITHIN:
        old_sat = _done_sat(ledger, saver, clock.now() - _TOLD_WITHIN)
        hold(f"{named}, got {old_sat} long ago", is_kept=told_sat >= old_sat)


def _done_sat(ledger: sqlite3.Connection, saver: Saver, until: datetime | None = None) -> int:
    """Return the sats that have arrived at a client, until an instant by the computer's clock."""
    until_us = 2**62 if until is None else round(until.timestamp() * 1_000_000)
    (done_sat,) = ledger.execute(
        "SELECT coalesce(sum(amount_sat), 0) FROM payout JOIN client ON client.id = client_id"
        " WHERE payout.state = 'DONE' AND pubkey = ? AND done_at <= ?",
        (saver.pubkey, until_us),
    ).fetchone()
    return int(done_sat)


def _told_in_all_sat(saver: Saver) -> int:
    return sum(_told_sat(letter.text) for letter in saver.mailbox.letters)


def _check_told(ledger: sqlite3.Connection, saver: Saver, calm_at: datetime) -> None:
    """Each payment was told once: the sats in a client's messages are the sats that arrived.

    What has arrived since the faults ended, at `calm_at`, can wait for a digest yet.
    """
    done_sat, told_sat = _done_sat(ledger, saver), _told_in_all_sat(saver)
    due_sat = _done_sat(ledger, saver, calm_at) if saver.collects else done_sat
    is_kept = told_sat <= done_sat and (saver.was_silent or told_sat >= due_sat)
    hold(
        f"{saver.name} ({saver.pubkey[:8]}) heard of {told_sat} sats, got {done_sat}",
        is_kept=is_kept,
    )


@lru_cache(maxsize=10_000)
def _told_sat(text: str) -> int:
    found = _TOLD.findall(text) + _EARNED.findall(text)
    return sum(int((one or other).replace(",", "")) for one, other in found)


def _shares(ledger: sqlite3.Connection, id_: str) -> dict[int, tuple[int, int]]:
    rows = ledger.execute(
        "SELECT client_id, minor, sat FROM share WHERE distribution_id = ?", (id_,)
    )
    return {client: (minor, sat) for client, minor, sat in rows}


def _balances(ledger: sqlite3.Connection, id_: str, at: int) -> Mapping[int, int]:
    """Return the balances that count for a distribution that was just recorded: {client: minor units}.

    What the clients had before, less the deposits that were confirmed after the sale, and no more than a
    client's cap leaves of the sale's date.
    """
    rows = ledger.execute(
        "SELECT client.id,"
        " (SELECT coalesce(sum(iif(to_account = account.id, amount, -amount)), 0) FROM entry"
        "   WHERE account.id IN (to_account, from_account)"
        "   AND posting_id < (SELECT id FROM posting WHERE distribution_id = ?1)),"
        " (SELECT coalesce(sum(amount_minor), 0) FROM deposit WHERE client_id = client.id"
        "   AND state = 'confirmed' AND confirmed_at > ?2),"
        " flow_cap_minor, (SELECT coalesce(sum(minor), 0) FROM share"
        "   JOIN distribution ON distribution.id = distribution_id AND kind = 'flow'"
        "   JOIN client same ON same.id = share.client_id AND same.pubkey = client.pubkey"
        "   LEFT JOIN payout ON payout.id = payout_id WHERE coalesce(payout.state, '') <> 'CANCELLED'"
        f"   AND (at - {_TO_UTC_US}) / {_DAY_US} = (?2 - {_TO_UTC_US}) / {_DAY_US}"
        "   AND distribution.rowid < (SELECT rowid FROM distribution WHERE id = ?1))"
        " FROM client JOIN account ON account.client_id = client.id AND account.kind = 'balance'"
        " WHERE role = 'client' AND state = 'active' AND mode = 'flow' AND destination IS NOT NULL",
        (id_, at),
    ).fetchall()
    return {
        client: max(0, balance - later if cap is None else min(balance - later, cap - given))
        for client, balance, later, cap, given in rows
    }


def _amounts(sale: Sale, minor: int) -> tuple[int, int, int]:
    """Return what is shared out of a sale, by its first complete row: (minor, sats, sats of commission)."""
    row = next(shown for _, shown in sale.shown if shown is not None and shown.dispense)
    whole_minor, whole_sat = int(Fraction(row.fiat or 0) * 100), _principal_sat(row)
    whole_commission_sat = int(row.crypto_atoms or 0) - whole_sat
    wanted_minor = sale.left_minor if sale.kind is SaleKind.PARTIAL else whole_minor
    return (
        wanted_minor,
        whole_sat * minor // whole_minor,
        whole_commission_sat * minor // whole_minor,
    )


def _principal_sat(row: CashOut) -> int:
    """Return the sats of a sale without commission and fixed fee, rounded down."""
    fiat, fee = Fraction(row.fiat or 0), Fraction(row.fixed_fee or 0)
    worth = Fraction(row.crypto_atoms or 0) * (1 - Fraction(row.commission or 0))
    return int(worth * fiat / (fiat + fee))

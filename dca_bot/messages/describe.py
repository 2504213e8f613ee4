"""Says what the ledger's things are, the same way in every answer and push."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from dca_bot.core.cash_out import COINS
from dca_bot.core.change import RowAmounts, read_terms
from dca_bot.core.machine_cash import Contradiction
from dca_bot.core.names import short_id
from dca_bot.core.payout import COLLECTING, Waiting
from dca_bot.core.programme import Programme
from dca_bot.core.schedule import is_by_hand
from dca_bot.core.witness import word_from
from dca_bot.errors import Refusal
from dca_bot.ledger.correspondence.payout_notices import Arrivals
from dca_bot.ledger.distributions import cash_outs, distributions
from dca_bot.ledger.distributions.cash_outs import HELD, RecordedCashOut
from dca_bot.ledger.distributions.distributions import RecordedShare
from dca_bot.ledger.distributions.fixed_runs import DONE, RecordedRun
from dca_bot.ledger.payouts import payouts, unknown_payments
from dca_bot.ledger.payouts.holds import Hold, HoldReason
from dca_bot.ledger.payouts.payouts import Payout
from dca_bot.ledger.programme import commission, machine_cash
from dca_bot.ledger.programme.clients import INVOICE_KEY, Client, Destination
from dca_bot.ledger.programme.deposits import Deposit
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import obstacles
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Rate, Sat, Say, Word

T = TypeVar("T")
NAME_LENGTH_MAX = 40
PAGE_ROWS = 10
SHARES_IN_HOLD_MAX = 4
UNTOLD = "?"
"""Stands for what a row doesn't say in a way that can be read."""
_OWN_REASONS = frozenset[str]({*Waiting, *HoldReason, *Refusal})
"""What stands in a payout's `waiting` in the program's own words."""


def short(text: str) -> str:
    """Cut what others have named to a length that fits a phone."""
    return text if len(text) <= NAME_LENGTH_MAX else f"{text[: NAME_LENGTH_MAX - 1]}…"


def waiting(why: str) -> Field:
    """Say why a payout waits: in the reader's language, or as its destination has put it."""
    return Word("reason", why) if why in _OWN_REASONS else short(why)


def destination(where: Destination | None) -> Say:
    """Say where sats go; an invoice key is masked."""
    if where is None:
        return Say("destination.none")
    if where.kind == INVOICE_KEY:
        return Say("destination.invoice_key", first=where.value[:4], last=where.value[-4:])
    return Say("destination.address", address=where.value)


def minimum(where: Destination) -> Say:
    """Say from how many sats on payouts leave, where that matters."""
    if where.min_sat <= 1:
        return NOTHING
    return Say("destination.minimum", sats=Sat(where.min_sat))


def deposit(one: Deposit) -> Say:
    """Say a deposit in one line, as operators see it."""
    note = Say("deposit.note", note=short(one.note)) if one.note else NOTHING
    return Say(
        "deposit.line",
        id=one.id,
        name=one.client_name,
        amount=Fiat(one.amount_minor),
        state=Word("deposit", one.state),
        at=Moment(one.confirmed_at or one.created_at),
        note=note,
    )


def client(one: Client, programme: Programme) -> Say:
    """Say a client in one line, and why nothing is bought for one who has a balance."""
    why = obstacles.short(one, programme)
    return Say(
        "client.line",
        name=one.name,
        balance=Fiat(one.balance_minor),
        owed=Sat(one.owed_sat),
        state=_client_state(one)
        if why == NOTHING or not one.balance_minor
        else Say("client.buys_nothing", why=why),
    )


def _client_state(one: Client) -> Field:
    if one.state == "active" and not one.destination:
        return Say("client.no_wallet")
    return Word("client", one.state)


def cash_out(one: RecordedCashOut) -> Say:
    """Say a cash-out in one line."""
    return Say(
        "cash_out.line",
        id=short_id(one.id),
        at=Moment(one.at),
        machine=short(one.machine) if one.machine else Say("cash_out.no_machine"),
        amounts=_amounts(one),
        state=Word("cash_out", one.state),
        reason=Say("cash_out.reason", reason=Word("reason", one.reason)) if one.reason else NOTHING,
    )


def fixed_run(one: RecordedRun) -> Say:
    """Say a run of fixed mode in one line."""
    return Say(
        "fixed.line",
        at=Moment(one.due_at),
        by_hand=Say("fixed.by_hand") if is_by_hand(one.id) else NOTHING,
        what=_run_result(one),
    )


def payout(one: Payout) -> Say:
    """Say a payout in one line, with what it waits for."""
    return Say(
        "payout.line",
        payout=payout_short(one),
        state=Word("payout", one.state),
        waiting=Say("payout.waiting", why=waiting(one.waiting)) if one.waiting else NOTHING,
        said=lnbits_said(one),
    )


def payout_short(one: Payout) -> Say:
    """Say which payout is meant."""
    return Say("payout.short", id=short_id(one.id), name=one.client_name, sats=Sat(one.amount_sat))


def payment_hash(one: Payout) -> str:
    """Return the payment hash of a payout's last invoice, by which LNbits and a node find it."""
    return one.attempt.payment_hash if one.attempt else ""


def lnbits_said(one: Payout) -> Say:
    """Say what LNbits answered to a pay request that it did not carry out, if anything."""
    return Say("payout.said", words=one.said) if one.said else NOTHING


def hold(tx: Tx, one: Hold) -> Say:
    """Say what is held and why, and what the operator can type."""
    return Say("lines", lines=(held(tx, one), choice(tx, one)))


def held(tx: Tx, one: Hold) -> Say:
    """Say what is held and why."""
    if one.kind == "payout":
        return _payout_hold(tx, one)
    if one.kind == "lost":
        return _lost_hold(tx, one)
    cash_out = cash_outs.by_id(tx, one.ref)
    if cash_out is None:
        return Say("hold.unknown", id=one.id, reason=Word("reason", one.reason))
    fields: dict[str, Field] = {
        "id": one.id,
        "machine": short(cash_out.machine),
        "at": Moment(cash_out.at),
        "amounts": _amounts(cash_out),
        "reason": Word("reason", one.reason),
        "cash_out": short_id(cash_out.id),
    }
    if one.kind == "changed":
        left = _dispensed(machine_cash.left_minor(tx, cash_out.id))
        return Say("hold.changed", **fields, dispensed=left, given=_given(tx, cash_out))
    return Say(
        "hold.cash_out",
        **fields,
        dispensed=_dispensed(cash_out.dispensed_minor),
        received=_received(cash_out),
        fee=_fee(cash_out),
    )


def choice(tx: Tx, one: Hold) -> Say:
    """Say what the operator can type about a hold; with one on a payout that stands in its text."""
    if one.kind in ("changed", "lost"):
        return Say(
            "hold.choice_changed" if one.kind == "changed" else "hold.choice_lost", id=one.id
        )
    cash_out = cash_outs.by_id(tx, one.ref) if one.kind == "cash-out" else None
    if cash_out is None:
        return NOTHING
    if cash_out.amounts is None:
        return Say("hold.choice_ignore", id=one.id)
    if one.reason == HoldReason.KNOWN_DISTRIBUTION:
        return Say("hold.choice_known", id=one.id)
    return _choice_of_part(tx, one, cash_out)


def error(text: str | None) -> Say:
    """Say what Lamassu has written down as a row's error, if anything."""
    return Say("hold.error", error=short(" ".join(text.split()))) if text else NOTHING


def contradiction(found: Contradiction) -> Say:
    """Say what Lamassu has as given out for a sale, and what its machine reported."""
    return Say(
        "report.repeated" if found.is_repeated else "report.differs",
        fiat=Fiat(found.fiat_minor),
        reported=Fiat(found.reported_minor),
    )


def change(then: str, now: str) -> Say:
    """Say what a row of Lamassu says, and what it said when it was shared out (`change.terms`)."""
    return Say("hold.change", then=_row(then), now=_row(now))


def arrived(what: Arrivals, to: Client) -> Say:
    """Say what has arrived since the client was told last."""
    bought = Say(
        "arrived.bought",
        sats=Sat(what.bought_sat),
        fiat=Fiat(what.minor),
        rate=Rate(what.minor, what.bought_sat),
    )
    earned = Say("arrived.earned", sats=Sat(what.earned_sat))
    return Say(
        "lines",
        lines=(
            Say("arrived.count", n=what.count),
            bought if what.bought_sat else NOTHING,
            earned if what.earned_sat else NOTHING,
            Say("arrived.balance", balance=Fiat(to.balance_minor)),
        ),
    )


def page(heading: Say, rows: Sequence[T], number: int, line: Callable[[T], Say]) -> Say:
    """Say page `number` of a list; `rows` starts at that page and has one row more if there are more."""
    if not rows:
        return Say("page.empty" if number == 1 else "page.beyond")
    lines = tuple(line(row) for row in rows[:PAGE_ROWS])
    more = Say("page.more", next=number + 1) if len(rows) > PAGE_ROWS else NOTHING
    return Say("page.lines", heading=heading, lines=lines, more=more)


def _run_result(one: RecordedRun) -> Say:
    if one.state != DONE:
        reason = Word("reason", one.reason)
        return Say("fixed.stopped", state=Word("fixed_run", one.state), reason=reason)
    if not one.clients:
        return Say("fixed.gave_nothing")
    return Say(
        "fixed.gave",
        n=one.clients,
        fiat=Fiat(one.minor),
        sats=Sat(one.sat),
        rate=Rate(one.minor, one.sat),
    )


def _amounts(one: RecordedCashOut) -> Field:
    """Say the principal; where the amounts are of no use, what the row itself says."""
    if one.amounts is not None:
        return Say(
            "cash_out.amounts",
            fiat=Fiat(one.amounts.principal_minor),
            sats=Sat(one.amounts.principal_sat),
        )
    if one.terms is None:
        return Say("cash_out.no_amounts")
    if one.state == HELD:
        return Say("cash_out.unusable", row=_row(one.terms))
    return _row_fiat(read_terms(one.terms))


def _row(text: str) -> Say:
    """Say what a row says of its amounts, trusted or not: `change.terms` as the ledger keeps them."""
    said = read_terms(text)
    coin: Field = short(said.crypto_code) or UNTOLD
    if said.crypto_code in COINS:
        atoms = said.crypto_atoms
        coin = UNTOLD if atoms is None or atoms != int(atoms) else Sat(int(atoms))
    return Say("cash_out.row", fiat=_row_fiat(said), coin=coin)


def _row_fiat(said: RowAmounts) -> Field:
    fiat = _units(said.fiat, said.fiat_code)
    if said.fixed_fee == 0:
        return fiat
    return Say("cash_out.row_fee", fiat=fiat, fee=_units(said.fixed_fee, said.fiat_code))


def _units(amount: Decimal | None, code: str) -> str:
    return UNTOLD if amount is None else f"{amount:,f} {short(code)}"


def _fee(one: RecordedCashOut) -> Say:
    """Say the fixed fee that is within the commission, if there is one."""
    if one.fixed_fee is None or one.terms is None:
        return NOTHING
    said = read_terms(one.terms)
    return Say("hold.fee", fee=_units(said.fixed_fee, said.fiat_code))


def _dispensed(minor: int | None) -> Say:
    if minor is None:
        return Say("hold.dispensed_unknown")
    return Say("hold.dispensed", fiat=Fiat(minor))


def _choice_of_part(tx: Tx, one: Hold, cash_out: RecordedCashOut) -> Say:
    """Say which part can be shared out: what LNbits has paid for, what was reported, what came in."""
    paid = unknown_payments.paid_for(tx, cash_out.id)
    if paid:
        sats, fiat = Sat(sum(row.sat for row in paid)), Fiat(sum(row.minor for row in paid))
        return Say("hold.choice_paid", id=one.id, sats=sats, fiat=fiat)
    whole_minor = cash_out.amounts.principal_minor if cash_out.amounts else 0
    dispensed_minor, covered = cash_out.dispensed_minor or 0, _covered(cash_out)
    if 0 < dispensed_minor < whole_minor:
        return Say("hold.choice_part", id=one.id, part=Fiat(dispensed_minor))
    if covered is not None and covered.minor:
        return Say("hold.choice_received", id=one.id, part=covered)
    return Say("hold.choice", id=one.id)


def _received(one: RecordedCashOut) -> Say:
    """Say what came in where less did than was sold, and what part of the fiat that is."""
    part = _covered(one)
    if part is None or one.received_sat is None or one.amounts is None:
        return NOTHING
    sold_sat = one.amounts.principal_sat + one.amounts.commission_sat
    return Say("hold.received", received=Sat(one.received_sat), sold=Sat(sold_sat), part=part)


def _covered(one: RecordedCashOut) -> Fiat | None:
    """Return the part of the fiat that what came in covers, rounded down, where less did than was sold."""
    if one.received_sat is None or one.amounts is None:
        return None
    sold_sat = one.amounts.principal_sat + one.amounts.commission_sat
    return Fiat(one.amounts.principal_minor * one.received_sat // sold_sat)


def _given(tx: Tx, cash_out: RecordedCashOut) -> Say:
    """Say what a cash-out and its commission gave to whom, and what became of each payout."""
    of_principal, of_commission = (
        given.shares if (given := distributions.by_id(tx, id_)) else ()
        for id_ in (cash_out.id, commission.split_id(cash_out.id))
    )
    id_ = short_id(cash_out.id)
    lines = (
        Say("hold.given_to", **_shares(of_principal, id_))
        if of_principal
        else Say("hold.given_to_nobody"),
        Say("hold.given_commission", **_shares(of_commission, id_)) if of_commission else NOTHING,
    )
    return Say("lines", lines=lines)


def _shares(shares: Sequence[RecordedShare], cash_out: str) -> dict[str, Field]:
    """Say the first few shares, and how many there are beyond."""
    lines = tuple(
        Say(
            "hold.share" if share.minor else "hold.commission_share",
            name=share.client_name,
            fiat=Fiat(share.minor),
            sats=Sat(share.sat),
            state=Word("payout", share.payout_state or COLLECTING),
        )
        for share in shares[:SHARES_IN_HOLD_MAX]
    )
    left = len(shares) - SHARES_IN_HOLD_MAX
    more = Say("hold.more_given", n=left, cash_out=cash_out) if left > 0 else NOTHING
    return {"shares": lines, "more": more}


def _lost_hold(tx: Tx, one: Hold) -> Say:
    paid = unknown_payments.paid_for(tx, one.ref)
    return Say(
        "hold.lost",
        id=one.id,
        distribution=short(one.ref),
        sats=Sat(sum(row.sat for row in paid)),
        names=short(", ".join(row.client_name for row in paid)),
    )


def _payout_hold(tx: Tx, one: Hold) -> Say:
    held = payouts.by_id(tx, one.ref)
    if held is None:
        return Say("hold.unknown", id=one.id, reason=Word("reason", one.reason))
    if one.reason == HoldReason.FAILED_TO_ADDRESS:
        return _failed_hold(one, held)
    keys: dict[str, str] = {
        HoldReason.KNOWN_PAYOUT: "hold.payout_known",
        HoldReason.ALERTED: "hold.payout_alerted",
        HoldReason.ARRIVED_AFTER_ALL: "hold.payout_arrived",
    }
    return Say(
        keys.get(one.reason, "hold.payout_ceiling"),
        id=one.id,
        payout=payout_short(held),
        reason=Word("reason", one.reason),
        payout_id=short_id(held.id),
    )


def _failed_hold(one: Hold, held: Payout) -> Say:
    """Say what may have become of a payment that LNbits calls failed, and what the operator can do."""
    expires_at = held.attempt.expires_at if held.attempt else one.opened_at
    return Say(
        "hold.payout_failed",
        id=one.id,
        payout=payout_short(held),
        wallet=destination(held.destination),
        reason=Word("reason", one.reason),
        said=lnbits_said(held),
        name=held.client_name,
        sats=Sat(held.amount_sat),
        at=Moment(held.submitted_at or one.opened_at),
        hash=payment_hash(held),
        word_from=Moment(word_from(expires_at)),
        payout_id=short_id(held.id),
    )

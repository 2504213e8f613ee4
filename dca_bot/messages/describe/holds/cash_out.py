"""Describes the hold on a cash-out that is not shared out yet."""

from dca_bot.core.cash_out import Reason
from dca_bot.core.names import short_id
from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.payouts.holds import Hold, HoldReason
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.cash_outs import fixed_fee, principal
from dca_bot.messages.describe.holds.text import HoldText, unknown
from dca_bot.messages.describe.layout import short
from dca_bot.messages.describe.reasons import reason
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Plain, Sat, Say


def cash_out_fields(hold: Hold, cash_out: RecordedCashOut) -> dict[str, Field]:
    """Return the fields of each text about a held cash-out."""
    is_older = hold.reason == Reason.BEFORE_IMPORT
    return {
        "id": hold.id,
        "machine": short(cash_out.machine),
        # Such a cash-out is distributed as of the import; the operator looks for the sale.
        "at": Moment(cash_out.created_at if is_older else cash_out.at),
        "amounts": principal(cash_out),
        "reason": reason(hold.reason, hold.reason_said),
        "cash_out": short_id(cash_out.id),
    }


def dispensed(minor: int | None) -> Say:
    """Say how much cash the machine has reported as given out, None for no report."""
    if minor is None:
        return Say("hold.dispensed_unknown")
    return Say("hold.dispensed", fiat=Fiat(minor))


def _held(tx: Tx, hold: Hold) -> Say:
    """Say the cash-out's amounts, the machine's report, and the reason of the hold."""
    cash_out = cash_outs.by_id(tx, hold.ref)
    if cash_out is None:
        return unknown(hold)
    return Say(
        "hold.cash_out",
        **cash_out_fields(hold, cash_out),
        dispensed=dispensed(cash_out.dispensed_minor),
        received=_received(cash_out),
        fee=fixed_fee(cash_out),
    )


def _choice(tx: Tx, hold: Hold) -> Say:
    cash_out = cash_outs.by_id(tx, hold.ref)
    if cash_out is None:
        return NOTHING
    if cash_out.amounts is None:
        return Say("hold.choice_ignore", id=hold.id)
    if hold.reason == HoldReason.KNOWN_DISTRIBUTION:
        return Say("hold.choice_known", id=hold.id)
    return _choice_of_part(tx, hold, cash_out)


CASH_OUT_TEXT = HoldText(held=_held, choice=_choice)


def _choice_of_part(tx: Tx, hold: Hold, cash_out: RecordedCashOut) -> Say:
    """Propose a part to share out: paid by LNbits, else dispensed in cash, else received in sats."""
    paid = unknown_payments.paid_for(tx, cash_out.id)
    if paid:
        sats, fiat = Sat(sum(row.sat for row in paid)), Fiat(sum(row.minor for row in paid))
        return Say("hold.choice_paid", id=hold.id, sats=sats, fiat=fiat, part=Plain(fiat))
    whole_minor = cash_out.amounts.principal_minor if cash_out.amounts else 0
    dispensed_minor, covered = cash_out.dispensed_minor or 0, _covered(cash_out)
    if 0 < dispensed_minor < whole_minor:
        return Say("hold.choice_part", id=hold.id, part=Plain(Fiat(dispensed_minor)))
    if covered is not None and covered.minor:
        return Say("hold.choice_received", id=hold.id, part=Plain(covered))
    return Say("hold.choice", id=hold.id)


def _received(cash_out: RecordedCashOut) -> Say:
    """Say how many sats came in where fewer came in than were sold, and the received part of the fiat."""
    part = _covered(cash_out)
    if part is None or cash_out.received_sat is None or cash_out.amounts is None:
        return NOTHING
    sold_sat = cash_out.amounts.principal_sat + cash_out.amounts.commission_sat
    return Say("hold.received", received=Sat(cash_out.received_sat), sold=Sat(sold_sat), part=part)


def _covered(cash_out: RecordedCashOut) -> Fiat | None:
    """Return the received sats' part of the fiat, rounded down; None where all sold sats came in."""
    if cash_out.received_sat is None or cash_out.amounts is None:
        return None
    sold_sat = cash_out.amounts.principal_sat + cash_out.amounts.commission_sat
    return Fiat(cash_out.amounts.principal_minor * cash_out.received_sat // sold_sat)

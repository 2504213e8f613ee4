"""Describes the hold on a cash-out that Lamassu changed after the cash-out was shared out."""

from collections.abc import Sequence

from dca_bot.core.names import short_id
from dca_bot.core.payout import COLLECTING
from dca_bot.ledger.distributions import cash_outs, distributions
from dca_bot.ledger.distributions.cash_outs import RecordedCashOut
from dca_bot.ledger.distributions.distributions import RecordedShare
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.programme import commission, machine_cash
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.holds.cash_out import cash_out_fields, dispensed
from dca_bot.messages.describe.holds.text import HoldText, unknown
from dca_bot.messages.say import NOTHING, Fiat, Field, Sat, Say, Word

_SHARES_SHOWN_MAX = 4


def _held(tx: Tx, hold: Hold) -> Say:
    """Say Lamassu's change, and the shares that the cash-out gave."""
    cash_out = cash_outs.by_id(tx, hold.ref)
    if cash_out is None:
        return unknown(hold)
    left_minor = machine_cash.left_minor(tx, cash_out.id)
    return Say(
        "hold.changed",
        **cash_out_fields(hold, cash_out),
        dispensed=dispensed(left_minor),
        given=_given(tx, cash_out),
    )


def _choice(_tx: Tx, hold: Hold) -> Say:
    return Say("hold.choice_changed", id=hold.id)


CHANGED_TEXT = HoldText(held=_held, choice=_choice)


def _given(tx: Tx, cash_out: RecordedCashOut) -> Say:
    """Say the shares of a cash-out and of the commission, with the state of each payout."""
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
    """Say the first few shares, and the number of further ones."""
    lines = tuple(
        Say(
            "hold.share" if share.minor else "hold.commission_share",
            name=share.client_name,
            fiat=Fiat(share.minor),
            sats=Sat(share.sat),
            state=Word("payout", share.payout_state or COLLECTING),
        )
        for share in shares[:_SHARES_SHOWN_MAX]
    )
    left = len(shares) - _SHARES_SHOWN_MAX
    more = Say("hold.more_given", n=left, cash_out=cash_out) if left > 0 else NOTHING
    return {"shares": lines, "more": more}

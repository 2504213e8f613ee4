"""Describes the hold on a payout."""

from dca_bot.core.names import short_id
from dca_bot.core.witness import word_from
from dca_bot.ledger.payouts import payouts
from dca_bot.ledger.payouts.holds import Hold, HoldReason
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.clients import destination
from dca_bot.messages.describe.holds.text import HoldText, unknown
from dca_bot.messages.describe.payouts import lnbits_said, payment_hash, payout_short
from dca_bot.messages.describe.reasons import reason
from dca_bot.messages.say import NOTHING, Moment, Sat, Say

_TEXTS: dict[str, str] = {
    HoldReason.KNOWN_PAYOUT: "hold.payout_known",
    HoldReason.ALERTED: "hold.payout_alerted",
    HoldReason.ARRIVED_AFTER_ALL: "hold.payout_arrived",
}
"""The text by the reason of the hold; a ceiling's for any other reason."""


def _held(tx: Tx, hold: Hold) -> Say:
    """Say the payout, the reason, and the commands to type."""
    payout = payouts.by_id(tx, hold.ref)
    if payout is None:
        return unknown(hold)
    if hold.reason == HoldReason.FAILED_TO_ADDRESS:
        return _failed(hold, payout)
    return Say(
        _TEXTS.get(hold.reason, "hold.payout_ceiling"),
        id=hold.id,
        payout=payout_short(payout),
        reason=reason(hold.reason, hold.reason_said),
        payout_id=short_id(payout.id),
    )


def _choice(_tx: Tx, _hold: Hold) -> Say:
    return NOTHING


PAYOUT_TEXT = HoldText(held=_held, choice=_choice)


def _failed(hold: Hold, payout: Payout) -> Say:
    """Ask an operator whether a payment that LNbits calls failed has arrived."""
    expires_at = payout.attempt.expires_at if payout.attempt else hold.opened_at
    return Say(
        "hold.payout_failed",
        id=hold.id,
        payout=payout_short(payout),
        wallet=destination(payout.destination),
        reason=reason(hold.reason, hold.reason_said),
        said=lnbits_said(payout),
        name=payout.client_name,
        sats=Sat(payout.amount_sat),
        at=Moment(payout.submitted_at or hold.opened_at),
        hash=payment_hash(payout),
        word_from=Moment(word_from(expires_at)),
        payout_id=short_id(payout.id),
    )

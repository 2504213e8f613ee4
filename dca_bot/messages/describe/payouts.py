"""Describes payouts: id, payee, state, and why a payout waits."""

from dca_bot.core.names import short_id
from dca_bot.ledger.payouts.payout import Payout
from dca_bot.messages.describe.reasons import waiting
from dca_bot.messages.say import NOTHING, Sat, Say, Word


def payout(one: Payout) -> Say:
    """Say a payout on a line, with the state and why the payout waits."""
    return Say(
        "payout.line",
        payout=payout_short(one),
        state=Word("payout", one.state),
        waiting=Say("payout.waiting", why=waiting(one.wait)) if one.waiting else NOTHING,
        said=lnbits_said(one),
    )


def payout_short(one: Payout) -> Say:
    """Name a payout: short id, client and sats."""
    return Say("payout.short", id=short_id(one.id), name=one.client_name, sats=Sat(one.amount_sat))


def lnbits_said(one: Payout) -> Say:
    """Say LNbits' answer to a pay request that LNbits did not carry out; NOTHING without an answer."""
    return Say("payout.said", words=one.said) if one.said else NOTHING


def payment_hash(one: Payout) -> str:
    """Return the payment hash of a payout's last invoice, empty without an invoice."""
    return one.attempt.payment_hash if one.attempt else ""

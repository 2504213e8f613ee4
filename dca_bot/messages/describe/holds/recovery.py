"""Describes the hold on a distribution that LNbits paid and a restored ledger lacks."""

from dca_bot.ledger.payouts import unknown_payments
from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.holds.text import HoldText
from dca_bot.messages.describe.layout import short
from dca_bot.messages.say import Sat, Say


def _held(tx: Tx, hold: Hold) -> Say:
    paid = unknown_payments.paid_for(tx, hold.ref)
    return Say(
        "hold.lost",
        id=hold.id,
        distribution=short(hold.ref),
        sats=Sat(sum(row.sat for row in paid)),
        names=short(", ".join(row.client_name for row in paid)),
    )


def _choice(_tx: Tx, hold: Hold) -> Say:
    return Say("hold.choice_lost", id=hold.id)


RECOVERY_TEXT = HoldText(held=_held, choice=_choice)

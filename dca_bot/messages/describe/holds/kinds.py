"""Describes holds in lists, answers and notices, by the kind of hold."""

from collections.abc import Mapping

from dca_bot.ledger.payouts.holds import Hold, HoldKind
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.holds.cash_out import CASH_OUT_TEXT
from dca_bot.messages.describe.holds.changed import CHANGED_TEXT
from dca_bot.messages.describe.holds.payout import PAYOUT_TEXT
from dca_bot.messages.describe.holds.recovery import RECOVERY_TEXT
from dca_bot.messages.describe.holds.text import HoldText
from dca_bot.messages.say import Say

HOLD_TEXTS: Mapping[HoldKind, HoldText] = {
    HoldKind.CASH_OUT: CASH_OUT_TEXT,
    HoldKind.CHANGED: CHANGED_TEXT,
    HoldKind.PAYOUT: PAYOUT_TEXT,
    HoldKind.RECOVERY: RECOVERY_TEXT,
}
"""The texts about a hold, by the kind of hold."""


def hold(tx: Tx, one: Hold) -> Say:
    """Say the held thing, the reason, and the commands to type."""
    return Say("lines", lines=(held(tx, one), choice(tx, one)))


def held(tx: Tx, one: Hold) -> Say:
    """Say the held thing and the reason."""
    return HOLD_TEXTS[one.kind].held(tx, one)


def choice(tx: Tx, one: Hold) -> Say:
    """Say the commands to type about a hold; NOTHING if `held` names the commands."""
    return HOLD_TEXTS[one.kind].choice(tx, one)

"""The shape of a row in the table of kinds: what is said of a hold of one kind."""

from collections.abc import Callable
from dataclasses import dataclass

from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import Say, Word


@dataclass(frozen=True, slots=True)
class HoldText:
    """The row of a kind of hold.

    `held` says what is held and why. `choice` says what an operator can type: NOTHING where `held` does.
    """

    held: Callable[[Tx, Hold], Say]
    choice: Callable[[Tx, Hold], Say]


def unknown(hold: Hold) -> Say:
    """Say the reason of a hold where the ledger lacks the held thing."""
    return Say("hold.unknown", id=hold.id, reason=Word("reason", hold.reason))

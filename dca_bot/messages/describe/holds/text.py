"""The shape of a row in the table of kinds: the texts about a hold of one kind."""

from collections.abc import Callable
from dataclasses import dataclass

from dca_bot.ledger.payouts.holds import Hold
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.describe.reasons import reason
from dca_bot.messages.say import Say


@dataclass(frozen=True, slots=True)
class HoldText:
    """The row of a kind of hold.

    `held` says the held thing and the reason. `choice` says the commands to type: NOTHING if `held` does.
    """

    held: Callable[[Tx, Hold], Say]
    choice: Callable[[Tx, Hold], Say]


def unknown(hold: Hold) -> Say:
    """Say the reason of a hold where the ledger lacks the held thing."""
    return Say("hold.unknown", id=hold.id, reason=reason(hold.reason, hold.reason_said))

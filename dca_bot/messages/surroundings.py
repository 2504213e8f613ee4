"""What the bot sees of the outside parts at a moment, for reports to operators."""

from collections.abc import Sequence
from dataclasses import dataclass

from dca_bot.core.reach import Reach
from dca_bot.core.relay_state import RelayState


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The outside parts' and each relay's reach, and the source wallet's balance.

    The balance is None without an answer of LNbits.
    """

    balance_msat: int | None
    parts: Sequence[Reach]
    relays: Sequence[RelayState] = ()

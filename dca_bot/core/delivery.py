"""What a relay answered to a message, and why a message doesn't reach a person."""

from dataclasses import dataclass
from enum import StrEnum

from dca_bot.core.relay_state import RelayTrouble


class Undelivered(StrEnum):
    """Why a message doesn't reach a person; the ledger's table `delivery` has the same codes."""

    NO_LIST = "no_list"
    """No relay list of the person is known."""
    UNUSABLE_LIST = "unusable_list"
    """No relay of the person's list may be connected to."""
    NO_CONNECTION = "no_connection"
    NO_ANSWER = "no_answer"
    """A relay is connected, and answers in time neither yes nor no."""
    REFUSED = "refused"
    """A relay refused the message, in words of its own."""


@dataclass(frozen=True, slots=True)
class RelayAnswer:
    """One relay's answer to one message.

    `reason`: why the relay doesn't have the message, None if the relay accepted. `trouble`: the
    failure in more detail. `words`: the relay's own words, cleaned and cut short; '' for none.
    """

    relay: str
    accepted: bool
    reason: Undelivered | None = None
    trouble: RelayTrouble | None = None
    words: str = ""

"""What keeps the programme from buying bitcoin for a client, whatever the balance.

The invariant: who has no obstacle takes part in the next cash-out or fixed run with a balance; the
ledger's view `participant` says the same of what a client has set.
"""

from dataclasses import dataclass
from enum import StrEnum


class Obstacle(StrEnum):
    """One thing that keeps a client from buying; somebody has to act before it ends."""

    STOPPED = "stopped"
    PAUSED = "paused"
    NO_WALLET = "no wallet"
    FLOW_OFF = "flow mode off"
    FIXED_OFF = "fixed mode off"
    NO_LIMIT = "no limit"


@dataclass(frozen=True, slots=True)
class Setup:
    """How a client is set up, and which modes the operator has switched on."""

    state: str
    mode: str
    has_wallet: bool
    limit_minor: int
    flow_enabled: bool
    fixed_enabled: bool


def obstacles(setup: Setup) -> tuple[Obstacle, ...]:
    """Return all that keeps a client from buying, the most telling one first."""
    is_flow = setup.mode == "flow"
    found = {
        Obstacle.STOPPED: setup.state == "stopped",
        Obstacle.PAUSED: setup.state == "paused",
        Obstacle.NO_WALLET: not setup.has_wallet,
        Obstacle.FLOW_OFF: is_flow and not setup.flow_enabled,
        Obstacle.FIXED_OFF: not is_flow and not setup.fixed_enabled,
        Obstacle.NO_LIMIT: not is_flow and setup.fixed_enabled and not setup.limit_minor,
    }
    return tuple(one for one, is_so in found.items() if is_so)

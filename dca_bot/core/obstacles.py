"""The obstacles that keep the programme from buying bitcoin for a client, regardless of the balance.

The invariant: a client without an obstacle takes part in the next cash-out or fixed run if the
balance is above 0. The ledger's view `participant` has the same rule for the client's own settings.
"""

from dataclasses import dataclass
from enum import StrEnum

from dca_bot.core.clients import ClientState, Mode


class Obstacle(StrEnum):
    """A reason why nothing is bought for a client until somebody acts."""

    STOPPED = "stopped"
    PAUSED = "paused"
    NO_WALLET = "no_wallet"
    FLOW_OFF = "flow_mode_off"
    FIXED_OFF = "fixed_mode_off"
    NO_LIMIT = "no_limit"


@dataclass(frozen=True, slots=True)
class Setup:
    """A client's settings, and the modes that the operator has switched on."""

    state: ClientState
    mode: Mode
    has_wallet: bool
    limit_minor: int
    flow_enabled: bool
    fixed_enabled: bool


def obstacles(setup: Setup) -> tuple[Obstacle, ...]:
    """Return all obstacles of a client, the most telling first."""
    is_flow = setup.mode is Mode.FLOW
    found = {
        Obstacle.STOPPED: setup.state is ClientState.STOPPED,
        Obstacle.PAUSED: setup.state is ClientState.PAUSED,
        Obstacle.NO_WALLET: not setup.has_wallet,
        Obstacle.FLOW_OFF: is_flow and not setup.flow_enabled,
        Obstacle.FIXED_OFF: not is_flow and not setup.fixed_enabled,
        Obstacle.NO_LIMIT: not is_flow and setup.fixed_enabled and not setup.limit_minor,
    }
    return tuple(one for one, is_so in found.items() if is_so)

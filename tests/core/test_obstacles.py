"""Why nothing is bought for a client, the most telling reason first."""

from dataclasses import replace

import pytest

from dca_bot.core.clients import ClientState, Mode
from dca_bot.core.obstacles import Obstacle, Setup, obstacles

FLOW = Setup(
    state=ClientState.ACTIVE,
    mode=Mode.FLOW,
    has_wallet=True,
    limit_minor=0,
    flow_enabled=True,
    fixed_enabled=False,
)
FIXED = replace(FLOW, mode=Mode.FIXED, limit_minor=1, flow_enabled=False, fixed_enabled=True)


@pytest.mark.parametrize("setup", [FLOW, FIXED])
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ()),
        ({"state": ClientState.STOPPED}, (Obstacle.STOPPED,)),
        ({"state": ClientState.PAUSED}, (Obstacle.PAUSED,)),
        ({"has_wallet": False}, (Obstacle.NO_WALLET,)),
        (
            {"state": ClientState.PAUSED, "has_wallet": False},
            (Obstacle.PAUSED, Obstacle.NO_WALLET),
        ),
    ],
)
def test_state_and_wallet_count_in_both_modes(setup, changes, found):
    assert obstacles(replace(setup, **changes)) == found


@pytest.mark.parametrize(
    ("setup", "changes", "found"),
    [
        (FLOW, {"flow_enabled": False}, (Obstacle.FLOW_OFF,)),
        (FLOW, {"fixed_enabled": True}, ()),
        (FIXED, {"fixed_enabled": False}, (Obstacle.FIXED_OFF,)),
        (FIXED, {"limit_minor": 0}, (Obstacle.NO_LIMIT,)),
        (FIXED, {"limit_minor": 0, "fixed_enabled": False}, (Obstacle.FIXED_OFF,)),
        (FIXED, {"flow_enabled": True}, ()),
    ],
)
def test_each_mode_has_its_own_switch_and_only_fixed_mode_needs_a_limit(setup, changes, found):
    assert obstacles(replace(setup, **changes)) == found

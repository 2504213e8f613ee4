"""A small part of the hostile volume (`make hostile` sends 100,000)."""

import pytest

from reach.attack import MIX
from reach.hostile import STRANGERS_MAX, measure

COUNT = 1_500
PER_S = 300
MEMORY_MIB_MAX = 29
"""What a process may take in the first seconds: lists of what was seen and refused fill up."""


@pytest.mark.slow(20)
async def test_nothing_hostile_is_carried_out_and_the_client_is_answered_before_and_after_a_restart():
    volume = await measure(count=COUNT, per_s=PER_S, seed=1)
    assert volume.kinds.keys() == {make.__name__ for make in MIX}, "each kind was sent"
    assert volume.executed == 0
    assert 0 < volume.strangers <= STRANGERS_MAX
    assert volume.unanswered == 0
    assert volume.paced_s, "a client asked meanwhile"
    assert max(volume.rss_mib) - volume.rss_mib[0] < MEMORY_MIB_MAX, volume.text()

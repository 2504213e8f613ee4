"""A small part of the delivery matrix (`make reach` plays all of it)."""

from itertools import cycle

import pytest

from reach.cast import KINDS, WAYS, Cast, Role
from reach.faults import SOUND
from reach.figures import failures, report, total
from reach.matrix import play_all

LIMIT_S = 45


@pytest.mark.slow(30)
async def test_everybody_is_reached_over_sound_relays_in_order_and_once():
    people = tuple(Role(kind, (SOUND,), way) for kind, way in zip(KINDS, cycle(WAYS), strict=False))
    cast = Cast("sound", 1, (SOUND,), people, commands=3, notices=2)
    outcomes = await play_all([cast], limit_s=LIMIT_S)
    assert failures(outcomes) == []
    found = total(outcomes)
    assert (found.count, found.delivered) == (len(KINDS) * 8, found.count), report(outcomes)

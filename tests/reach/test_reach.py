"""A small part of the delivery matrix (`make reach` plays all of it)."""

from dataclasses import replace
from itertools import cycle

import pytest

from reach.cast import KINDS, WAYS, Cast, Role
from reach.faults import FAULTS, SOUND
from reach.figures import failures, report, total
from reach.matrix import play_all

LIMIT_S = 45
ANSWERED_SOON = ("2nd REQ closed", "OK withheld", "HTTP 403")
"""Faults that keep nobody waiting for long."""


@pytest.mark.slow(30)
async def test_everybody_is_reached_in_order_and_once_with_a_sound_path():
    people = tuple(Role(kind, (SOUND,), way) for kind, way in zip(KINDS, cycle(WAYS), strict=False))
    cast = Cast("sound", 1, (SOUND,), people, commands=3, notices=2)
    others = tuple(fault for fault in FAULTS if fault.name in ANSWERED_SOON)
    beside = tuple(replace(role, faults=(*others, SOUND)) for role in people)
    faulty = Cast("faulty", 2, (*others, SOUND), beside, commands=3, notices=2, restarts=1)
    outcomes = await play_all([cast, faulty], limit_s=LIMIT_S)
    assert failures(outcomes) == []
    found = total(outcomes)
    assert (found.count, found.delivered) == (2 * len(KINDS) * 8, found.count), report(outcomes)

"""The last test that mutants of the jobs meet, and nobody else: a simulated day of kills and faults."""

from simulation.planted import PLAN
from simulation.world import Figures, play


def test_busy_day_keeps_all_promises(tmp_path):
    found = play(1, PLAN, tmp_path)
    assert isinstance(found, Figures), found.what

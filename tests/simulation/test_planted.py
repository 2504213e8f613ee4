"""Some planted faults are found; each replaces something that the program has, or counts as missed."""

import pytest

from dca_bot.core import money
from simulation.faults.fault import Fault, NeverReached, find, planted
from simulation.planted import BY_NAME, FAULTS, PLAN, Search, missed


def test_forty_faults_at_least_have_names_of_their_own():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_replaces_what_the_program_has(fault):
    with planted(fault):
        pass


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    "name",
    [
        "a message that comes again is carried out again",
        "a sale that is read again is shared out again",
    ],
)
def test_fault_is_found(name):
    seed, what = find(BY_NAME[name], PLAN, is_over=lambda: False)
    # A job that wakes at another instant makes another world of each seed.
    assert (seed in range(1, 4), what.startswith("Violation")) == (True, True)


def test_fault_stands_in_the_program_only_while_planted():
    with planted(Fault("no sats", {"core.money.sat_floor": lambda _: 0})) as calls:
        assert (money.sat_floor(2_000), calls["core.money.sat_floor"]) == (0, 1)
    assert money.sat_floor(2_000) == 2


def test_fault_of_a_name_that_the_program_lacks_is_refused():
    fault = Fault("renamed meanwhile", {"core.money.sat_flor": lambda _: 0})
    with pytest.raises(AttributeError), planted(fault):
        pass


def test_fault_that_no_world_has_reached_counts_as_missed():
    fault = Fault("in vain", {"core.money.sat_floor": lambda _: 0})
    with pytest.raises(NeverReached, match=r"core\.money\.sat_floor"):
        find(fault, PLAN, is_over=lambda: True)


def test_fault_that_no_world_shows_or_whose_world_breaks_anyway_is_missed():
    shown, hidden, doubtful, failing = (
        Search("shown", PLAN, 1, 2.0, "Violation: a promise"),
        Search("hidden", PLAN, 0, 300.0, ""),
        Search("doubtful", PLAN, 2, 5.0, "Violation: a promise"),
        Search("failing", PLAN, 1, 2.0, "AttributeError: no attribute 'it'"),
    )
    anyway = {(1, PLAN): "", (2, PLAN): "another promise"}
    assert missed([shown], anyway) == []
    assert missed([shown, hidden, doubtful, failing], anyway) == [
        "not found: hidden",
        "not shown: doubtful; seed 2 without it: another promise",
        "not shown: failing; seed 1: AttributeError: no attribute 'it'",
    ]

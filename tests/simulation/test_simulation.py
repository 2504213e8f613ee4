"""Simulated worlds keep all promises, a seed is always the same world, and rule 2 is written twice."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.core.allotment import allot
from simulation.sharing import shared_out
from simulation.world import Figures, Plan, play

PLAN = Plan(days=1)
SCRIPT = Path(__file__).with_name("simulate.py")


@pytest.mark.slow(20)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_world_keeps_all_promises(seed, tmp_path):
    found = play(seed, replace(PLAN, days=2), tmp_path)
    assert isinstance(found, Figures), found.what
    assert found.kills >= 20
    assert found.distributions > 10
    assert found.payouts > 50


@pytest.mark.slow(8)
def test_same_seed_is_the_same_world_in_another_process(tmp_path):
    command = [sys.executable, SCRIPT, "--seed", "7", "--days", "1", "--jobs", "1"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = play(7, PLAN, tmp_path)
    assert f"digest={found.digest} " in done.stdout


@given(
    balances=st.dictionaries(
        st.integers(1, 30), st.integers(0, 10**6) | st.integers(0, 9), max_size=12
    ),
    minor=st.integers(1, 10**6) | st.integers(1, 30),
    sat=st.integers(0, 10**7) | st.integers(0, 40),
)
def test_rule_of_the_checker_and_rule_of_the_program_share_out_alike(balances, minor, sat):
    shares = allot(sat, minor, balances).shares
    assert shared_out(balances, minor, sat) == {one.id: (one.minor, one.sat) for one in shares}

"""The runner tells mutants that tests notice from those that no test notices, and ends those that hang."""

import json
import subprocess
import sys

import pytest

from mutation.pieces import PIECES, ROOT

MODULE, TESTS = "dca_bot/core/ceilings.py", "tests/core/test_ceilings.py"
SOURCE = (ROOT / MODULE).read_text()
BOUNDARY = "if amount_sat > ceilings.payout_max_sat"
SCRIPT = f"""
import json, sys
from mutation.runner import Trial, play, watch
called = watch(["{TESTS}"])
trials = [Trial("{MODULE}", code, tuple(called), limit_s) for code, limit_s in json.load(sys.stdin)]
verdicts = {{trial: verdict for trial, verdict in play(trials, jobs=2)}}
functions = sorted({{name for one in called.values() for path, name in one.functions if path == "{MODULE}"}})
json.dump([[verdicts[trial] for trial in trials], functions], sys.stdout)
"""


@pytest.mark.long
def test_planted_mutant_is_killed_an_equal_one_survives_and_an_endless_one_hangs():
    assert SOURCE.count(BOUNDARY) == 1
    mutants = [
        (SOURCE.replace(BOUNDARY, BOUNDARY.replace(">", ">=")), 60),
        (SOURCE.replace(BOUNDARY, BOUNDARY.replace("if ", "if not not ")), 60),
        ("while True: pass", 1),
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(mutants),
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    verdicts, functions = json.loads(done.stdout)
    assert verdicts == ["killed", "survived", "hung"]
    assert functions == ["broken", "to_be_held"]


def test_each_piece_has_modules_and_tests_that_are_there():
    for piece in PIECES.values():
        assert len(piece.modules()) > 5
        assert all((ROOT / path).is_file() for path in [*piece.modules(), *piece.files()])

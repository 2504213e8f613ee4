"""The programs beside the tests, which print figures, still find the parts that they measure."""

import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "program",
    [
        "bench/run.py",
        "lists_bench.py",
        "walks.py",
        "lnbits_versions.py",
        "ledger/store/database_bench.py",
        "reach/matrix.py",
        "reach/hostile.py",
    ],
)
def test_program_beside_the_tests_can_be_started(program, monkeypatch):
    monkeypatch.syspath_prepend(str((HERE / program).parent))
    assert callable(runpy.run_path(str(HERE / program), run_name="looked at")["main"])

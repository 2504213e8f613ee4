"""Test files can be collected together, and are where programs look for them."""

from collections import Counter
from pathlib import Path

from lnbits_versions import TESTS

HERE = Path(__file__).parent


def test_files_in_folders_that_are_no_packages_have_names_of_their_own():
    files = [path for path in HERE.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    counts = Counter(path.name for path in files)
    assert len(files) > 200
    assert [name for name, count in counts.items() if count > 1] == []


def test_files_that_are_tried_with_older_versions_of_lnbits_are_there():
    assert [name for name in TESTS if not (HERE.parent / name).is_file()] == []

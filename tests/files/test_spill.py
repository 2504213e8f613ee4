"""Values beyond memory come back as they were put."""

import gc
import tempfile
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.errors import SourceUnavailable
from dca_bot.faults import SourceFault
from dca_bot.files import spill
from dca_bot.files.spill import Spill, batches, in_order

VALUES = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=3)), max_size=60)


@given(VALUES, st.integers(1, 70), st.integers(1, 70))
def test_each_part_comes_back_in_its_order_as_often_as_it_is_asked_for(values, kept_max, weight):
    found = Spill(kept_max=kept_max)
    for part, value in values:
        found.extend({part: [(part, value)]}, weight=weight)
    expected = [[one for one in values if one[0] == part] for part in range(4)]
    for _ in range(2):
        assert [list(found.part(part)) for part in range(4)] == expected
        assert list(found) == list(chain(*expected))
    assert found.parts() == [part for part in range(4) if expected[part]]
    assert (len(found), found.compact() is found) == (
        len(values),
        bool(values) and len(values) * weight >= kept_max,
    )


def test_two_looks_at_once_do_not_disturb_each_other():
    found = Spill(kept_max=10)
    for n in range(500):
        found.put(n)
    assert list(zip(found, found, strict=True)) == [(n, n) for n in range(500)]
    assert 499 in found
    assert 500 not in found


@given(st.lists(st.integers(0, 9)), st.integers(1, 20))
def test_values_come_in_order_and_equal_ones_as_they_were(values, kept_max):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "_KEPT_MAX", kept_max)
        numbered = [(value, n) for n, value in enumerate(values)]
        assert list(in_order(iter(numbered), key=lambda one: one[0])) == sorted(numbered)


def test_batches_are_of_the_size_but_the_last():
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


def test_file_ends_with_the_spill(monkeypatch):
    opened = []

    def open_noting(**how):
        opened.append(real(**how))
        return opened[-1]

    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", open_noting)
    found = Spill(kept_max=1)
    found.put("a")
    assert [file.closed for file in opened] == [False]
    del found
    gc.collect()
    assert [file.closed for file in opened] == [True]


def test_full_disk_is_told_with_the_folder(monkeypatch):
    full = Path("/dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **how: full.open("r+b", **how))
    found = Spill(kept_max=1)
    with pytest.raises(SourceUnavailable, match="No space left") as failure:
        found.put("a")
    assert failure.value.fault is SourceFault.NO_ROOM
    assert failure.value.fields == {"path": tempfile.gettempdir()}

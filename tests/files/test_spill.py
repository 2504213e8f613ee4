"""Values beyond memory come back as they were put."""

import errno
import gc
import os
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


def test_nothing_is_lost_or_doubled_by_a_disk_that_was_full_for_a_while(monkeypatch):
    real, room = os.pwrite, 150

    def write(descriptor, data, at):
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "full")
        written = real(descriptor, data[:room], at)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", write)
    found = Spill(kept_max=200)
    for n in range(199):
        found.put(n, n % 2)
    with pytest.raises(SourceUnavailable):
        found.put(199, 1)
    room = 10**9
    for n in range(200, 500):
        found.put(n, n % 2)
    assert [list(found.part(part)) for part in (0, 1)] == [
        list(range(0, 500, 2)),
        list(range(1, 500, 2)),
    ]


def test_folder_is_named_although_there_is_no_room_for_any_file(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    monkeypatch.setenv("TMPDIR", "/proc/nowhere")
    with pytest.raises(SourceUnavailable, match="kept in /proc/nowhere "):
        Spill(kept_max=1).put("a")


def test_nothing_is_sorted_before_the_first_is_asked_for():
    looked_at = []
    in_time = in_order(map(looked_at.append, range(3)), key=id)
    assert looked_at == []
    assert len(list(in_time)) == 3

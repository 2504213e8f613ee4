import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dca_bot.errors import ExportBroken, SourceUnavailable
from dca_bot.lamassu import directory, kept_reading
from dca_bot.lamassu.directory import DirectorySource, read_directory

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(sample, tmp_path):
    return shutil.copytree(sample / "export", tmp_path / "export")


async def test_folder_gives_what_was_created_since(folder):
    source = DirectorySource(folder)
    june = datetime(2025, 6, 1, tzinfo=UTC)
    everything, later = await source.fetch(BEGINNING), await source.fetch(june)
    assert len(everything.cash_outs) == 300
    assert 0 < len(later.cash_outs) < 300
    assert {cash_out for cash_out in everything.cash_outs if cash_out.created_at >= june} == set(
        later.cash_outs
    )
    assert {cash_in for cash_in in everything.cash_ins if cash_in.created_at >= june} == set(
        later.cash_ins
    )
    await source.aclose()


@pytest.fixture
def reads(monkeypatch):
    """The instants since which the folder has been read, of files that are no longer young."""
    asked = []

    def read(path, since, known):
        asked.append(since)
        return read_directory(path, since, known)

    monkeypatch.setattr(directory, "read_directory", read)
    monkeypatch.setattr(directory, "_YOUNG_NS", 0)
    return asked


async def test_files_that_have_not_changed_are_read_once(folder, reads):
    source, june = DirectorySource(folder), datetime(2025, 6, 1, tzinfo=UTC)
    first = await source.fetch(june)
    assert await source.fetch(june) is first
    newest = max(row.created_at for row in (*first.cash_outs, *first.cash_ins))
    later = await source.fetch(newest)
    assert later == read_directory(folder, newest)
    assert reads == [june]
    assert await source.fetch(june) == first
    assert reads == [june, june]


@pytest.mark.parametrize(
    "name", ["cash_out_txs.csv", "cash_out_actions.csv", "devices.csv", "cash_in_txs.csv"]
)
@pytest.mark.parametrize("how", ["rewritten", "replaced", "touched", "gone", "come back"])
async def test_file_that_has_changed_is_read_again(folder, reads, name, how):
    source, path = DirectorySource(folder), folder / name
    content, state = path.read_bytes(), path.stat()
    if how == "come back" and name in ("devices.csv", "cash_in_txs.csv"):
        path.unlink()
    await source.fetch(BEGINNING)
    other = folder / "other"
    other.write_bytes(content)
    match how:
        case "rewritten":
            # Of the same length and time: the inode's own time tells.
            path.write_bytes(content)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        case "replaced" | "come back":
            os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
            other.rename(path)
        case "touched":
            path.touch()
        case _:
            path.unlink()
    with suppress(SourceUnavailable):
        assert await source.fetch(BEGINNING) == read_directory(folder, BEGINNING)
    assert len(reads) == 2


async def test_link_that_leads_nowhere_is_no_missing_file(folder, reads):
    (folder / "cash_in_txs.csv").unlink()
    source = DirectorySource(folder)
    await source.fetch(BEGINNING)
    (folder / "cash_in_txs.csv").symlink_to(folder / "nowhere")
    assert (await source.fetch(BEGINNING)).left_out
    assert len(reads) == 2


async def test_files_are_not_trusted_to_be_unchanged_for_long(folder, reads, monkeypatch):
    monkeypatch.setattr(directory, "_TRUSTED_FOR_S", 0)
    source = DirectorySource(folder)
    for _ in range(2):
        await source.fetch(BEGINNING)
    assert len(reads) == 2


async def test_young_files_and_big_readings_are_read_each_time(folder, reads, monkeypatch):
    source = DirectorySource(folder)
    monkeypatch.setattr(directory, "_YOUNG_NS", 3600 * 10**9)
    for _ in range(2):
        await source.fetch(BEGINNING)
    assert len(reads) == 2
    monkeypatch.setattr(directory, "_YOUNG_NS", 0)
    monkeypatch.setattr(kept_reading, "_ROWS_MAX", 299)
    for _ in range(2):
        await source.fetch(BEGINNING)
    assert len(reads) == 4


async def test_file_that_changes_during_the_reading_is_read_again(folder, reads, monkeypatch):
    def read(path, since, known):
        export = directory_read(path, since, known)
        (path / "devices.csv").touch()
        return export

    directory_read = directory.read_directory
    monkeypatch.setattr(directory, "read_directory", read)
    source = DirectorySource(folder)
    for _ in range(2):
        await source.fetch(BEGINNING)
    assert len(reads) == 2


async def test_folder_without_devices_knows_no_machines(folder):
    (folder / "devices.csv").unlink()
    export = await DirectorySource(folder).fetch(BEGINNING)
    assert (len(export.cash_outs), export.machines) == (300, {})


async def test_folder_of_an_older_export_has_no_cash_ins(folder):
    (folder / "cash_in_txs.csv").unlink()
    export = await DirectorySource(folder).fetch(BEGINNING)
    assert (len(export.cash_outs), export.cash_ins, export.unreadable) == (300, (), ())


@pytest.mark.parametrize("name", ["cash_out_txs.csv", "cash_out_actions.csv"])
async def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(SourceUnavailable, match=rf"{name} can't be read .*put the exported"):
        await DirectorySource(folder).fetch(BEGINNING)


@pytest.mark.parametrize(
    "name", ["cash_out_txs.csv", "cash_out_actions.csv", "devices.csv", "cash_in_txs.csv"]
)
async def test_file_cut_short_gives_nothing_at_all(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ExportBroken, match=name.removesuffix(".csv")):
        await DirectorySource(folder).fetch(BEGINNING)


@pytest.mark.parametrize(
    "name", ["cash_out_txs.csv", "cash_out_actions.csv", "devices.csv", "cash_in_txs.csv"]
)
async def test_byte_order_mark_of_any_file_is_skipped(folder, name):
    before = await DirectorySource(folder).fetch(BEGINNING)
    path = folder / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert await DirectorySource(folder).fetch(BEGINNING) == before


async def test_files_with_the_line_ends_of_windows_are_read_alike(folder):
    before = await DirectorySource(folder).fetch(BEGINNING)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert await DirectorySource(folder).fetch(BEGINNING) == before


async def test_exports_one_after_the_other_in_a_file_are_read_once(folder):
    before = await DirectorySource(folder).fetch(BEGINNING)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes() * 2)
    after = await DirectorySource(folder).fetch(BEGINNING)
    assert replace(after, left_out=()) == before
    tables = ("cash_out_txs", "cash_out_actions", "devices", "cash_in_txs")
    told = [sentence.split(":")[0] for sentence in after.unreadable]
    assert sorted(told) == sorted(f"{name} has its header more than once" for name in tables)

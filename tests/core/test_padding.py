"""Files are padded to few sizes, and read as before."""

import csv
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca_bot.core.files import SIZES, FileForm, padded

TABLE = "fecha,qué\n2026-03-01,depósito\n"


def png(data):
    def chunk(kind, body):
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    header = (1).to_bytes(4) * 2 + bytes((8, 0, 0, 0, 0))
    picture = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + picture


def chunks(picture):
    """Return the chunks of a PNG, by kind, after a check of each sum."""
    found, at = [], 8
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4])
        kind, body = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert int.from_bytes(picture[at + 8 + length : at + 12 + length]) == zlib.crc32(
            kind + body
        )
        found.append((kind, body))
        at += 12 + length
    return found


@settings(max_examples=30)
@given(st.integers(1, SIZES[1]).map(lambda n: (TABLE * (n // len(TABLE) + 1))[:n]))
def test_padded_table_has_one_of_few_sizes_and_the_same_rows(text):
    whole = text.encode()
    long = padded(whole, FileForm.TABLE)
    assert len(long) == min(size for size in SIZES if size >= len(whole))
    assert [row for row in csv.reader(io.StringIO(long.decode(errors="replace"))) if row] == [
        row for row in csv.reader(io.StringIO(whole.decode(errors="replace"))) if row
    ]


@settings(max_examples=30)
@given(st.integers(0, 70_000))
def test_padded_picture_has_one_of_few_sizes_and_the_same_chunks(length):
    picture = png(bytes(length))
    long = padded(picture, FileForm.CHART)
    assert len(long) in SIZES
    kinds = chunks(long)
    assert [one for one in kinds if one[0] != b"paDd"] == chunks(picture)
    assert kinds[-1][0] == b"IEND"


@pytest.mark.parametrize("form", FileForm)
def test_file_above_the_largest_size_is_refused(form):
    with pytest.raises(ValueError, match="too large"):
        padded(png(bytes(SIZES[-1])), form)

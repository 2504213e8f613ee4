import gzip
import re
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.errors import ExportBroken, TableBroken
from dca_bot.lamassu.csv import Table, TableReading

PLAIN = Table("t", frozenset({"a", "b"}), frozenset({"c"}), id_column="a")


def rows(data, table=PLAIN):
    reading = TableReading(BytesIO(data), table)
    return list(map(reading.row, reading))


def write(value):
    """Write a field as PostgreSQL does."""
    if value is None:
        return ""
    if value in {"", "\\."} or any(mark in value for mark in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


@pytest.mark.parametrize(
    ("line", "a", "b"),
    [
        ("1,2", "1", "2"),
        (",2", None, "2"),
        (",", None, None),
        ('"",2', "", "2"),
        ('"1",""', "1", ""),
        ('"x, ""y""\nz",é', 'x, "y"\nz', "é"),
        ('"""",""""""', '"', '""'),
        ('"\n\n",', "\n\n", None),
        ('" 1 ", 2', " 1 ", " 2"),
        ('"1\r\n2",3', "1\r\n2", "3"),
        ("1\u2028,2\x0b", "1\u2028", "2\x0b"),
    ],
)
def test_fields_are_read_exactly(line, a, b):
    for end in ("\n", "\r\n"):
        assert rows(f"a,b{end}{line}{end}7,8{end}".encode()) == [
            {"a": a, "b": b},
            {"a": "7", "b": "8"},
        ]


def test_columns_are_read_by_name_and_others_passed_over():
    data = b'x,b,"c",a\n9,2,3,1\n'
    assert rows(data) == [{"b": "2", "c": "3", "a": "1"}]


def test_table_without_rows_is_whole():
    assert rows(b"a,b\n") == []


@pytest.mark.parametrize("data", [b"a,b", b'a,b\n1,"2\n', b"a,b\n1,2\n3"])
def test_transfer_that_breaks_off_is_told_from_a_table_that_is_broken(data):
    with pytest.raises(ExportBroken) as told:
        rows(data)
    assert not isinstance(told.value, TableBroken)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"a,c\n1,2\n", "lacks b;"),
        (b"a,b", "not whole"),
        (b"a,b\n1,2", "not whole"),
        (b"a,b\n1,2\n3", "not whole"),
        (b'a,b\n1,"2\n', "not whole"),
        (b'a,b\n1,"2\n3,4\n5,6\n', "not whole"),
        (b'a,b\n1,"2""\n', "not whole"),
        (b"a,b\n1\n", "1 fields, the header 2"),
        (b"a,b\n1,2,3\n", "3 fields"),
        (b"a,b\n\n", "1 fields"),
        (b'a,b\n1,2"3"\n', "quote"),
        (b'a,b\n"1"2,3\n', "quote"),
        (b"a,b\n\xff,1\n", "UTF-8"),
        (b'a,b\n1,"' + b"x\n" * 2**20, "not whole"),
    ],
)
def test_broken_transfer_is_noticed(data, words):
    with pytest.raises(ExportBroken, match=words):
        rows(data)


HEADER = b"id,a,b,c\n"
FILES = [
    # What stands before the header: a login banner, also one with a quote or a comma, or a .psqlrc.
    (b"Welcome to Ubuntu\n\nid,a,b\n1,2,3\n", "has something before its header line, like a login"),
    (b"Today's \"message, of the day\nid,a,b\n", "has something before its header line"),
    (b"Timing is on.\nid,a,b\n1,2,3\nTime: 1.2 ms\n", "has something before its header line"),
    (b"Timing is on.\r\nid,a,b\r\n1,2,3\r\n", "has something .* It begins: Timing is on"),
    # Other separators, and other formats of psql.
    (b"id;a;b\n1;2;3\n", "has fields that are separated by ;"),
    (b'"id";"a";"b"\n"1";"2";"3"\n', "has fields that are separated by ;"),
    (b"id\ta\tb\n1\t2\t3\n", "has fields that are separated by tabs"),
    (b"id|a|b\n1|2|3\n", "has fields that are separated by |"),
    (b" id | a | b \n----+---+---\n  1 | 2 | 3\n(1 row)\n", "is psql's aligned output"),
    (b"-[ RECORD 1 ]\nid | 1\na  | 2\n", "is psql's aligned output"),
    # No header, and no export.
    (b"1,2,3,4\n5,6,7,8\n", "has no header line; export it with one. It begins: 1,2,3,4"),
    (b"", "is empty; export all columns"),
    (b"\xef\xbb\xbf", "is empty; export all columns"),
    (b"\n", "is empty"),
    (b"\nid,a,b\n1,2,3\n", "has something before its header line"),
    (b"ERROR:  permission denied\n", "is a message of a program, .* It begins: ERROR:  perm"),
    (b"ID,A,B\n1,2,3\n", "has its columns' names in another form .capitals.* It begins: ID,A,B"),
    (b"id,a,c\n1,2,3\n", "lacks b; export all columns, with a header. It begins: id,a,c"),
    (b"id,a,b,a\n1,2,3,4\n", "has a more than once in its header"),
    # Other encodings, and packed files.
    ("id,a,b\n1,2,3\n".encode("utf-16"), "is written in UTF-16"),
    ("id,a,b\n1,2,3\n".encode("utf-16-be"), "is written in UTF-16"),
    ("id,a,b\n1,2,3\n".encode("utf-16-le"), "is written in UTF-16"),
    (gzip.compress(HEADER, mtime=0), "is packed .gzip.; unpack it first"),
    (b"PK\x03\x04....", "is packed .zip."),
    # What comes after the rows, and another word for NULL.
    (HEADER + b"1,2,3,4\nTime: 0.512 ms\n", "1 fields, the header 4. It begins: Time: 0.512 ms"),
    (HEADER + b"1,2,3,4\n\n", "1 fields, the header 4. It begins with an empty line"),
    (HEADER + b"1,\\N,3,4\n", r"writes NULL as \\N \(a\); leave the field empty"),
    (HEADER + b"1,2,NULL,4\n", r"writes NULL as NULL \(b\)"),
]


@pytest.mark.parametrize(("data", "words"), FILES)
def test_file_that_is_not_the_export_is_refused_by_what_it_is(data, words):
    table = Table("t", frozenset({"id", "a", "b"}), frozenset({"c"}))
    with pytest.raises(
        TableBroken, match=f"The export of t {'is broken: .*' * ('fields, the' in words)}{words}"
    ) as told:
        rows(data, table)
    assert str(told.value).endswith(". Nothing of it was used.")


def test_first_line_is_shown_cut_short_and_without_control_characters():
    line = "\x1b[31m\u202e" + "secret " * 100
    with pytest.raises(TableBroken) as told:
        rows(f"{line}\nid,a,b\n".encode())
    (shown,) = re.findall("It begins: (.*)\\. Nothing", str(told.value))
    assert shown == ("[31m" + "secret " * 100)[:59] + "…"


def test_word_for_null_is_text_where_text_can_be_anything():
    table = Table("t", frozenset({"id", "error"}))
    assert rows(b"id,error\n1,NULL\n", table) == [{"id": "1", "error": "NULL"}]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_is_skipped(end):
    assert rows(b"\xef\xbb\xbfa,b" + end + b"1,2" + end) == [{"a": "1", "b": "2"}]


@pytest.mark.slow(2)
@pytest.mark.parametrize("size_bytes", [2**20 - 6, 2**20, 2**20 + 1, 5 * 2**20])
@pytest.mark.parametrize("field", ["x", "x\n", '""', ","])
def test_long_field_stops_no_reading(size_bytes, field):
    text = field * (size_bytes // len(field))
    found = rows(f'x,a,b\n"{text}",1,2\n3,4,"{text}"\n'.encode())
    assert [row["a"] for row in found] == ["1", "4"]
    assert found[1]["b"] == text.replace('""', '"')


@pytest.mark.parametrize("field", [b"x", b'"' + (b'""\n,' + b"x" * 60) * 2**18 + b'"'])
def test_row_that_is_too_long_says_nothing_and_stops_no_other(field):
    text = field if len(field) > 1 else field * (2**24 + 1)
    found = rows(b"a,b,c\n1,2,3\n4," + text + b",5\n6,7,8\n")
    assert [row["a"] for row in found] == ["1", None, "6"]
    assert found[1] == dict.fromkeys("abc")
    with pytest.raises(ExportBroken, match="not whole"):
        rows(b"a,b\n1," + text)


@given(
    st.lists(
        st.tuples(*[st.none() | st.text(st.sampled_from(['"', ",", "\n", "\r", "a", "é"]))] * 2),
        max_size=5,
    )
)
def test_what_postgresql_writes_is_read_back(values):
    text = "a,b\n" + "".join(f"{write(a)},{write(b)}\n" for a, b in values)
    assert rows(text.encode()) == [{"a": a, "b": b} for a, b in values]


@given(st.binary(max_size=60))
def test_no_bytes_make_reading_fail_otherwise(data):
    with suppress(ExportBroken):
        assert all(row.keys() == {"a", "b"} for row in rows(b"a,b\n" + data))

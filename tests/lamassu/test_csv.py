from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca_bot.errors import ExportBroken, TableBroken
from dca_bot.lamassu.csv import Table, read_rows

PLAIN = Table("t", frozenset({"a", "b"}), frozenset({"c"}))


def rows(data, table=PLAIN):
    return list(read_rows(BytesIO(data), table))


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
        (b"", "lacks a, b"),
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


@pytest.mark.parametrize("size_bytes", [2**20 - 6, 2**20, 2**20 + 1, 5 * 2**20])
@pytest.mark.parametrize("field", ["x", "x\n", '""', ","])
def test_long_field_stops_no_reading(size_bytes, field):
    text = field * (size_bytes // len(field))
    found = rows(f'x,a,b\n"{text}",1,2\n3,4,"{text}"\n'.encode())
    assert [row["a"] for row in found] == ["1", "4"]
    assert found[1]["b"] == text.replace('""', '"')


@pytest.mark.parametrize("field", [b"x", b'"' + b'""\n,' * 2**22 + b'"'])
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

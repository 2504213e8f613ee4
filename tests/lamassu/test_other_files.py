"""What an operator puts where the export belongs, and isn't the export: each is refused as what it is."""

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import shutil
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dca_bot.core.cash_out import Verdict
from dca_bot.core.verdict import decide
from dca_bot.errors import ExportBroken, SourceUnavailable, TableBroken
from dca_bot.lamassu.directory import read_directory

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data"
EXPORT = DATA / "field" / "fixed-fee"
CASH_OUTS = (EXPORT / "cash_out_txs.csv").read_bytes()
ACTIONS = (EXPORT / "cash_out_actions.csv").read_bytes()
HEADER, ROWS = CASH_OUTS.split(b"\n", 1)


def rewritten(change=lambda _name, value: value, **how):
    """Write the sales as another program does."""
    rows = list(csv.reader(io.StringIO(CASH_OUTS.decode())))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", **how)
    writer.writerow(rows[0])
    writer.writerows(map(change, rows[0], row) for row in rows[1:])
    return text.getvalue().encode()


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, CASH_OUTS)
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("cash_out_txs.csv")
        entry.size = len(CASH_OUTS)
        archive.addfile(entry, io.BytesIO(CASH_OUTS))
    return file.getvalue()


def null_as(word):
    return rewritten(lambda _name, value: value or word)


AS_TEXT = CASH_OUTS.decode()
DUMPED = b"COPY public.cash_out_txs (" + HEADER.replace(b",", b", ") + b") FROM stdin;\na\tb\n\\.\n"
WEB_PAGE = "is a web page .HTML., perhaps a login or an error, not CSV. It begins: <"
PSQLS = "is psql's aligned output, not CSV"
OTHER_FORM = "has its columns' names in another form .capitals, spaces, quotes"
BEFORE = "has something before its header line, like a login banner"
OTHERS = {
    # What a server answers instead of a file.
    "page": (b"<!DOCTYPE html>\n<html><title>Sign in</title></html>\n", WEB_PAGE),
    "page on one line": (b"<html><body>404 Not Found</body></html>", WEB_PAGE),
    "psql -H": (b'<table border="1">\n  <tr>\n    <th align="center">id</th>\n', WEB_PAGE),
    "json": (b'[{"id":"a"},\n{"id":"b"}]\n', r'is JSON, not CSV; .* It begins: \[{"id":"a"},'),
    "json lines": (b'{"id":"a"}\n{"id":"b"}\n', "is JSON, not CSV"),
    "json on one line": (b'{"error":"unauthorized"}', 'is JSON.* It begins: {"error":"unauth'),
    # What a program says.
    "psql: error": (
        b'psql: error: connection to server on socket "/tmp/x" failed: No such file or directory\n',
        "is a message of a program, .*: connection to server .* failed: No such file or directory",
    ),
    "ERROR": (
        b"ERROR:  permission denied for table cash_out_txs\n",
        "is a message .* ERROR:  perm",
    ),
    "sudo": (b"sudo: a password is required\n", "is a message .* sudo: a password is required"),
    "sudo asks": (b"[sudo] password for dca: ", "is a message .* .sudo. password for dca"),
    "no psql": (b"bash: line 1: psql: command not found\n", "is a message .* command not found"),
    # Packed, and other files.
    "gzip": (gzip.compress(CASH_OUTS, mtime=0), "is packed .gzip.; unpack it first"),
    "bzip2": (bz2.compress(CASH_OUTS), "is packed .bzip2."),
    "xz": (lzma.compress(CASH_OUTS), "is packed .xz."),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\0abc\n", "is packed .zstd."),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "is packed .7z."),
    "zip": (zipped("cash_out_txs.csv"), "is packed .zip."),
    "tar": (tarred(), "is packed .tar."),
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "is a spreadsheet .xlsx., not CSV"),
    "ods": (
        zipped("mimetype") + b"application/vnd.oasis.opendocument.spreadsheet",
        "is a spreadsheet .ods.",
    ),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is a spreadsheet .xls."),
    "sqlite": (b"SQLite format 3\0" + bytes(100), "is a database of SQLite"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3\n", "is a PDF document"),
    "encrypted": (b"-----BEGIN PGP MESSAGE-----\n\nabc\n", "is encrypted; decrypt it first"),
    "a program": (b"\x7fELF\x02\x01\x01\0\0\n", "is no text: it has zero bytes"),
    # Other ways out of the database.
    "pg_dump": (
        b"--\n-- PostgreSQL database dump\n--\n\nSET x = 0;\n" + DUMPED,
        "is a dump of SQL commands, not CSV; .* It begins: --",
    ),
    "pg_dump of a table": (DUMPED, "is a dump of SQL .* It begins: COPY public.cash_out_txs"),
    "pg_dump --inserts": (b"INSERT INTO cash_out_txs VALUES ('a', 'b');\n", "is a dump of SQL"),
    "pg_dump -Fc": (b"PGDMP\x01\x0e\0", "is a dump in pg_dump's own format"),
    "mysqldump": (b"-- MySQL dump 10.13\n--\nINSERT INTO `a` VALUES ('a');\n", "is a dump of SQL"),
    "copy binary": (b"PGCOPY\n\xff\r\n\0\0\0\0\0", "is in the binary format of COPY"),
    "copy without csv": (
        b"00000000-0000-4000-8000-000000000001\t8f1c\t\\N\n",
        "is in the text form",
    ),
    "frames": (b"+----+-----------+\n| id | device_id |\n+----+-----------+\n", PSQLS),
    "markdown": (b"| id | device_id |\n|----|----|\n| a | b |\n", "separated by |"),
    "without alignment": (CASH_OUTS.replace(b",", b"|"), "separated by |"),
    "tabs": (CASH_OUTS.replace(b",", b"\t"), "separated by tabs"),
    "spreadsheet in Spanish": (rewritten(delimiter=";"), "separated by ;"),
    # Names of columns, and other tables.
    "capitals": (HEADER.upper() + b"\n" + ROWS, OTHER_FORM),
    "spaces": (HEADER.replace(b",", b", ") + b"\n" + ROWS, OTHER_FORM),
    "single quotes": (b"'" + HEADER.replace(b",", b"','") + b"'\n" + ROWS, OTHER_FORM),
    "table's name": (b"t." + HEADER.replace(b",", b",t.") + b"\n" + ROWS, OTHER_FORM),
    "lines in quotes": (b"".join(b'"%s"\n' % line for line in CASH_OUTS.splitlines()), OTHER_FORM),
    "names translated": (HEADER.replace(b",status", b",estado") + b"\n" + ROWS, "lacks status;"),
    "other names": (b"columna1,columna2\na,b\n", "has none of its columns; export all"),
    "no table": (b"version https://git-lfs.github.com/spec/v1\noid a\n", "has none of its columns"),
    "no header": (ROWS, "has no header line; .* It begins: 00000000-0000-4000"),
    "actions": (ACTIONS, "is the table cash_out_actions; put each into the file of its own name"),
    "two tables": (CASH_OUTS + ACTIONS, "header 55. It begins: id,tx_id.* Another table begins"),
    # What stands before and after.
    "banner": (b"Welcome to Ubuntu\n" * 2000 + CASH_OUTS, f"{BEFORE}.* It begins: Welcome"),
    "sep=": (b"sep=,\n" + CASH_OUTS, f"{BEFORE}.* It begins: sep=,"),
    "notice": (b"NOTICE:  hello\n" + CASH_OUTS, f"{BEFORE}.* It begins: NOTICE:  hello"),
    "number of rows": (CASH_OUTS + b"(3 rows)\n", "It begins: .3 rows.. That is psql's, not a row"),
    "COPY 3": (CASH_OUTS + b"COPY 3\n", "It begins: COPY 3. That is psql's, not a row"),
    "end of pg_dump": (CASH_OUTS + b"\\.\n", "That is psql's, not a row"),
    # Encodings, line ends, damage.
    "UTF-16": (AS_TEXT.encode("utf-16"), "is written in UTF-16"),
    "UTF-16-BE": (AS_TEXT.encode("utf-16-be"), "is written in UTF-16"),
    "UTF-32": (AS_TEXT.encode("utf-32"), "is written in UTF-32"),
    "UTF-32-BE": (AS_TEXT.encode("utf-32-be"), "is written in UTF-32"),
    "Latin-1": (CASH_OUTS.replace(b"\n00", b"\n\xe9\xed", 1), "is not UTF-8 .* It begins: \ufffd"),
    "old Mac": (
        CASH_OUTS.replace(b"\n", b"\r"),
        "ends its lines as old Macs did .* It begins: id,",
    ),
    "two CR": (
        CASH_OUTS.replace(b"\n", b"\r\r\n"),
        "ends each line with two CR; .* It begins: id,",
    ),
    "zeros in a row": (
        CASH_OUTS[:-60] + b"\0\0" + CASH_OUTS[-60:],
        "it has zero bytes, as a crash",
    ),
    "zeros at the end": (CASH_OUTS + bytes(4096), "it has zero bytes, as a crash"),
    "zeros only": (bytes(4096), "is no text: it has zero bytes"),
    "spaces only": (b"   \n \n", "is empty; export all columns"),
    # Other words for NULL, where each missing error would be an error.
    "all in quotes": (rewritten(quoting=csv.QUOTE_ALL), r'writes NULL as "" \(discount\)'),
    "(null)": (null_as("(null)"), r"writes NULL as \(null\) \("),
    "null": (null_as("null"), r"writes NULL as null \("),
    "[NULL]": (null_as("[NULL]"), r"writes NULL as \[NULL\] \("),
    "quotes escaped otherwise": (
        CASH_OUTS + b'00000000-0000-4000-8000-000000000009,"a \\"b\\" c"\n',
        "a quote stands where none can be. It begins: 00000000-0000-4000-8000-000000000009",
    ),
}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(EXPORT, tmp_path / "export")


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_the_export_is_refused_as_what_it_is(folder, name):
    data, words = OTHERS[name]
    (folder / "cash_out_txs.csv").write_bytes(data)
    with pytest.raises(TableBroken, match=f"^The export of cash_out_txs .*{words}") as told:
        read_directory(folder, BEGINNING)
    sentence = str(told.value)
    assert sentence.isprintable()
    assert sentence.endswith(". Nothing of it was used.")
    assert len(sentence) < 400


@pytest.mark.parametrize("table", ["cash_out_actions", "devices", "cash_in_txs"])
@pytest.mark.parametrize("name", ["page", "sudo", "xlsx", "pg_dump of a table", "capitals"])
def test_other_tables_are_refused_alike(folder, table, name):
    data, words = OTHERS[name]
    (folder / f"{table}.csv").write_bytes(data if name != "capitals" else CASH_OUTS)
    words = "is the table cash_out_txs" if name == "capitals" else words
    if table == "cash_in_txs":
        export = read_directory(folder, BEGINNING)
        told = export.unreadable[0]
        assert (len(export.cash_outs), export.cash_ins) == (3, ())
        assert "Cash-outs are read all the same" in told
    else:
        with pytest.raises(TableBroken) as error:
            read_directory(folder, BEGINNING)
        told = str(error.value)
    assert told.startswith(f"The export of {table} {words.split(' .')[0].split(', ')[0]}")


def test_files_that_were_swapped_are_each_named_by_their_table(folder):
    (folder / "cash_out_txs.csv").write_bytes(ACTIONS)
    (folder / "cash_out_actions.csv").write_bytes(CASH_OUTS)
    with pytest.raises(TableBroken, match="of cash_out_txs is the table cash_out_actions"):
        read_directory(folder, BEGINNING)
    (folder / "cash_out_txs.csv").write_bytes(CASH_OUTS)
    with pytest.raises(TableBroken, match="of cash_out_actions is the table cash_out_txs"):
        read_directory(folder, BEGINNING)
    cash_ins = (DATA / "lamassu" / "export" / "cash_in_txs.csv").read_bytes()
    (folder / "cash_out_txs.csv").write_bytes(cash_ins)
    with pytest.raises(TableBroken, match="of cash_out_txs is the table cash_in_txs"):
        read_directory(folder, BEGINNING)


@pytest.mark.parametrize("cut_bytes", [1, 5, 40, 200])
def test_half_a_row_or_half_a_header_is_a_transfer_that_broke_off(folder, cut_bytes):
    for data in (CASH_OUTS[:-cut_bytes], HEADER[:-cut_bytes]):
        (folder / "cash_out_txs.csv").write_bytes(data)
        with pytest.raises(ExportBroken, match="the last row is not whole") as told:
            read_directory(folder, BEGINNING)
        assert not isinstance(told.value, TableBroken)


def test_header_that_comes_again_is_no_machine_and_no_row(folder):
    devices = b"device_id,name\nm1,Market\n"
    (folder / "devices.csv").write_bytes(devices + devices)
    export = read_directory(folder, BEGINNING)
    assert export.machines == {"m1": "Market"}
    assert export.unreadable == (
        "devices has its header more than once: several exports stand in one file. Each row of them"
        " counts once.",
    )


SPREADSHEET = {"created": "20/11/2026 10:20", "confirmed_at": "20/11/26 10:20 a. m."}


def test_dates_of_a_spreadsheet_are_told_as_such(folder):
    data = rewritten(SPREADSHEET.get)
    (folder / "cash_out_txs.csv").write_bytes(data)
    export = read_directory(folder, BEGINNING)
    assert export.cash_outs == ()
    assert len(export.unreadable) == 3
    assert "or a spreadsheet has saved the file; export it anew" in export.unreadable[0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("crypto_atoms", "1.00E+05"),
        ("crypto_atoms", "1e5"),
        ("crypto_atoms", "100_000"),
        ("crypto_atoms", "\u0661\u0660\u0660"),
        ("fiat", "1,234.50"),
        ("fiat", "1.234,50"),
        ("fiat", "Q945.00"),
        ("fixed_fee", "0E+00"),
        ("dispense", "VERDADERO"),
        ("dispense_confirmed", "VERDADERO"),
    ],
)
def test_number_or_flag_that_a_spreadsheet_has_changed_is_shared_out_to_nobody(
    folder, column, value
):
    data = rewritten(lambda name, written: value if name == column else written)
    (folder / "cash_out_txs.csv").write_bytes(data)
    export = read_directory(folder, BEGINNING)
    found = [decide(one, currency="GTQ", now=NOW).verdict for one in export.cash_outs]
    assert len(found) == 3
    assert Verdict.DISTRIBUTE not in found


# Names and places


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("CASH_OUT_TXS.CSV", "there is CASH_OUT_TXS.CSV: if that is meant, make it "),
        ("cash_out_txs (1).csv", r"there is cash_out_txs \(1\).csv: if that"),
        ("cash_out_txs.csv.csv", "there is cash_out_txs.csv.csv: if that"),
        ("cash_out_txs.csv.gz", "there is cash_out_txs.csv.gz: if that"),
        (
            "export/cash_out_txs.csv",
            "there is export/cash_out_txs.csv: if that .* folder .*/export",
        ),
        ("sales.csv", "put the exported CSV files into "),
    ],
)
def test_file_under_another_name_is_found(folder, name, shown):
    (folder / "export").mkdir()
    (folder / "cash_out_txs.csv").rename(folder / name)
    with pytest.raises(SourceUnavailable, match=f"cash_out_txs.csv can't be read .*{shown}"):
        read_directory(folder, BEGINNING)


def test_folder_in_the_place_of_a_file_and_a_file_in_that_of_a_folder_are_told(folder):
    path = folder / "cash_out_txs.csv"
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceUnavailable, match=r"cash_out_txs\.csv is a folder, not a file"):
        read_directory(folder, BEGINNING)
    packed = folder.with_suffix(".zip")
    packed.write_bytes(zipped("cash_out_txs.csv"))
    with pytest.raises(SourceUnavailable, match=r"export\.zip is a file: unpack it"):
        read_directory(packed, BEGINNING)


@pytest.mark.parametrize("table", ["cash_out_txs", "devices", "cash_in_txs"])
def test_named_pipe_is_refused_and_not_waited_for(folder, table):
    path = folder / f"{table}.csv"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    words = f"{table}.csv is a named pipe, not a file; move it away"
    if table == "cash_in_txs":
        assert re.search(words, read_directory(folder, BEGINNING).unreadable[0])
    else:
        with pytest.raises(SourceUnavailable, match=words):
            read_directory(folder, BEGINNING)


@pytest.mark.parametrize("target", ["itself", "nowhere"])
@pytest.mark.parametrize("table", ["cash_out_txs", "devices", "cash_in_txs"])
def test_link_that_leads_to_no_file_is_not_read_as_a_missing_one(folder, table, target):
    path = folder / f"{table}.csv"
    path.unlink(missing_ok=True)
    path.symlink_to(path if target == "itself" else folder / "nothing")
    words = f"{table}.csv is a link .*; remove "
    if table == "cash_in_txs":
        export = read_directory(folder, BEGINNING)
        assert len(export.cash_outs) == 3
        assert re.search(f"{words}.*Cash-outs are read all the same", export.unreadable[0])
    else:
        with pytest.raises(SourceUnavailable, match=words):
            read_directory(folder, BEGINNING)

"""Reads a CSV file that people have made, in a spreadsheet perhaps, into lines with named values.

The invariant: a column that isn't known is refused, so that no value is dropped because of its heading.
"""

import codecs
import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dca_bot.errors import DcaBotError
from dca_bot.files.rights import open_to_read

_MARKS = ",;\t"
_BYTES_MAX = 16 * 2**20
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """The values of a line by column, without white space around; empty for a missing value."""

    number: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")


def read_lines(
    path: Path, columns: Mapping[str, str], *, needed: Collection[str]
) -> Sequence[Line]:
    """Read the lines below the heading; empty lines are passed over.

    `columns`: the column that each heading means, headings in small letters with `_` for spaces. Values are
    parted by commas, semicolons or tabs, as the heading shows. Raise DcaBotError for an unreadable file, and
    for a heading with an unknown column or without a `needed` one.
    """
    rows = _rows(path)
    if not rows:
        raise DcaBotError(f"{path} is empty; its first line names the columns.")
    heading = [one.strip().lower().replace(" ", "_") for one in rows[0][1]]
    named = [columns.get(one, "") for one in heading]
    unknown = [one for one, column in zip(heading, named, strict=True) if one and not column]
    twice = {one for one in named if one and named.count(one) > 1}
    missing = [one for one in needed if one not in named]
    if unknown or twice or missing:
        raise DcaBotError(
            f"The first line of {path} names the columns: {', '.join(sorted(set(columns)))}."
            + (f" It has {unknown[0]!r}, which is none of them." if unknown else "")
            + (f" It has {min(twice)} twice." if twice else "")
            + (f" It lacks {missing[0]}." if missing else "")
        )
    return [_line(number, cells, named, path) for number, cells in rows[1:] if any(cells)]


def _line(number: int, cells: Sequence[str], named: Sequence[str], path: Path) -> Line:
    if any(cells[len(named) :]):
        raise DcaBotError(
            f"{path}, line {number}: more values than columns; put a value with a comma in quotes."
        )
    return Line(number, {name: cell for name, cell in zip(named, cells, strict=False) if name})


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines with their numbers, a line within quotes by the number of the last."""
    lines = _text(path).splitlines(keepends=True)
    # Spreadsheets read and write a line `sep=;` before the heading.
    skipped = int(bool(lines) and lines[0].lower().startswith("sep="))
    heading = lines[skipped] if len(lines) > skipped else ""
    mark = max(_MARKS, key=heading.count)
    try:
        reader = csv.reader(lines[skipped:], delimiter=mark, strict=True)
        return [
            (reader.line_num + skipped, [cell.strip() for cell in cells])
            for cells in reader
            if cells
        ]
    except csv.Error as error:
        raise DcaBotError(f"{path} is no CSV file ({error}).") from None


def _text(path: Path) -> str:
    try:
        with open_to_read(path) as file:
            content = file.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        raise DcaBotError(f"There is no {path}.") from None
    if len(content) > _BYTES_MAX:
        raise DcaBotError(f"{path} is too large for a list of clients.")
    encoding = next((name for bom, name in _ENCODINGS if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DcaBotError(f"{path} isn't written in UTF-8: save it again as “CSV UTF-8”.") from None

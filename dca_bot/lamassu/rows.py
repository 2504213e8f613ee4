"""Makes cash-outs and cash-ins of exported rows: the border between Lamassu's tables and the bot.

The invariant: an unreadable value never passes for another value, but makes the cash-out a hold. A
row without a usable id or time is reported and changes nothing. Rows come in any order; each id
gives one cash-out, with every row and action of the reading. Cash-ins move no sats: an unusable
table of cash-ins doesn't keep the cash-outs back.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.names import short_id
from dca_bot.core.ports import (
    NOTHING_KNOWN,
    CashIn,
    Export,
    KnownRows,
    LeftOut,
    RowFault,
    RowKind,
)
from dca_bot.errors import TableBroken, one_line
from dca_bot.files.spill import Spill
from dca_bot.lamassu.csv import Row, Table, TableReading
from dca_bot.lamassu.digests import Digests
from dca_bot.lamassu.merging import Reports, contents_by_id, merged
from dca_bot.lamassu.records import Record, parts
from dca_bot.lamassu.row_models import (
    ACTIONS,
    CASH_INS,
    CASH_OUTS,
    DEVICES,
    NOTES,
    PLACES,
    ActionRow,
    CashInRow,
    CashOutRow,
    DeviceRow,
)

_UNREADABLE_MAX = 100
_NO_ZONE = re.compile(r"\d{4,}-\d\d-\d\d [\d:]{4,8}(\.\d+)?")
_SPREADSHEET = re.compile(
    r"\d\d?[./-]\d\d?[./-](\d\d){1,2} \d\d?:\d\d( ?[ap]\.? ?m\.?)?", re.IGNORECASE
)
_OTHER_STYLE = re.compile(
    r"(\w{3} )?(\d\d?[./-]\d\d?[./-]\d{4,}|\w{3} \d\d?|\d\d? \w{3}) [\d:]{4,8}"
)

_Model = TypeVar("_Model", bound=BaseModel)
_Dated = TypeVar("_Dated", CashOutRow, CashInRow)
_Made = TypeVar("_Made", CashOut, CashIn)


def read_export(
    cash_outs: IO[bytes],
    actions: IO[bytes],
    devices: IO[bytes] | None,
    *,
    cash_ins: IO[bytes] | None,
    since: datetime,
    known: KnownRows = NOTHING_KNOWN,
) -> Export:
    """Make an Export of CSV files, of rows created at `since` or later, without unchanged known rows.

    Raise ExportBroken if a file is incomplete (TableBroken if a file isn't the table). Unreadable
    rows are reported in `left_out`, and so is a complete table of cash-ins that can't be read.
    """
    left_out = _LeftOut()
    sold = _read_cash_outs(cash_outs, actions, since, known, left_out)
    machines = {} if devices is None else _read_machines(devices, left_out)
    paid_in = _read_cash_ins(cash_ins, since, known, left_out)
    return Export(
        cash_outs=sold,
        machines=machines,
        left_out=tuple(left_out.reported),
        cash_ins=paid_in,
        unreadable_ids=frozenset(left_out.cash_out_ids),
    )


def lacks_cash_ins(why: str) -> LeftOut:
    """Report an unusable cash_in_txs to the operator; `why`: cause and remedy."""
    text = f"{why} Cash-outs are read all the same; the machines' cash lacks the cash-ins."
    return LeftOut(RowFault.NO_CASH_INS, text, {"table": CASH_INS.name})


@dataclass(slots=True)
class _LeftOut:
    """The rows that could not be read: a report each, within bounds, and the ids of cash-outs."""

    reported: list[LeftOut] = field(default_factory=list)
    cash_out_ids: set[str] = field(default_factory=set)

    def tell(self, why: RowFault, text: str, **fields: str) -> None:
        if len(self.reported) < _UNREADABLE_MAX:
            self.reported.append(LeftOut(why, text, fields))

    def tell_two_contents(self, cash_in_id: str) -> None:
        self.tell(
            RowFault.TWO_CONTENTS,
            f"A row of cash_in_txs ({cash_in_id}) was left out, as it is there with different contents."
            " Are two exports mixed?",
            table=CASH_INS.name,
            id=cash_in_id,
        )


def _read_cash_outs(
    cash_outs: IO[bytes],
    actions: IO[bytes],
    since: datetime,
    known: KnownRows,
    left_out: _LeftOut,
) -> Collection[CashOut]:
    readings = TableReading(cash_outs, CASH_OUTS), TableReading(actions, ACTIONS)
    found = Spill[CashOut]()
    for records, reports in parts(readings):
        part = _Part(RowKind.CASH_OUT, readings, [records, reports], known, left_out)
        rows = part.contents(CashOutRow, _cash_out, since)
        reported = part.reports(rows.keys())
        for id_, of in rows.items():
            found.put(merged(of, reported[id_], part.digests.of(id_)))
    known.forget_others(RowKind.CASH_OUT, since)
    return found.compact()


def _read_machines(file: IO[bytes], left_out: _LeftOut) -> dict[str, str]:
    """Read the machines' names; of two names for a machine the first by alphabet is used, and reported."""
    reading = TableReading(file, DEVICES)
    valid = _valid(DeviceRow, _rows(reading, reading, left_out), DEVICES, left_out)
    found = contents_by_id((row.device_id, row.name) for row in valid)
    for device_id, (name, *others) in found.items():
        if others:
            left_out.tell(
                RowFault.TWO_NAMES,
                f"devices has the machine {short_id(device_id)} with two names, {name[:40]!r} and"
                f" {others[0][:40]!r}; the first is used. Are two exports mixed?",
                id=short_id(device_id),
                name=name[:40],
                other=others[0][:40],
            )
    return {device_id: names[0] for device_id, names in found.items()}


def _read_cash_ins(
    file: IO[bytes] | None, since: datetime, known: KnownRows, left_out: _LeftOut
) -> Collection[CashIn]:
    """Read the cash-ins; no table gives none, and neither does a complete but broken one, which is reported.

    A cash-in that comes with different contents moves no cash, and is reported.
    """
    found = Spill[CashIn]()
    try:
        readings = [] if file is None else [TableReading(file, CASH_INS)]
        for tables in parts(readings) if readings else ():
            part = _Part(RowKind.CASH_IN, readings, tables, known, left_out)
            for id_, contents in part.contents(CashInRow, _cash_in, since).items():
                if len(contents) == 1:
                    found.put(replace(contents[0], digest=part.digests.of(id_)))
                else:
                    left_out.tell_two_contents(id_)
    except TableBroken as error:
        left_out.reported.insert(0, lacks_cash_ins(str(error)))
        known.forget_all(RowKind.CASH_IN, since)
        return ()
    known.forget_others(RowKind.CASH_IN, since)
    return found.compact()


class _Part:
    """Some rows of a reading with all of their records, of which the unchanged ones aren't parsed."""

    def __init__(
        self,
        kind: RowKind,
        readings: Sequence[TableReading],
        tables: Sequence[Sequence[Record]],
        known: KnownRows,
        left_out: _LeftOut,
    ) -> None:
        """`tables`: the records of each reading; those of the rows themselves come first."""
        self.digests = Digests([reading.header for reading in readings])
        self._left_out = left_out
        for id_, of in _together(tables).items():
            self.digests.add(id_, of)
        unchanged = known.unchanged(kind, self.digests.all())
        self._tables = [
            (reading, [record for id_, record in records if id_ not in unchanged])
            for reading, records in zip(readings, tables, strict=True)
        ]

    def contents(
        self, model: type[_Dated], make: Callable[[_Dated], _Made], since: datetime
    ) -> dict[str, list[_Made]]:
        """Make something of the rows created at `since` or later; return the different contents by id."""

        def made() -> Iterator[tuple[str, _Made]]:
            for row in self._valid(model, 0):
                if row.created >= since:
                    yield row.id, make(row)
                else:
                    self.digests.doubt(row.id)  # it counts in a reading that goes further back

        return contents_by_id(made())

    def reports(self, cash_out_ids: Iterable[str]) -> Mapping[str, Reports]:
        """Collect the actions about dispensed notes, by cash-out."""
        reports = {id_: Reports() for id_ in cash_out_ids}
        reading, records = self._tables[1]
        for raw in _rows(reading, records, self._left_out):
            of = reports.get(raw["tx_id"] or "")
            if raw["action"] not in {"dispense", "dispenseError", None}:
                continue
            if raw["tx_id"] is not None and of is None:
                continue
            valid = list(_valid(ActionRow, [raw], ACTIONS, self._left_out, self.digests))
            for row in valid:
                reports[row.tx_id].add(Action(row.id, row.action, row.created, _notes(raw)))
            if of is not None and not valid:
                of.readable = False
        return reports

    def _valid(self, model: type[_Model], number: int) -> Iterator[_Model]:
        reading, records = self._tables[number]
        rows = _rows(reading, records, self._left_out)
        return _valid(model, rows, reading.table, self._left_out, self.digests)


def _together(tables: Sequence[Sequence[Record]]) -> dict[str, tuple[list[bytes], ...]]:
    """Return the records of each row of the first table, by id and table."""
    found: dict[str, tuple[list[bytes], ...]] = {
        id_: tuple([] for _ in tables) for id_, record in tables[0] if record is not None
    }
    for number, records in enumerate(tables):
        for id_, record in records:
            if record is not None and id_ in found:
                found[id_][number].append(record)
    return found


def _rows(
    reading: TableReading, records: Iterable[bytes | None], left_out: _LeftOut
) -> Iterator[Row]:
    """Parse records of a table; a header that is repeated is reported and left out."""
    for row in map(reading.row, records):
        name, value = next(iter(row.items()))
        if name == value and all(name == value for name, value in row.items()):
            left_out.tell(
                RowFault.HEADER_AGAIN,
                f"{reading.table.name} has its header more than once: several exports stand in one file."
                " Each row of them counts once.",
                table=reading.table.name,
            )
        else:
            yield row


def _notes(row: Row) -> tuple[tuple[int, int], ...] | None:
    """Pair denominations with dispensed notes, of the cassettes and recyclers that reported."""
    pairs = [
        (row.get(f"denomination_{place}"), row.get(f"dispensed_{place}"))
        for place in PLACES
        if row.get(f"dispensed_{place}") is not None
    ]
    try:
        return NOTES.validate_python(pairs)
    except ValidationError:
        return None


def _cash_out(row: CashOutRow) -> CashOut:
    """Make a cash-out without actions."""
    return CashOut(
        id=row.id,
        device_id=row.device_id,
        created_at=row.created,
        confirmed_at=row.confirmed_at,
        status=row.status,
        crypto_code=row.crypto_code,
        fiat_code=row.fiat_code,
        crypto_atoms=row.crypto_atoms,
        fiat=row.fiat,
        commission=row.commission_percentage,
        ticker=row.raw_ticker_price,
        discount=row.discount,
        received_crypto_atoms=row.received_crypto_atoms,
        fixed_fee=row.fixed_fee,
        dispense=row.dispense,
        dispense_confirmed=row.dispense_confirmed,
        error=row.error,
        error_code=row.error_code,
    )


def _cash_in(row: CashInRow) -> CashIn:
    return CashIn(
        id=row.id,
        device_id=row.device_id,
        created_at=row.created,
        fiat=row.fiat,
        fiat_code=row.fiat_code,
        send_confirmed=row.send_confirmed,
    )


def _valid(
    model: type[_Model],
    rows: Iterable[Row],
    table: Table,
    left_out: _LeftOut,
    digests: Digests | None = None,
) -> Iterator[_Model]:
    """Yield the rows of a table that can be read; report the others, and give none of them a digest."""
    for row in rows:
        try:
            yield model.model_validate(row)
        except ValidationError as error:
            columns = sorted({str(fault["loc"][0]) for fault in error.errors()})
            id_ = row.get("id") or ""
            if digests is not None:
                digests.doubt(row.get(table.id_column) or "")  # so that it is reported each time
            if table == CASH_OUTS and id_:
                left_out.cash_out_ids.add(id_)
            why, value, cause = _cause(row, columns)
            left_out.tell(
                why,
                f"A row of {table.name} ({id_[:64] or 'no id'}) was left out, as its"
                f" {', '.join(columns)} can't be read{cause}.",
                table=table.name,
                id=id_[:64],
                columns=", ".join(columns),
                value=value,
            )


def _cause(row: Row, columns: Sequence[str]) -> tuple[RowFault, str, str]:
    """Return why columns can't be read: the code, the value that tells the cause, and words on the cause.

    Another DateStyle or a missing time zone makes a timestamp unreadable; the value is empty for any
    other cause.
    """
    for value in (row.get(column) or "" for column in columns):
        if _SPREADSHEET.fullmatch(value):
            return (
                RowFault.SPREADSHEET,
                value,
                f": the session's DateStyle is not ISO ({value}), or a spreadsheet has saved the file;"
                " export it anew, with PGDATESTYLE=ISO before psql",
            )
        if _OTHER_STYLE.match(value):
            shown = one_line(value)[:40]
            return (
                RowFault.DATE_STYLE,
                shown,
                f": the session's DateStyle is not ISO ({shown}); put PGDATESTYLE=ISO before psql",
            )
        if _NO_ZONE.fullmatch(value):
            return (
                RowFault.NO_TIME_ZONE,
                value[:40],
                f": it lacks its time zone ({value[:40]}); export the column as it is",
            )
    return RowFault.VALUE, "", "; look at it in Lamassu's database"

"""Makes cash-outs and cash-ins of exported rows: the border between Lamassu's tables and the bot.

The invariant: an unreadable value never passes for another value, but makes the cash-out a hold. A
row without a usable id or time is reported and changes nothing. Rows come in any order; each id
gives one cash-out, with every row and action of the reading. Cash-ins move no sats: an unusable
table of cash-ins doesn't keep the cash-outs back.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
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
from dca_bot.lamassu.csv import Row, Table, TableReading
from dca_bot.lamassu.digests import Digests
from dca_bot.lamassu.merging import Reports, contents_by_id, merged
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
    tables = {CASH_OUTS: cash_outs, ACTIONS: actions}
    digests = Digests(_unchanged(tables, RowKind.CASH_OUT, since, known))
    rows = _validated(CashOutRow, cash_outs, CASH_OUTS, left_out, digests)
    found = _contents(rows, _cash_out, since, digests)
    reports = _read_reports(actions, found.keys(), left_out, digests)
    machines = {} if devices is None else _read_machines(devices, left_out)
    paid_in = _read_cash_ins(cash_ins, since, known, left_out)
    return Export(
        cash_outs=tuple(merged(of, reports[id_], digests.of(id_)) for id_, of in found.items()),
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


def _unchanged(
    tables: Mapping[Table, IO[bytes]], kind: RowKind, since: datetime, known: KnownRows
) -> AbstractSet[str]:
    """Return the ids of the known rows that are unchanged; leave the files at the beginning."""
    digests = Digests()
    for table, file in tables.items() if known.version else ():
        for _record in digests.over(TableReading(file, table)):
            pass
        file.seek(0)
    return known.unchanged(kind, digests.all(), since)


def _contents(
    rows: Iterable[_Dated], make: Callable[[_Dated], _Made], since: datetime, digests: Digests
) -> dict[str, list[_Made]]:
    """Make something of the rows created at `since` or later; return the different contents by id."""

    def made() -> Iterator[tuple[str, _Made]]:
        for row in rows:
            if row.created >= since:
                yield row.id, make(row)
            else:
                digests.doubt(row.id)  # it counts in a reading that goes further back

    return contents_by_id(made())


def _rows(file: IO[bytes], table: Table, left_out: _LeftOut, digests: Digests) -> Iterator[Row]:
    """Yield the rows of a table; a header that is repeated is reported and left out."""
    reading = TableReading(file, table)
    for row in map(reading.row, digests.over(reading)):
        name, value = next(iter(row.items()))
        if name == value and all(name == value for name, value in row.items()):
            left_out.tell(
                RowFault.HEADER_AGAIN,
                f"{table.name} has its header more than once: several exports stand in one file."
                " Each row of them counts once.",
                table=table.name,
            )
        else:
            yield row


def _read_machines(file: IO[bytes], left_out: _LeftOut) -> dict[str, str]:
    """Read the machines' names; of two names for a machine the first by alphabet is used, and reported."""
    valid = _validated(DeviceRow, file, DEVICES, left_out, Digests())
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
) -> tuple[CashIn, ...]:
    """Read the cash-ins; no table gives none, and neither does a complete but broken one, which is reported.

    A cash-in that comes with different contents moves no cash, and is reported.
    """
    tables = {} if file is None else {CASH_INS: file}
    try:
        digests = Digests(_unchanged(tables, RowKind.CASH_IN, since, known))
        if file is None:
            return ()
        rows = _validated(CashInRow, file, CASH_INS, left_out, digests)
        found = _contents(rows, _cash_in, since, digests)
    except TableBroken as error:
        known.unchanged(RowKind.CASH_IN, {}, since)
        left_out.reported.insert(0, lacks_cash_ins(str(error)))
        return ()
    for id_ in (id_ for id_, contents in found.items() if len(contents) > 1):
        left_out.tell(
            RowFault.TWO_CONTENTS,
            f"A row of cash_in_txs ({id_}) was left out, as it is there with different contents."
            " Are two exports mixed?",
            table=CASH_INS.name,
            id=id_,
        )
    return tuple(
        replace(contents[0], digest=digests.of(id_))
        for id_, contents in found.items()
        if len(contents) == 1
    )


def _read_reports(
    file: IO[bytes], cash_out_ids: Iterable[str], left_out: _LeftOut, digests: Digests
) -> Mapping[str, Reports]:
    """Collect the actions about dispensed notes, by cash-out."""
    reports = {id_: Reports() for id_ in cash_out_ids}
    for raw in _rows(file, ACTIONS, left_out, digests):
        of = reports.get(raw["tx_id"] or "")
        if raw["action"] not in {"dispense", "dispenseError", None}:
            continue
        if raw["tx_id"] is not None and of is None:
            continue
        valid = list(_valid(ActionRow, [raw], ACTIONS, left_out, digests))
        for row in valid:
            reports[row.tx_id].add(Action(row.id, row.action, row.created, _notes(raw)))
        if of is not None and not valid:
            of.readable = False
    return reports


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


def _validated(
    model: type[_Model], file: IO[bytes], table: Table, left_out: _LeftOut, digests: Digests
) -> Iterator[_Model]:
    """Yield the rows of a table that can be read; report the others."""
    return _valid(model, _rows(file, table, left_out, digests), table, left_out, digests)


def _valid(
    model: type[_Model],
    rows: Iterable[Row],
    table: Table,
    left_out: _LeftOut,
    digests: Digests,
) -> Iterator[_Model]:
    for row in rows:
        try:
            yield model.model_validate(row)
        except ValidationError as error:
            columns = sorted({str(fault["loc"][0]) for fault in error.errors()})
            id_ = row.get("id") or ""
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

"""Makes cash-outs and cash-ins of exported rows: the border between Lamassu's tables and the bot.

The invariant: a value that can't be read never passes for another. A number becomes NaN, a flag
None, and the cash-out a hold; a row without a usable id or time is reported and changes nothing. What
comes comes in any order: of one id there is one cash-out, which has all that the reading says of it.
Cash-ins move no sats: where their table can't be used, the cash-outs are read all the same.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.names import short_id
from dca_bot.core.ports import CashIn, Export
from dca_bot.errors import TableBroken, one_line
from dca_bot.lamassu.csv import Row, Table, read_rows
from dca_bot.lamassu.merging import Reports, contents_by_id, merged

_UNREADABLE_MAX = 100
# The last six are what 10.0.0-beta.0 called the recyclers.
_RECYCLERS = (*(f"recycler_{number}" for number in range(1, 7)), "1f", "1r", "2f", "2r", "3f", "3r")
_PLACES = ("1", "2", "3", "4", *_RECYCLERS)
_NO_ZONE = re.compile(r"\d{4,}-\d\d-\d\d [\d:]{4,8}(\.\d+)?")
_SPREADSHEET = re.compile(
    r"\d\d?[./-]\d\d?[./-](\d\d){1,2} \d\d?:\d\d( ?[ap]\.? ?m\.?)?", re.IGNORECASE
)
_NUMERIC = re.compile(r"-?\d+(\.\d+)?|NaN|-?Infinity", re.ASCII)
_OTHER_STYLE = re.compile(
    r"(\w{3} )?(\d\d?[./-]\d\d?[./-]\d{4,}|\w{3} \d\d?|\d\d? \w{3}) [\d:]{4,8}"
)


def _parse_instant(value: str | None) -> datetime:
    """Read PostgreSQL's timestamps: short offsets, 0 to 6 fraction digits."""
    instant = datetime.fromisoformat(value or "NULL is no instant")
    if instant.tzinfo is None:
        raise ValueError("the offset is missing")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _number_or_nan(value: object, parse: ValidatorFunctionWrapHandler) -> object:
    """Read a number as PostgreSQL writes it: one with an exponent was rounded by a spreadsheet."""
    if isinstance(value, str) and not _NUMERIC.fullmatch(value):
        return Decimal("NaN")
    try:
        return parse(value)
    except ValidationError:
        return Decimal("NaN")


def _number_or_none(value: object, parse: ValidatorFunctionWrapHandler) -> object:
    if isinstance(value, str) and not _NUMERIC.fullmatch(value):
        return None
    try:
        return parse(value)
    except ValidationError:
        return None


def _flag_or_none(value: object, parse: ValidatorFunctionWrapHandler) -> object:
    try:
        return parse(value)
    except ValidationError:
        return None


_Model = TypeVar("_Model", bound=BaseModel)
_Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
_Instant = Annotated[datetime, BeforeValidator(_parse_instant)]
_Number = Annotated[
    Annotated[Decimal, Field(allow_inf_nan=True)] | None, WrapValidator(_number_or_nan)
]
_Flag = Annotated[bool | None, WrapValidator(_flag_or_none)]
_FalseIfNull = BeforeValidator(lambda value: "f" if value is None else value)
_Count = Annotated[int, Field(ge=0, le=10**9)]
_NOTES = TypeAdapter(tuple[tuple[_Count, _Count], ...])


class CashOutRow(BaseModel):
    """A row of cash_out_txs; the fields are columns."""

    id: _Id
    device_id: str
    created: _Instant
    confirmed_at: _Instant | None
    status: str | None
    crypto_code: str | None
    fiat_code: str | None
    crypto_atoms: _Number
    fiat: _Number
    commission_percentage: _Number
    raw_ticker_price: _Number
    dispense: _Flag
    dispense_confirmed: Annotated[_Flag, _FalseIfNull]
    error: str | None
    error_code: str | None = None
    discount: _Number = None
    received_crypto_atoms: _Number = None
    fixed_fee: _Number = None


class ActionRow(BaseModel):
    """A row of cash_out_actions, without its notes."""

    id: int
    tx_id: _Id
    action: str
    created: _Instant


class DeviceRow(BaseModel):
    """A row of devices."""

    device_id: str
    name: str


class CashInRow(BaseModel):
    """A row of cash_in_txs."""

    id: _Id
    device_id: str
    created: _Instant
    fiat: Annotated[Decimal | None, WrapValidator(_number_or_none)]
    fiat_code: str | None
    send_confirmed: Annotated[bool, _FalseIfNull]


def _typed(model: type[BaseModel]) -> frozenset[str]:
    """Return the columns of a model that are no text."""
    fields = model.model_fields.items()
    return frozenset(name for name, of in fields if of.annotation not in (str, str | None))


# Columns that a server of the program's range may lack; then they are NULL.
_LATER = frozenset({"discount", "received_crypto_atoms", "error_code", "fixed_fee"})
_FIRST_NOTES = frozenset({"dispensed_1", "dispensed_2", "denomination_1", "denomination_2"})
_LATER_NOTES = frozenset(
    f"{what}_{place}" for what in ("dispensed", "denomination") for place in _PLACES[2:]
)
CASH_OUTS = Table(
    "cash_out_txs", frozenset(CashOutRow.model_fields) - _LATER, _LATER, _typed(CashOutRow)
)
ACTIONS = Table(
    "cash_out_actions",
    frozenset(ActionRow.model_fields) | _FIRST_NOTES,
    _LATER_NOTES,
    _typed(ActionRow) | _FIRST_NOTES | _LATER_NOTES,
)
DEVICES = Table("devices", frozenset(DeviceRow.model_fields))
CASH_INS = Table("cash_in_txs", frozenset(CashInRow.model_fields), typed=_typed(CashInRow))


def read_export(
    cash_outs: IO[bytes],
    actions: IO[bytes],
    devices: IO[bytes] | None,
    *,
    cash_ins: IO[bytes] | None,
    since: datetime,
) -> Export:
    """Make an export of CSV files, of what was created at `since` or later.

    Raise ExportBroken where a file is incomplete. Broken rows are told in `unreadable`, and so are
    cash-ins that came whole and can't be read.
    """
    left_out = _LeftOut()
    rows = _validated(CashOutRow, _rows(cash_outs, CASH_OUTS, left_out), CASH_OUTS, left_out)
    found = contents_by_id((row.id, _cash_out(row)) for row in rows if row.created >= since)
    reports = _read_reports(_rows(actions, ACTIONS, left_out), found.keys(), left_out)
    device_rows = iter(()) if devices is None else _rows(devices, DEVICES, left_out)
    machines = _read_machines(device_rows, left_out)
    paid_in = () if cash_ins is None else _read_cash_ins(cash_ins, since, left_out)
    return Export(
        cash_outs=tuple(merged(of, reports[id_]) for id_, of in found.items()),
        machines=machines,
        unreadable=tuple(left_out.sentences),
        cash_ins=paid_in,
        unreadable_ids=frozenset(left_out.cash_out_ids),
    )


def lacks_cash_ins(why: str) -> str:
    """Return what the operator is told where cash_in_txs can't be used; `why` says what to do."""
    return f"{why} Cash-outs are read all the same; the machines' cash lacks the cash-ins."


@dataclass(slots=True)
class _LeftOut:
    """What could not be read: a sentence each, within bounds, and the ids of the cash-outs among it."""

    sentences: list[str] = field(default_factory=list)
    cash_out_ids: set[str] = field(default_factory=set)

    def tell(self, sentence: str) -> None:
        if len(self.sentences) < _UNREADABLE_MAX:
            self.sentences.append(sentence)


def _rows(file: IO[bytes], table: Table, left_out: _LeftOut) -> Iterator[Row]:
    """Yield the rows of a table; a header that comes again is told, and is no row."""
    for row in read_rows(file, table):
        name, value = next(iter(row.items()))
        if name == value and all(name == value for name, value in row.items()):
            left_out.tell(
                f"{table.name} has its header more than once: several exports stand in one file."
                " Each row of them counts once."
            )
        else:
            yield row


def _read_machines(rows: Iterable[Row], left_out: _LeftOut) -> dict[str, str]:
    """Read the machines' names; of two names for one machine the first by alphabet is used, and told."""
    valid = _validated(DeviceRow, rows, DEVICES, left_out)
    found = contents_by_id((row.device_id, row.name) for row in valid)
    for device_id, (name, *others) in found.items():
        if others:
            left_out.tell(
                f"devices has the machine {short_id(device_id)} with two names, {name[:40]!r} and"
                f" {others[0][:40]!r}; the first is used. Are two exports mixed?"
            )
    return {device_id: names[0] for device_id, names in found.items()}


def _read_cash_ins(file: IO[bytes], since: datetime, left_out: _LeftOut) -> tuple[CashIn, ...]:
    """Read the cash-ins; if their table came whole and is broken, there are none, and that is told.

    One that is there with different contents moves nothing, and is told.
    """
    try:
        rows = _validated(CashInRow, _rows(file, CASH_INS, left_out), CASH_INS, left_out)
        found = contents_by_id((row.id, _cash_in(row)) for row in rows if row.created >= since)
    except TableBroken as error:
        left_out.sentences.insert(0, lacks_cash_ins(str(error)))
        return ()
    for id_ in (id_ for id_, contents in found.items() if len(contents) > 1):
        left_out.tell(
            f"A row of cash_in_txs ({id_}) was left out, as it is there with different contents."
            " Are two exports mixed?"
        )
    return tuple(contents[0] for contents in found.values() if len(contents) == 1)


def _read_reports(
    rows: Iterable[Row], cash_out_ids: Iterable[str], left_out: _LeftOut
) -> Mapping[str, Reports]:
    """Collect the actions that tell of notes, by cash-out."""
    reports = {id_: Reports() for id_ in cash_out_ids}
    for raw in rows:
        of = reports.get(raw["tx_id"] or "")
        if raw["action"] not in {"dispense", "dispenseError", None}:
            continue
        if raw["tx_id"] is not None and of is None:
            continue
        valid = list(_validated(ActionRow, [raw], ACTIONS, left_out))
        for row in valid:
            reports[row.tx_id].add(Action(row.id, row.action, row.created, _notes(raw)))
        if of is not None and not valid:
            of.readable = False
    return reports


def _notes(row: Row) -> tuple[tuple[int, int], ...] | None:
    """Pair denominations with dispensed notes, of the places that reported."""
    pairs = [
        (row.get(f"denomination_{place}"), row.get(f"dispensed_{place}"))
        for place in _PLACES
        if row.get(f"dispensed_{place}") is not None
    ]
    try:
        return _NOTES.validate_python(pairs)
    except ValidationError:
        return None


def _cash_out(row: CashOutRow) -> CashOut:
    """Make a cash-out, still without its actions."""
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
    model: type[_Model], rows: Iterable[Row], table: Table, left_out: _LeftOut
) -> Iterator[_Model]:
    """Yield the rows that can be read; tell of the others."""
    for row in rows:
        try:
            yield model.model_validate(row)
        except ValidationError as error:
            columns = sorted({str(fault["loc"][0]) for fault in error.errors()})
            id_ = row.get("id") or ""
            if table == CASH_OUTS and id_:
                left_out.cash_out_ids.add(id_)
            why = _other_style(row, columns) or "; look at it in Lamassu's database"
            left_out.tell(
                f"A row of {table.name} ({id_[:64] or 'no id'}) was left out, as its"
                f" {', '.join(columns)} can't be read{why}."
            )


def _other_style(row: Row, columns: Sequence[str]) -> str:
    """Say why timestamps can't be read where another DateStyle, or a missing time zone, is the reason."""
    for value in (row.get(column) or "" for column in columns):
        if _SPREADSHEET.fullmatch(value):
            return (
                f": the session's DateStyle is not ISO ({value}), or a spreadsheet has saved the file;"
                " export it anew, with PGDATESTYLE=ISO before psql"
            )
        if _OTHER_STYLE.match(value):
            return (
                f": the session's DateStyle is not ISO ({one_line(value)[:40]}); put PGDATESTYLE=ISO"
                " before psql"
            )
        if _NO_ZONE.fullmatch(value):
            return f": it lacks its time zone ({value[:40]}); export the column as it is"
    return ""

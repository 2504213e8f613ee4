"""Lamassu's tables: the columns that the bot reads, and each value as a Python value.

The invariant: an unreadable value never passes for another value: a number becomes NaN, a flag
None.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

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

from dca_bot.lamassu.csv import Table

# The last six are the recyclers' names in 10.0.0-beta.0.
_RECYCLERS = (*(f"recycler_{number}" for number in range(1, 7)), "1f", "1r", "2f", "2r", "3f", "3r")
PLACES = ("1", "2", "3", "4", *_RECYCLERS)
_NUMERIC = re.compile(r"-?\d+(\.\d+)?|NaN|-?Infinity", re.ASCII)


def _parse_instant(value: str | None) -> datetime:
    """Read a PostgreSQL timestamp, with a short offset and 0 to 6 fraction digits."""
    instant = datetime.fromisoformat(value or "NULL is no instant")
    if instant.tzinfo is None:
        raise ValueError("the offset is missing")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _number_or_nan(value: object, parse: ValidatorFunctionWrapHandler) -> object:
    """Read a number in PostgreSQL's form; a number with an exponent was rounded by a spreadsheet, so NaN."""
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


_Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
_Instant = Annotated[datetime, BeforeValidator(_parse_instant)]
_Number = Annotated[
    Annotated[Decimal, Field(allow_inf_nan=True)] | None, WrapValidator(_number_or_nan)
]
_Flag = Annotated[bool | None, WrapValidator(_flag_or_none)]
_FalseIfNull = BeforeValidator(lambda value: "f" if value is None else value)
_Count = Annotated[int, Field(ge=0, le=10**9)]
NOTES = TypeAdapter(tuple[tuple[_Count, _Count], ...])


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
    """A row of cash_out_actions, without the notes."""

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
    """Return the columns of a model that hold no text."""
    fields = model.model_fields.items()
    return frozenset(name for name, of in fields if of.annotation not in (str, str | None))


# Columns that some supported versions of Lamassu lack; absent columns are read as NULL.
_LATER = frozenset({"discount", "received_crypto_atoms", "error_code", "fixed_fee"})
_FIRST_NOTES = frozenset({"dispensed_1", "dispensed_2", "denomination_1", "denomination_2"})
_LATER_NOTES = frozenset(
    f"{what}_{place}" for what in ("dispensed", "denomination") for place in PLACES[2:]
)
CASH_OUTS = Table(
    "cash_out_txs", frozenset(CashOutRow.model_fields) - _LATER, _LATER, _typed(CashOutRow)
)
ACTIONS = Table(
    "cash_out_actions",
    frozenset(ActionRow.model_fields) | _FIRST_NOTES,
    _LATER_NOTES,
    _typed(ActionRow) | _FIRST_NOTES | _LATER_NOTES,
    id_column="tx_id",
)
DEVICES = Table("devices", frozenset(DeviceRow.model_fields), id_column="device_id")
CASH_INS = Table("cash_in_txs", frozenset(CashInRow.model_fields), typed=_typed(CashInRow))

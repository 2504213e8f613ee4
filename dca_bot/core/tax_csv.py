"""A client's account in the CSV formats of programs that work out taxes.

Each format follows its maker's description: "How to create a custom CSV file with your data" (Koinly, the
universal template), "Convert your transaction history to CoinTracker CSV", and "Advanced Custom CSV Import"
(Crypto Tax Calculator). Times are UTC, amounts exact decimals with a point.

A purchase is a trade of fiat for bitcoin. The transfer to the client's own wallet has no row: without the
transfer's other end, the programs take bitcoin that leaves for bitcoin that was sold. Cash that is handed in
or paid back is no trade; CoinTracker, whose description has no such row, gets none. A payment hash of
Lightning is no transaction of the blockchain, so the hash stands in a description.

No cell has words of a person, so no cell begins like a formula of a spreadsheet.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from dca_bot.core.money import minor_digits, plain_decimal

_COIN_DIGITS = 8
_COIN = "BTC"


class TaxFormat(StrEnum):
    """A format, as commands name it."""

    KOINLY = "koinly"
    COINTRACKER = "cointracker"
    CTC = "ctc"


class Kind(StrEnum):
    """What a movement is: fiat for bitcoin, bitcoin for nothing, fiat in, fiat out."""

    PURCHASE = "purchase"
    INCOME = "income"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement of a client's account. `number`: of the purchase, deposit or withdrawal in the ledger."""

    at: datetime
    kind: Kind
    minor: int
    sat: int
    number: int
    payment_hash: str = ""


@dataclass(frozen=True, slots=True)
class _Side:
    """An amount and its currency as a program reads both; empty where nothing moved."""

    amount: str = ""
    currency: str = ""


def header(form: TaxFormat) -> str:
    """Return the header line of a format."""
    return _line(_FORMS[form].columns)


def has_line(form: TaxFormat, kind: Kind) -> bool:
    """Tell whether a format has a line for a kind of movement."""
    return _FORMS[form].has_cash or kind not in _CASH


def lines(form: TaxFormat, movements: Iterable[Movement], currency: str) -> list[str]:
    """Return the line of each movement, in their order; the format has a line for each."""
    return [_line(_FORMS[form].cells(one, *_sides(one, currency))) for one in movements]


def _koinly(one: Movement, out: _Side, into: _Side) -> tuple[str, ...]:
    label = "income" if one.kind is Kind.INCOME else ""
    sides = (out.amount, out.currency, into.amount, into.currency)
    return (f"{_utc(one, '%Y-%m-%d %H:%M:%S')} UTC", *sides, "", "", "", "", label, _about(one), "")


def _cointracker(one: Movement, out: _Side, into: _Side) -> tuple[str, ...]:
    tag = "payment" if one.kind is Kind.INCOME else ""
    sides = (into.amount, into.currency, out.amount, out.currency)
    return (_utc(one, "%m/%d/%Y %H:%M:%S"), *sides, "", "", tag)


_CASH = frozenset({Kind.DEPOSIT, Kind.WITHDRAWAL})
_CTC_TYPES = {
    Kind.PURCHASE: "buy",
    Kind.INCOME: "income",
    Kind.DEPOSIT: "fiat-deposit",
    Kind.WITHDRAWAL: "fiat-withdrawal",
}


def _ctc(one: Movement, out: _Side, into: _Side) -> tuple[str, ...]:
    base, quote = (out, into) if one.kind is Kind.WITHDRAWAL else (into, out)
    sides = (base.currency, base.amount, quote.currency, quote.amount)
    own_id = f"{one.kind}-{one.number}"
    time = _utc(one, "%Y-%m-%d %H:%M:%S")
    return (time, _CTC_TYPES[one.kind], *sides, "", "", "", "", "", own_id, _about(one), "", "")


@dataclass(frozen=True, slots=True)
class _Form:
    """`has_cash`: the format has lines for fiat that is handed in or paid back."""

    columns: tuple[str, ...]
    cells: Callable[[Movement, _Side, _Side], tuple[str, ...]]
    has_cash: bool = True


_FORMS = {
    TaxFormat.KOINLY: _Form(
        (
            *("Date", "Sent Amount", "Sent Currency", "Received Amount", "Received Currency"),
            *("Fee Amount", "Fee Currency", "Net Worth Amount", "Net Worth Currency"),
            *("Label", "Description", "TxHash"),
        ),
        _koinly,
    ),
    TaxFormat.COINTRACKER: _Form(
        (
            *("Date", "Received Quantity", "Received Currency", "Sent Quantity", "Sent Currency"),
            *("Fee Amount", "Fee Currency", "Tag"),
        ),
        _cointracker,
        has_cash=False,
    ),
    TaxFormat.CTC: _Form(
        (
            *("Timestamp (UTC)", "Type", "Base Currency", "Base Amount"),
            *("Quote Currency (Optional)", "Quote Amount (Optional)"),
            *("Fee Currency (Optional)", "Fee Amount (Optional)"),
            *("From (Optional)", "To (Optional)", "Blockchain (Optional)", "ID (Optional)"),
            "Description (Optional)",
            *("Reference Price Per Unit (Optional)", "Reference Price Currency (Optional)"),
        ),
        _ctc,
    ),
}


def _sides(one: Movement, currency: str) -> tuple[_Side, _Side]:
    """Return what went out of the client's account, and what came in."""
    fiat = _Side(plain_decimal(one.minor, minor_digits(currency)), currency)
    coin = _Side(plain_decimal(one.sat, _COIN_DIGITS), _COIN)
    match one.kind:
        case Kind.PURCHASE:
            return fiat, coin
        case Kind.INCOME:
            return _Side(), coin
        case Kind.DEPOSIT:
            return _Side(), fiat
        case Kind.WITHDRAWAL:
            return fiat, _Side()


def _utc(one: Movement, form: str) -> str:
    return one.at.astimezone(UTC).strftime(form)


def _about(one: Movement) -> str:
    """Describe a movement: what it is, its number, and the payment's hash once paid."""
    paid = f", payment hash {one.payment_hash}" if one.payment_hash else ""
    return f"{one.kind} {one.number}{paid}"


def _line(cells: Iterable[str]) -> str:
    """Write cells as a line of CSV (RFC 4180), without the line's end."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()

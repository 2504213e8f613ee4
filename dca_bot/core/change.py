"""Decides whether a cash-out that was shared out is still what it was then.

The invariant: nothing here moves money. A change is a reason to be told, and a reading that may be
partial is no reason at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dca_bot.core.cash_out import WAIT_MAX, CashOut, Decision, Reason, Verdict, decide

MISSING_MAX = 10
"""A reading that lacks more rows than this is taken for a partial one."""
_SHOWN_MAX = 24
_NONE, _BROKEN = "none", "broken"
_NO_SUCCESS = frozenset(
    {Reason.CLOSED, Reason.NO_CASH_LEFT, Reason.NOT_COMPLETE, Reason.CONTRADICTION}
)


class Change(StrEnum):
    """How a row differs from what was shared out, where it is no reason that it could have had then."""

    AMOUNTS = "amounts changed"
    MISSING = "missing"


def change_of(
    cash_out: CashOut, decision: Decision, *, terms_then: str | None, currency: str
) -> Reason | Change:
    """Return why a row isn't any more what was shared out, empty if it is.

    `decision` is what it is found to be now. The reason is the one that the row has once it can't
    change any more, as nothing waits here.
    """
    reason = Reason.NONE
    if decision.verdict is not Verdict.DISTRIBUTE:
        over = cash_out.created_at + WAIT_MAX + timedelta(seconds=1)
        reason = decide(cash_out, currency=currency, now=over).reason
    if reason not in _NO_SUCCESS and terms_then not in (None, terms(cash_out)):
        return Change.AMOUNTS
    return reason


def missing(
    known: Mapping[str, datetime], read: Mapping[str, datetime], unreadable_ids: Collection[str]
) -> list[str]:
    """Return the known rows that a full reading lacks; both are given with their `created`.

    Only what lies between the oldest and the newest row read can be missing: an export may begin
    later or end earlier than the database. A row that could not be read is not missing.
    """
    if not read:
        return []
    oldest, newest = min(read.values()), max(read.values())
    return [
        id_
        for id_, created_at in known.items()
        if id_ not in read and id_ not in unreadable_ids and oldest <= created_at <= newest
    ]


def terms(cash_out: CashOut) -> str:
    """Write down what never changes in a row: codes, amounts, commission, price and discount.

    The same values always give the same text, however many zeros the source writes.
    """
    numbers = (
        cash_out.crypto_atoms,
        cash_out.fiat,
        cash_out.commission,
        cash_out.ticker,
        Decimal(0) if cash_out.discount is None else cash_out.discount,
    )
    codes = (cash_out.crypto_code or "", cash_out.fiat_code or "")
    return " ".join([*codes, *(_plain(number) for number in numbers)])


@dataclass(frozen=True, slots=True)
class Terms:
    """What a row said of its amounts: `fiat` in whole units, `crypto_atoms` in the coin's smallest."""

    crypto_code: str
    fiat_code: str
    crypto_atoms: Decimal | None
    fiat: Decimal | None


def read_terms(text: str) -> Terms:
    """Read what `terms` wrote down, to be shown; a number that nobody could use is None."""
    codes, crypto_atoms, fiat, *_ = text.rsplit(" ", 5)
    crypto_code, _, fiat_code = codes.partition(" ")
    return Terms(crypto_code, fiat_code, _number(crypto_atoms), _number(fiat))


def _number(text: str) -> Decimal | None:
    if text in (_NONE, _BROKEN) or len(text) > _SHOWN_MAX:
        return None
    number = Decimal(text)
    return number if abs(number.adjusted()) <= _SHOWN_MAX else None


def _plain(number: Decimal | None) -> str:
    """Write a number without trailing zeros, exactly, whatever its size."""
    if number is None or not number.is_finite():
        return _NONE if number is None else _BROKEN
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return "0"
    assert isinstance(exponent, int)
    return f"{'-' if sign else ''}{kept}e{exponent + len(text) - len(kept)}"

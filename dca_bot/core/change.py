"""Decides whether a cash-out that was shared out is still what it was then.

The invariant: nothing here moves money. A change is a reason to be told, and a reading that may be
partial is no reason at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dca_bot.core.cash_out import CashOut, Decision, Reason, Verdict
from dca_bot.core.verdict import WAIT_MAX, decide

MISSING_MAX = 10
"""A reading that lacks more rows than this is taken for a partial one."""
_SHOWN_MAX = 24
_NONE, _BROKEN = "none", "broken"
_FEE = " fee="
"""Stands before the fixed fee; texts from before the bot knew fees end without it."""
_NO_SUCCESS = frozenset(
    {Reason.CLOSED, Reason.NO_CASH_LEFT, Reason.NOT_COMPLETE, Reason.CONTRADICTION}
)


class Change(StrEnum):
    """How a row differs from what was shared out, where it is no reason that it could have had then."""

    AMOUNTS = "amounts_changed"
    MISSING = "missing"


def change_of(
    cash_out: CashOut, decision: Decision, *, terms_then: str | None, currency: str
) -> Reason | Change:
    """Return why a row isn't any more what was shared out, empty if it is.

    `decision` is what it is found to be now. The reason is the one that the row has once it can't
    change any more, as nothing waits here. Contents of one reading that differ in it are TWICE.
    """
    if not cash_out.others:
        verdict = decision.verdict
        return _change_of(cash_out, verdict, terms_then=terms_then, currency=currency)
    reasons = {
        _change_of(replace(one, others=()), None, terms_then=terms_then, currency=currency)
        for one in (cash_out, *cash_out.others)
    }
    return reasons.pop() if len(reasons) == 1 else Reason.TWICE


def _change_of(
    cash_out: CashOut, verdict: Verdict | None, *, terms_then: str | None, currency: str
) -> Reason | Change:
    reason = Reason.NONE
    if verdict is not Verdict.DISTRIBUTE:
        over = cash_out.created_at + WAIT_MAX + timedelta(seconds=1)
        reason = decide(cash_out, currency=currency, now=over).reason
    if reason is Reason.NO_REPORT:
        # The actions table ends early; the row itself is as it was.
        reason = Reason.NONE
    if reason not in _NO_SUCCESS and not has_terms(cash_out, terms_then):
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


def has_terms(cash_out: CashOut, terms_then: str | None) -> bool:
    """Tell whether a row still says what was written down of it; of a fee only where that was."""
    if terms_then is None:
        return True
    terms_now = terms(cash_out)
    return terms_then in (terms_now, terms_now.rpartition(_FEE)[0])


def terms(cash_out: CashOut) -> str:
    """Write down what never changes in a row: codes, amounts, commission, price, discount and fee.

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
    fee = Decimal(0) if cash_out.fixed_fee is None else cash_out.fixed_fee
    return " ".join([*codes, *(_plain(number) for number in numbers)]) + _FEE + _plain(fee)


@dataclass(frozen=True, slots=True)
class RowAmounts:
    """What a row said of its amounts: `fiat` in whole units, `crypto_atoms` in the coin's smallest.

    `fixed_fee` is 0 where the row had none, or nobody asked for it then.
    """

    crypto_code: str
    fiat_code: str
    crypto_atoms: Decimal | None
    fiat: Decimal | None
    fixed_fee: Decimal | None


def read_terms(text: str) -> RowAmounts:
    """Read what `terms` wrote down, to be shown; a number that nobody could use is None."""
    row, has_fee, fee = text.rpartition(_FEE)
    codes, crypto_atoms, fiat, *_ = (row if has_fee else text).rsplit(" ", 5)
    crypto_code, _, fiat_code = codes.partition(" ")
    fixed_fee = _number(fee) if has_fee else Decimal(0)
    return RowAmounts(crypto_code, fiat_code, _number(crypto_atoms), _number(fiat), fixed_fee)


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

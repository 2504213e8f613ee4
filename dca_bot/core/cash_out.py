"""Decides what a cash-out row means: the one place that says when a Lamassu row may move money.

The invariant: only a clean success whose amounts prove each other is distributed. What may still
change waits, what may have let cash out is held for the operator, the rest is ignored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX, minor_digits
from dca_bot.errors import DcaBotError

WAIT_MAX = timedelta(hours=48)

COINS = frozenset({"BTC", "LN"})
_FINAL = frozenset({"confirmed", "instant"})
_DISPENSING = frozenset({"dispense", "dispenseError"})
# These set `dispense` without any cash leaving.
_CLOSINGS = frozenset({"operatorCancel", "walletScoringError", "scoreThresholdReached"})

_SAT_PER_COIN = 10**8
_LOT_SAT = 100  # crypto_atoms is rounded to it
_COLUMN_ROUNDING = Fraction(1, 2 * 10**5)  # half of the last of five decimals
_UNUSABLE = Fraction(-1)  # stands for NULL, NaN and the like: no check lets it pass


@dataclass(frozen=True, slots=True)
class Action:
    """A `dispense` or `dispenseError` row of cash_out_actions; other actions decide nothing.

    `notes` has (denomination in whole units, count) for each cassette and recycler that reported;
    it is empty when none did, and None when what was reported can't be understood.
    """

    id: int
    action: str
    created_at: datetime
    notes: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class CashOut:
    """A row of cash_out_txs with its actions, as read: nothing in it is trusted yet.

    A number is None for NULL and NaN when it could not be read. `commission` is
    commission_percentage (a fraction), `ticker` raw_ticker_price (fiat per coin), `discount` is in
    percent of the commission; `fixed_fee` is None where the server has no such column. `dispense`
    and `dispense_confirmed` are None when unreadable; a NULL dispense_confirmed is False.
    """

    id: str
    device_id: str
    created_at: datetime
    confirmed_at: datetime | None
    status: str | None
    crypto_code: str | None
    fiat_code: str | None
    crypto_atoms: Decimal | None
    fiat: Decimal | None
    commission: Decimal | None
    ticker: Decimal | None
    discount: Decimal | None
    received_crypto_atoms: Decimal | None
    fixed_fee: Decimal | None
    dispense: bool | None
    dispense_confirmed: bool | None
    error: str | None
    error_code: str | None
    actions: tuple[Action, ...] = ()


class Verdict(StrEnum):
    """What becomes of a cash-out."""

    DISTRIBUTE = "distribute"
    IGNORE = "ignore"
    HOLD = "hold"
    WAIT = "wait"


class Reason(StrEnum):
    """Why a cash-out is not distributed; empty for one that is."""

    NONE = ""
    OTHER_COIN = "other coin"
    OTHER_CURRENCY = "other currency"
    NO_COINS = "no coins"
    CLOSED = "closed"
    NO_CASH_LEFT = "no cash left"
    NOT_FINAL = "not final yet"
    NOT_COMPLETE = "dispense not complete"
    CONTRADICTION = "contradiction"
    CODES = "coin or currency missing"
    COINS = "amount of coins missing or impossible"
    FIAT = "amount of cash missing or impossible"
    COMMISSION = "commission missing or impossible"
    DISCOUNT = "discount impossible"
    TICKER = "price missing or impossible"
    NO_FIT = "amounts do not fit each other"
    FIXED_FEE = "fixed fee"
    SHORT = "fewer coins received than sold"
    BY_OPERATOR = "ignored by the operator"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a cash-out has to give: the principal in sats and in fiat, and the commission."""

    principal_sat: int
    principal_minor: int
    commission_sat: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What `decide` found.

    `at` is the distribution's time. `amounts` are given for what is distributed and for a hold
    whose amounts are sound; a hold without them can only be ignored. `dispensed_minor` is what the
    last dispense or dispenseError action reported, None when there is none, it doesn't tell or is
    impossible.
    """

    verdict: Verdict
    reason: Reason
    at: datetime
    amounts: Amounts | None = None
    dispensed_minor: int | None = None


def decide(cash_out: CashOut, *, currency: str, now: datetime) -> Decision:
    """Tell what becomes of a cash-out for a bot of this currency at this instant."""
    at = _left_at(cash_out)
    dispensed_minor = _dispensed_minor(cash_out, currency)
    foreign = _foreign(cash_out, currency)
    if foreign:
        return Decision(Verdict.IGNORE, foreign, at, None, dispensed_minor)
    if _is_success(cash_out):
        amounts, reason = _assess(cash_out, currency)
        verdict = Verdict.HOLD if reason else Verdict.DISTRIBUTE
        return Decision(verdict, reason, at, amounts, dispensed_minor)
    if now - cash_out.created_at <= WAIT_MAX:
        return Decision(Verdict.WAIT, Reason.NOT_FINAL, at, None, dispensed_minor)
    if not _may_have_dispensed(cash_out):
        reason = Reason.CLOSED if cash_out.error_code in _CLOSINGS else Reason.NO_CASH_LEFT
        return Decision(Verdict.IGNORE, reason, at, None, dispensed_minor)
    reason = Reason.CONTRADICTION if cash_out.dispense_confirmed else Reason.NOT_COMPLETE
    amounts, _ = _assess(cash_out, currency)
    return Decision(Verdict.HOLD, reason, at, amounts, dispensed_minor)


def scale(amounts: Amounts, fiat_minor: int) -> Amounts:
    """Reduce amounts to `fiat_minor` of their fiat, rounded down to whole sats.

    Raise DcaBotError unless 0 < fiat_minor <= principal_minor.
    """
    if not 0 < fiat_minor <= amounts.principal_minor:
        raise DcaBotError("Write an amount above 0 and at most the cash-out's own.")
    return Amounts(
        principal_sat=amounts.principal_sat * fiat_minor // amounts.principal_minor,
        principal_minor=fiat_minor,
        commission_sat=amounts.commission_sat * fiat_minor // amounts.principal_minor,
    )


def received_sat(cash_out: CashOut) -> int | None:
    """Return the whole sats that came in, None where that isn't known or makes no sense."""
    received = _exact(cash_out.received_crypto_atoms)
    return int(received) if 0 <= received <= SAT_MAX else None


def _foreign(cash_out: CashOut, currency: str) -> Reason:
    """Tell why a row is none of the bot's; a missing code is broken, not foreign."""
    if cash_out.crypto_code is not None and cash_out.crypto_code not in COINS:
        return Reason.OTHER_COIN
    if cash_out.fiat_code is not None and cash_out.fiat_code != currency:
        return Reason.OTHER_CURRENCY
    if _exact(cash_out.crypto_atoms) == 0:
        return Reason.NO_COINS
    return Reason.NONE


def _is_success(cash_out: CashOut) -> bool:
    """Tell whether all cash left and all coins are there; an empty `error` is an error."""
    return (
        cash_out.status in _FINAL
        and cash_out.dispense is True
        and cash_out.dispense_confirmed is True
        and cash_out.error is None
    )


def _may_have_dispensed(cash_out: CashOut) -> bool:
    """Tell whether cash may be gone: what is unreadable or not told counts as gone."""
    if cash_out.dispense_confirmed is not False:
        return True
    tries = _dispensing(cash_out)
    if cash_out.error_code in _CLOSINGS:
        return any(not action.notes or _notes_total(action.notes) for action in tries)
    return cash_out.dispense is not False or bool(tries)


def _dispensing(cash_out: CashOut) -> list[Action]:
    """Return the actions that tell of notes, oldest first."""
    tries = (action for action in cash_out.actions if action.action in _DISPENSING)
    return sorted(tries, key=lambda action: (action.created_at, action.id))


def _left_at(cash_out: CashOut) -> datetime:
    """Return when the cash left as far as known."""
    dispenses = [action for action in _dispensing(cash_out) if action.action == "dispense"]
    if dispenses:
        return dispenses[-1].created_at
    return cash_out.confirmed_at or cash_out.created_at


def _dispensed_minor(cash_out: CashOut, currency: str) -> int | None:
    """Return what the last try reported: each report is the whole state, so they never add up."""
    tries = _dispensing(cash_out)
    if not tries or not tries[-1].notes:
        return None
    dispensed_minor = int(_notes_total(tries[-1].notes) * 10 ** minor_digits(currency))
    return dispensed_minor if 0 <= dispensed_minor <= FIAT_MINOR_MAX else None


def _notes_total(notes: tuple[tuple[int, int], ...]) -> int:
    return sum(denomination * count for denomination, count in notes)


def _assess(cash_out: CashOut, currency: str) -> tuple[Amounts | None, Reason]:
    """Work out the amounts, and name the first thing that speaks against them."""
    amounts = _amounts(cash_out, currency)
    if _or_zero(cash_out.fixed_fee) != 0:
        return (None if isinstance(amounts, Reason) else amounts), Reason.FIXED_FEE
    if isinstance(amounts, Reason):
        return None, amounts
    received, sold = cash_out.received_crypto_atoms, _exact(cash_out.crypto_atoms)
    if received is not None and _exact(received) < sold - _LOT_SAT:
        return amounts, Reason.SHORT
    return amounts, Reason.NONE


def _amounts(cash_out: CashOut, currency: str) -> Amounts | Reason:
    """Split crypto_atoms into principal (rounded down) and commission, or tell what is broken."""
    sold_sat, fiat = _exact(cash_out.crypto_atoms), _exact(cash_out.fiat)
    commission, ticker = _exact(cash_out.commission), _exact(cash_out.ticker)
    discount = _or_zero(cash_out.discount)
    minor = fiat * 10 ** minor_digits(currency)
    checks = (
        (Reason.CODES, cash_out.crypto_code is not None and cash_out.fiat_code is not None),
        (Reason.COINS, sold_sat.denominator == 1 and 0 < sold_sat <= SAT_MAX),
        (Reason.FIAT, minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX),
        (Reason.COMMISSION, 0 <= commission < 1),
        (Reason.DISCOUNT, 0 <= discount <= 100),
        (Reason.TICKER, ticker > 0),
    )
    for reason, sound in checks:
        if not sound:
            return reason
    rate = commission * (100 - discount) / 100
    price = ticker / _SAT_PER_COIN
    # A machine since v8.0 sells at bid * (1 - rate), an older one at bid / (1 + rate).
    for principal in (sold_sat * (1 - rate), sold_sat / (1 + rate)):
        rounding = _COLUMN_ROUNDING * (1 + principal / _SAT_PER_COIN + sold_sat * price)
        if abs(principal * price - fiat) <= _LOT_SAT // 2 * price + rounding:
            principal_sat = principal.numerator // principal.denominator
            return Amounts(principal_sat, int(minor), int(sold_sat) - principal_sat)
    return Reason.NO_FIT


def _or_zero(value: Decimal | None) -> Fraction:
    return Fraction(0) if value is None else _exact(value)


def _exact(value: Decimal | None) -> Fraction:
    """Return a number as it is; what isn't one, or is absurdly long, is unusable."""
    if value is None or not value.is_finite():
        return _UNUSABLE
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or value.adjusted() > 30:
        return _UNUSABLE
    return Fraction(value)

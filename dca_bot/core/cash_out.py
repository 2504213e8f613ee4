"""Decides what a cash-out row means: the one place that says when a Lamassu row may move money.

The invariant: only a clean success whose amounts prove each other is distributed. What may still
change waits, what may have let cash out is held for the operator, the rest is ignored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from dca_bot.core.exact import exact, exact_or_zero
from dca_bot.core.money import FIAT_MINOR_MAX, SAT_MAX, minor_digits
from dca_bot.errors import DcaBotError

WAIT_MAX = timedelta(hours=48)

COINS = frozenset({"BTC", "LN"})
_FINAL = frozenset({"confirmed", "instant"})
_DISPENSING = frozenset({"dispense", "dispenseError"})
# These set `dispense` without any cash leaving; ciphertraceError is walletScoringError before 10.0.
_CLOSINGS = frozenset(
    {"operatorCancel", "walletScoringError", "ciphertraceError", "scoreThresholdReached"}
)

_SAT_PER_COIN = 10**8
_LOT_SAT = 100  # crypto_atoms is rounded to it
_COLUMN_ROUNDING = Fraction(1, 2 * 10**5)  # half of the last of five decimals


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
    percent of the commission; `fixed_fee` (whole units of fiat, sold on top of `fiat`) is None where
    the server has no such column. `dispense` and `dispense_confirmed` are None when unreadable; a NULL
    dispense_confirmed is False. `reports_readable` is False where an action of this row could not be
    read. `others` has whatever else the same reading says under this id, with its own actions.
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
    reports_readable: bool = True
    others: tuple["CashOut", ...] = ()


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
    NO_REPORT = "dispense not reported"
    TWICE = "read with different contents"
    SHORT = "fewer coins received than sold"
    BY_OPERATOR = "ignored by the operator"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a cash-out has to give: the principal in sats and in fiat, and the commission.

    A fixed fee is within `commission_sat`.
    """

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
    found = _decide_one(cash_out, currency=currency, now=now)
    if not cash_out.others:
        return found
    others = [_decide_one(other, currency=currency, now=now) for other in cash_out.others]
    verdicts = {found.verdict, *(other.verdict for other in others)}
    if verdicts in ({Verdict.IGNORE}, {Verdict.WAIT}):
        return found
    # Nothing tells which of the contents is true, so only what all of them say can be accepted.
    amounts, *rest = (_assess(one, currency)[0] for one in (cash_out, *cash_out.others))
    amounts = amounts if all(other == amounts for other in rest) else None
    return Decision(Verdict.HOLD, Reason.TWICE, found.at, amounts, found.dispensed_minor)


def _decide_one(cash_out: CashOut, *, currency: str, now: datetime) -> Decision:
    """Tell what becomes of one content of a row."""
    at = _left_at(cash_out)
    dispensed_minor = reported_minor(cash_out, currency)
    foreign = _foreign(cash_out, currency)
    if foreign:
        return Decision(Verdict.IGNORE, foreign, at, None, dispensed_minor)
    is_young = now - cash_out.created_at <= WAIT_MAX
    if is_success(cash_out):
        amounts, reason = _assess(cash_out, currency)
        if not reason and not _is_reported(cash_out):
            # An actions table that ends early must not move the distribution's time.
            if is_young:
                return Decision(Verdict.WAIT, Reason.NO_REPORT, at, None, dispensed_minor)
            reason = Reason.NO_REPORT
        verdict = Verdict.HOLD if reason else Verdict.DISTRIBUTE
        return Decision(verdict, reason, at, amounts, dispensed_minor)
    if is_young:
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


def fee_minor(fixed_fee: Decimal, *, part: Fraction, currency: str) -> int:
    """Return a part of a fixed fee in minor units, rounded down."""
    return int(exact(fixed_fee) * part * 10 ** minor_digits(currency))


def received_sat(cash_out: CashOut) -> int | None:
    """Return the whole sats that came in, None where that isn't known or makes no sense."""
    received = exact(cash_out.received_crypto_atoms)
    return int(received) if 0 <= received <= SAT_MAX else None


def is_success(cash_out: CashOut) -> bool:
    """Tell whether all cash left and all coins are there; an empty `error` is an error."""
    return (
        cash_out.status in _FINAL
        and cash_out.dispense is True
        and cash_out.dispense_confirmed is True
        and cash_out.error is None
    )


def dispense_reports(cash_out: CashOut) -> list[Action]:
    """Return the actions that tell of notes, oldest first."""
    tries = (action for action in cash_out.actions if action.action in _DISPENSING)
    return sorted(tries, key=lambda action: (action.created_at, action.id))


def reported_minor(cash_out: CashOut, currency: str) -> int | None:
    """Return what the last report says has left: each report is the whole state, so they never add up.

    None where there is no report, or it doesn't tell, or an amount is impossible.
    """
    reports = dispense_reports(cash_out)
    return notes_minor(reports[-1], currency) if reports and cash_out.reports_readable else None


def notes_minor(report: Action, currency: str) -> int | None:
    """Return the notes of one report in minor units; None where it tells of none, or absurdly many."""
    if not report.notes:
        return None
    dispensed_minor = int(_notes_total(report.notes) * 10 ** minor_digits(currency))
    return dispensed_minor if 0 <= dispensed_minor <= FIAT_MINOR_MAX else None


def _foreign(cash_out: CashOut, currency: str) -> Reason:
    """Tell why a row is none of the bot's; a missing code is broken, not foreign."""
    if cash_out.crypto_code is not None and cash_out.crypto_code not in COINS:
        return Reason.OTHER_COIN
    if cash_out.fiat_code is not None and cash_out.fiat_code != currency:
        return Reason.OTHER_CURRENCY
    if exact(cash_out.crypto_atoms) == 0:
        return Reason.NO_COINS
    return Reason.NONE


def _may_have_dispensed(cash_out: CashOut) -> bool:
    """Tell whether cash may be gone: what is unreadable or not told counts as gone."""
    if cash_out.dispense_confirmed is not False or not cash_out.reports_readable:
        return True
    tries = dispense_reports(cash_out)
    if cash_out.error_code in _CLOSINGS:
        return any(not action.notes or _notes_total(action.notes) for action in tries)
    return cash_out.dispense is not False or bool(tries)


def _is_reported(cash_out: CashOut) -> bool:
    """Tell whether the machine's report of a dispense is there, and no report is unreadable."""
    is_there = any(action.action == "dispense" for action in cash_out.actions)
    return is_there and cash_out.reports_readable


def _left_at(cash_out: CashOut) -> datetime:
    """Return when the cash left as far as known."""
    dispenses = [action for action in dispense_reports(cash_out) if action.action == "dispense"]
    if dispenses:
        return dispenses[-1].created_at
    return cash_out.confirmed_at or cash_out.created_at


def _notes_total(notes: tuple[tuple[int, int], ...]) -> int:
    return sum(denomination * count for denomination, count in notes)


def _assess(cash_out: CashOut, currency: str) -> tuple[Amounts | None, Reason]:
    """Work out the amounts, and name the first thing that speaks against them."""
    amounts = _amounts(cash_out, currency)
    if isinstance(amounts, Reason):
        return None, amounts
    received, sold = cash_out.received_crypto_atoms, exact(cash_out.crypto_atoms)
    if received is not None and exact(received) < sold - _LOT_SAT:
        return amounts, Reason.SHORT
    return amounts, Reason.NONE


def _amounts(cash_out: CashOut, currency: str) -> Amounts | Reason:
    """Split crypto_atoms into principal (rounded down) and commission, or tell what is broken."""
    sold_sat, fiat = exact(cash_out.crypto_atoms), exact(cash_out.fiat)
    commission, ticker = exact(cash_out.commission), exact(cash_out.ticker)
    discount, fee = exact_or_zero(cash_out.discount), exact_or_zero(cash_out.fixed_fee)
    minor_per_unit = 10 ** minor_digits(currency)
    minor = fiat * minor_per_unit
    checks = (
        (Reason.CODES, cash_out.crypto_code is not None and cash_out.fiat_code is not None),
        (Reason.COINS, sold_sat.denominator == 1 and 0 < sold_sat <= SAT_MAX),
        (Reason.FIAT, minor.denominator == 1 and 0 < minor <= FIAT_MINOR_MAX),
        (Reason.COMMISSION, 0 <= commission < 1),
        (Reason.DISCOUNT, 0 <= discount <= 100),
        (Reason.FIXED_FEE, 0 <= fee * minor_per_unit <= FIAT_MINOR_MAX),
        (Reason.TICKER, ticker > 0),
    )
    for reason, sound in checks:
        if not sound:
            return reason
    rate = commission * (100 - discount) / 100
    price = ticker / _SAT_PER_COIN
    # A machine since v8.0 sells at bid * (1 - rate), an older one at bid / (1 + rate); either sells the
    # fixed fee with the fiat, so both together are what the sats without commission are worth.
    for sale_sat in (sold_sat * (1 - rate), sold_sat / (1 + rate)):
        rounding = _COLUMN_ROUNDING * (1 + sale_sat / _SAT_PER_COIN + sold_sat * price)
        if abs(sale_sat * price - fiat - fee) <= _LOT_SAT // 2 * price + rounding:
            # Rounded down, so that no sat of the fee or the commission is given to a client.
            principal_sat = int(sale_sat * fiat / (fiat + fee))
            return Amounts(principal_sat, int(minor), int(sold_sat) - principal_sat)
    return Reason.NO_FIT

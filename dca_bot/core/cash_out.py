"""A cash-out as Lamassu has it, and what the bot can find the cash-out to be."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

COINS = frozenset({"BTC", "LN"})


@dataclass(frozen=True, slots=True)
class Action:
    """A `dispense` or `dispenseError` row of cash_out_actions; other actions decide nothing.

    `notes`: (denomination in whole units, count) for each cassette and recycler that reported; empty if none
    reported, None if a report can't be understood.
    """

    id: int
    action: str
    created_at: datetime
    notes: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class CashOut:
    """A row of cash_out_txs with the actions of the cash-out, as read: no value is trusted yet.

    A number is None for NULL, and NaN if the number could not be read. `commission`: commission_percentage,
    a fraction. `ticker`: raw_ticker_price, fiat per coin. `discount`: percent of the commission.
    `fixed_fee`: whole units of fiat, sold on top of `fiat`; None if the server has no such column.
    `dispense` and `dispense_confirmed`: None if unreadable; a NULL dispense_confirmed is False.
    `reports_readable`: False if an action of the row could not be read. `others`: rows with other contents
    that the same reading has under the same id, each with actions. `digest`: of all records that the row was
    made of, None if the row wasn't made of whole records.
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
    digest: bytes | None = field(default=None, compare=False, repr=False)


class Verdict(StrEnum):
    """What the bot does with a cash-out."""

    DISTRIBUTE = "distribute"
    IGNORE = "ignore"
    HOLD = "hold"
    WAIT = "wait"


class Reason(StrEnum):
    """Why a cash-out is not distributed; empty for one that is."""

    NONE = ""
    OTHER_COIN = "other_coin"
    OTHER_CURRENCY = "other_currency"
    NO_COINS = "no_coins"
    CLOSED = "closed"
    NO_CASH_LEFT = "no_cash_left"
    NOT_FINAL = "not_final_yet"
    NOT_COMPLETE = "dispense_not_complete"
    CONTRADICTION = "contradiction"
    CODES = "coin_or_currency_missing"
    COINS = "amount_of_coins_missing_or_impossible"
    FIAT = "amount_of_cash_missing_or_impossible"
    COMMISSION = "commission_missing_or_impossible"
    DISCOUNT = "discount_impossible"
    TICKER = "price_missing_or_impossible"
    NO_FIT = "amounts_do_not_fit_each_other"
    FIXED_FEE = "fixed_fee"
    NO_REPORT = "dispense_not_reported"
    TWICE = "read_with_different_contents"
    SHORT = "fewer_coins_received_than_sold"
    BY_OPERATOR = "ignored_by_the_operator"
    ELSEWHERE = "processed_by_another_programme"
    BEFORE_IMPORT = "older_than_the_import"


@dataclass(frozen=True, slots=True)
class Amounts:
    """The principal of a cash-out in sats and in fiat, and the commission with a fixed fee in it."""

    principal_sat: int
    principal_minor: int
    commission_sat: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What `verdict.decide` found.

    `at`: the distribution's time. `amounts`: of a cash-out to be distributed, or of a hold whose amounts are
    sound; a hold without amounts can only be ignored. `dispensed_minor`: the fiat in the last dispense or
    dispenseError action; None if there is none, or the action tells no possible amount.
    """

    verdict: Verdict
    reason: Reason
    at: datetime
    amounts: Amounts | None = None
    dispensed_minor: int | None = None

"""Decides at which price of a coin fixed mode may buy, or why it may not now.

The invariant: fixed mode buys nothing without a price, at a price that is too old, or at a price that
a fresh ticker of the Lamassu server contradicts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from dca_bot.core.cash_out import COINS, CashOut
from dca_bot.core.market import coin_minor
from dca_bot.core.programme import FixedModeRules

_LNBITS = "lnbits"
_LAMASSU = "lamassu"
_DIGITS_MAX = 30


@dataclass(frozen=True, slots=True)
class Ticker:
    """The price of a coin at the Lamassu server at an instant, in whole units of the currency."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that fixed mode may buy at, in whole units of the currency; `source`: _LNBITS or _LAMASSU.

    `margin_bp`: the part of the fiat that the operator keeps, in basis points.
    """

    price: Decimal
    source: str
    margin_bp: int = 0


class RateProblem(StrEnum):
    """Why there is no usable rate now."""

    NO_PRICE = "no_price"
    NO_TICKER = "no_lamassu_price"
    TOO_OLD = "lamassu_price_too_old"
    TOO_FAR = "prices_too_far_apart"


def newest_ticker(cash_outs: Iterable[CashOut], *, currency: str, now: datetime) -> Ticker | None:
    """Return the newest usable price among the rows, without rows of the future.

    Lamassu writes `raw_ticker_price`, the bid, when a row is created.
    """
    priced = (
        cash_out
        for cash_out in cash_outs
        if cash_out.crypto_code in COINS
        and cash_out.fiat_code == currency
        and cash_out.created_at <= now
        and cash_out.ticker is not None
        and not cash_out.others
    )
    # Newest first: one price is worked out instead of each row's.
    for cash_out in sorted(priced, key=lambda row: row.created_at, reverse=True):
        assert cash_out.ticker is not None
        if is_price(cash_out.ticker, currency):
            return Ticker(cash_out.ticker, cash_out.created_at)
    return None


def choose_rate(
    lnbits_price: Decimal | None,
    ticker: Ticker | None,
    *,
    rules: FixedModeRules,
    currency: str,
    now: datetime,
) -> Quote | RateProblem:
    """Return the price of the configured source, or the reason why fixed mode can't buy at the price.

    While the ticker is fresh, the two prices may differ by `deviation_percent_max` of the ticker. With
    Lamassu as the source, a missing price of LNbits is no obstacle, and a ticker of the future is not used.
    """
    lnbits = lnbits_price if lnbits_price is not None and is_price(lnbits_price, currency) else None
    fresh = ticker if ticker is not None and now - ticker.at <= rules.rate_age_max else None
    if rules.rate_source == _LNBITS:
        price, problem = lnbits, RateProblem.NO_PRICE
    else:
        price = fresh.price if fresh is not None and fresh.at <= now else None
        problem = RateProblem.TOO_OLD if ticker is not None else RateProblem.NO_TICKER
    if price is None:
        return problem
    if fresh is not None and lnbits is not None:
        apart = abs(Fraction(lnbits) - Fraction(fresh.price))
        if apart * 100 > rules.deviation_percent_max * Fraction(fresh.price):
            return RateProblem.TOO_FAR
    return Quote(price, rules.rate_source, rules.margin_bp)


def round_price(price: Decimal) -> int:
    """Return a price rounded to two significant digits, in whole units, for texts that say "about".

    >>> round_price(Decimal("1234567.89"))
    1200000
    """
    whole = max(int(price), 1)
    unit: int = 10 ** max(len(str(whole)) - 2, 0)
    return (whole + unit // 2) // unit * unit


def is_price(price: Decimal, currency: str) -> bool:
    """Tell whether a number can be the price of a coin: at least one minor unit, at most 30 digits."""
    if not price.is_finite() or price <= 0:
        return False
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -_DIGITS_MAX or price.adjusted() > _DIGITS_MAX:
        return False
    return coin_minor(price, currency) >= 1

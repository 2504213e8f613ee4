"""Decides at which price of a coin fixed mode may buy, or why it may not now.

The invariant: no price, one that is too old, or one that a fresh ticker of the machines contradicts
buys nothing.
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

LNBITS = "lnbits"
LAMASSU = "lamassu"
_DIGITS_MAX = 30


@dataclass(frozen=True, slots=True)
class Ticker:
    """The price of a coin, in whole units of the currency, that the server had at an instant."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that may be bought at, in whole units of the currency, and whose it is."""

    price: Decimal
    source: str


class RateProblem(StrEnum):
    """Why there is no usable rate now."""

    NO_PRICE = "LNbits tells no price"
    NO_TICKER = "no price from Lamassu yet"
    TOO_OLD = "the price from Lamassu is too old"
    TOO_FAR = "the prices are too far apart"


def newest_ticker(cash_outs: Iterable[CashOut], *, currency: str, now: datetime) -> Ticker | None:
    """Return the newest usable price among the rows; rows of the future tell nothing.

    Lamassu writes `raw_ticker_price`, the bid, when it makes a row (`created`).
    """
    tickers = (
        Ticker(cash_out.ticker, cash_out.created_at)
        for cash_out in cash_outs
        if cash_out.crypto_code in COINS
        and cash_out.fiat_code == currency
        and cash_out.created_at <= now
        and cash_out.ticker is not None
        and not cash_out.others
        and is_price(cash_out.ticker, currency)
    )
    return max(tickers, key=lambda ticker: ticker.at, default=None)


def choose_rate(
    lnbits_price: Decimal | None,
    ticker: Ticker | None,
    *,
    terms: FixedModeRules,
    currency: str,
    now: datetime,
) -> Quote | RateProblem:
    """Return the configured source's price, or what speaks against it.

    The two prices are compared, as a part of the ticker, while the ticker is fresh. Where the rate
    is Lamassu's, LNbits only has a say if it tells a price; a ticker of the future is not bought at.
    """
    lnbits = lnbits_price if lnbits_price is not None and is_price(lnbits_price, currency) else None
    fresh = ticker if ticker is not None and now - ticker.at <= terms.rate_age_max else None
    if terms.rate_source == LNBITS:
        price, problem = lnbits, RateProblem.NO_PRICE
    else:
        price = fresh.price if fresh is not None and fresh.at <= now else None
        problem = RateProblem.TOO_OLD if ticker is not None else RateProblem.NO_TICKER
    if price is None:
        return problem
    if fresh is not None and lnbits is not None:
        apart = abs(Fraction(lnbits) - Fraction(fresh.price))
        if apart * 100 > terms.deviation_percent_max * Fraction(fresh.price):
            return RateProblem.TOO_FAR
    return Quote(price, terms.rate_source)


def round_price(price: Decimal) -> int:
    """Return a price with two digits that count, in whole units: what "about" means to a person."""
    whole = max(int(price), 1)
    unit: int = 10 ** max(len(str(whole)) - 2, 0)
    return (whole + unit // 2) // unit * unit


def is_price(price: Decimal, currency: str) -> bool:
    """Tell whether a number can be the price of a coin: at least one minor unit, and no monster."""
    if not price.is_finite() or price <= 0:
        return False
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -_DIGITS_MAX or price.adjusted() > _DIGITS_MAX:
        return False
    return coin_minor(price, currency) >= 1

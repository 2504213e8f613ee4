"""`price`, and the one price of a coin at which clients and operators are told what sats are worth.

The price is LNbits' of now. Without an answer of LNbits the price is Lamassu's newest, told with its time.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from dca_bot.chat.ask import ask_coin, coin_rate
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.services import Services
from dca_bot.core.clients import Mode
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.money import minor_digits
from dca_bot.ledger.programme import tickers
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Moment, Rate, Sat, Say

PRICE_AGE_MAX = timedelta(days=1)
"""An older price says little about what sats are worth today."""
_WAIT_MAX_S = 4
"""A reply can do without LNbits' price, and waits less for the price than a change waits."""
_UNITS = 100
"""The amount, in whole units of the currency, that shows what cash buys."""


@dataclass(frozen=True, slots=True)
class MarketPrice:
    """A coin's price in minor units; `at`: when Lamassu used the price, None for LNbits' price of now."""

    coin: Fraction
    at: datetime | None = None


async def look_price(services: Services, _args: Args) -> Fraction | None:
    """Ask LNbits for a coin's price; None without an answer in time."""
    wait_s = min(services.answer_limit_s, _WAIT_MAX_S)
    return await ask_coin(replace(services, answer_limit_s=wait_s))


def market_price(tx: Tx, ctx: Context, coin: Fraction | None) -> MarketPrice | None:
    """Return the price to tell: LNbits' `coin`, else Lamassu's newest unless that is too old."""
    if coin is not None:
        return MarketPrice(coin)
    ticker = tickers.newest(tx)
    if ticker is None or ctx.now - ticker.at > PRICE_AGE_MAX:
        return None
    return MarketPrice(coin_minor(ticker.price, ctx.programme.currency), ticker.at)


def _price_answer(tx: Tx, ctx: Context, _args: Args, coin: Fraction | None) -> Say:
    """Tell the price of a coin, what cash buys, and what the client has paid on average."""
    price = market_price(tx, ctx, coin)
    if price is None:
        return Say("price.unknown")
    minor = _UNITS * 10 ** minor_digits(ctx.programme.currency)
    got = purchases.got(tx, ctx.client.id) if ctx.client else None
    own = NOTHING
    if got is not None and got.bought_sat:
        own = Say("price.own", rate=Rate(got.spent_minor, got.bought_sat))
    at = NOTHING if price.at is None else Say("price.at", at=Moment(price.at))
    now = Say("price.now", rate=coin_rate(price.coin), at=at)
    is_fixed = ctx.client is not None and ctx.client.mode is Mode.FIXED
    buys = Say(
        "price.buys",
        fiat=Fiat(minor),
        sats=Sat(bought_sat(minor, price.coin)),
        margin=describe.margin(ctx.programme.fixed) if is_fixed else NOTHING,
    )
    return Say("lines", lines=(now, buys, own))


PRICE = Command(("price",), look=look_price, answer=_price_answer)

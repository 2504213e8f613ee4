"""`price`: what a bitcoin costs now, for clients and operators."""

from fractions import Fraction

from dca_bot.chat.ask import ask_coin, coin_rate
from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.services import Services
from dca_bot.core.market import bought_sat, coin_minor
from dca_bot.core.money import minor_digits
from dca_bot.ledger.programme import tickers
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Fiat, Moment, Rate, Sat, Say

_UNITS = 100
"""The amount, in whole units of the currency, that shows what cash buys."""


async def _look_price(services: Services, _args: Args) -> Fraction | None:
    """Ask LNbits for a coin's price."""
    return await ask_coin(services)


def _price_answer(tx: Tx, ctx: Context, _args: Args, coin: Fraction | None) -> Say:
    """Tell LNbits' price of a coin; without that price, Lamassu's newest with its time."""
    at = NOTHING
    if coin is None:
        ticker = tickers.newest(tx)
        if ticker is None:
            return Say("price.unknown")
        coin, at = (
            coin_minor(ticker.price, ctx.programme.currency),
            Say("price.at", at=Moment(ticker.at)),
        )
    minor = _UNITS * 10 ** minor_digits(ctx.programme.currency)
    got = purchases.got(tx, ctx.client.id) if ctx.client else None
    own = NOTHING
    if got is not None and got.bought_sat:
        own = Say("price.own", rate=Rate(got.spent_minor, got.bought_sat))
    buys = Say("price.buys", fiat=Fiat(minor), sats=Sat(bought_sat(minor, coin)))
    return Say("lines", lines=(Say("price.now", rate=coin_rate(coin), at=at), buys, own))


PRICE = Command(("price",), look=_look_price, answer=_price_answer)

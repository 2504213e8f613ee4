"""The market price: looked up before a command's transaction, as a command can do without it, and told."""

from decimal import Decimal
from fractions import Fraction

from dca_bot.chat.desk import Desk
from dca_bot.chat.say import Rate
from dca_bot.core.market import COIN_SAT, coin_minor, value_minor
from dca_bot.errors import LnbitsRefused, LnbitsUnavailable


async def ask_price(desk: Desk) -> Decimal | None:
    """Return what one coin costs at LNbits in whole units; None where LNbits doesn't tell."""
    try:
        return await desk.wallet.price(desk.currency)
    except (LnbitsUnavailable, LnbitsRefused):
        return None


async def ask_coin(desk: Desk) -> Fraction | None:
    """Return the same in minor units, exactly."""
    price = await ask_price(desk)
    return None if price is None else coin_minor(price, desk.currency)


def coin_rate(coin: Fraction) -> Rate:
    """Return a price of so many minor units for one coin, as it is told."""
    return Rate(value_minor(COIN_SAT, coin), COIN_SAT)
